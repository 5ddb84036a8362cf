"""Modules and files that the fork server loads once, for all processes of tests.support.processes."""

from pathlib import Path

import store.sealing
import tasks.settlement
from store.sessions import load_sessions

__all__ = ["store", "tasks"]

load_sessions(Path())
