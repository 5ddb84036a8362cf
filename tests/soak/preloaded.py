"""Modules and files that the fork server of a soak loads once, for all processes that are forked from it."""

from pathlib import Path

import uvicorn

import api.app
import deployments.notices
import flows.evaluation
import flows.settlement
import tasks.market
import tasks.polling
import tasks.timestamps
from store.sessions import load_sessions

__all__ = ["api", "deployments", "flows", "tasks", "uvicorn"]

load_sessions(Path())
