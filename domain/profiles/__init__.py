"""Daily bars as the tools of the field export them, read as ours: by header and content, and said aloud."""

from domain.profiles.recognition import FILE, PROFILES, ROW

__all__ = ["FILE", "PROFILES", "ROW"]
