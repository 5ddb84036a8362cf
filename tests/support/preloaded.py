"""Modules and files that the fork server loads once, for all processes of tests.support.processes."""

from pathlib import Path

import countersign.services.attestation.sealing
import countersign.services.settlement.settle
from countersign.store.sessions import load_sessions

__all__ = ["countersign"]

load_sessions(Path())
