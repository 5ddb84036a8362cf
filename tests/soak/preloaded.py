"""Modules and files that the fork server of a soak loads once, for all processes that are forked from it."""

from pathlib import Path

import uvicorn

import api.app
import deployments.notifications
import flows.evaluation
import flows.settlement
import services.attestation.timestamps
import services.external.polling
import services.market.imports
from store.sessions import load_sessions

__all__ = ["api", "deployments", "flows", "services", "uvicorn"]

load_sessions(Path())
