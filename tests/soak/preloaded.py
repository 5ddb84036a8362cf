"""Modules and files that the fork server of a soak loads once, for all processes that are forked from it."""

from pathlib import Path

import git
import uvicorn

import countersign.api.app
import countersign.deployments.notifications
import countersign.flows.evaluation
import countersign.flows.settlement
import countersign.services.attestation.timestamps
import countersign.services.external.polling
import countersign.services.market.imports
from countersign.store.sessions import load_sessions

__all__ = ["countersign", "git", "uvicorn"]

load_sessions(Path())
