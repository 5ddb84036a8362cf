"""Profiles: daily bars as the tools of the field export them, read as ours by header and content, with remarks."""

from countersign.domain.market.profiles.recognition import FILE, PROFILES, ROW

__all__ = ["FILE", "PROFILES", "ROW"]
