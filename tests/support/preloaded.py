"""Modules and files that the fork server loads once, for all processes of tests.support.processes."""

from pathlib import Path

import services.attestation.sealing
import services.settlement.settle
from store.sessions import load_sessions

__all__ = ["services"]

load_sessions(Path())
