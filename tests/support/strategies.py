"""Strategies and signals of test homes."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from countersign.domain.sessions import deadline
from countersign.models.enums import ExecutionPrice, StrategyStatus
from countersign.models.tables.strategies import StrategyTerms
from countersign.services.signals.submission import Receipt, submit
from countersign.services.strategies.lifecycle import change_status, ensure_user, open_strategy, require_strategy
from countersign.store.home import Home
from tests.support.frames import signals


def open_strategies(home: Home, now: datetime, *slugs: str, **terms: Any) -> None:
    """Open strategies with the same terms."""
    with home.ledger.write() as db:
        owner = ensure_user(db, "tester", now)
        for slug in slugs:
            given = {"name": slug, "holding_period": 1, **terms}
            open_strategy(db, owner, StrategyTerms.model_validate({"slug": slug, **given}), now)


def move(home: Home, slug: str, status: StrategyStatus, now: datetime) -> None:
    """Move a strategy to another state."""
    with home.ledger.write() as db:
        change_status(db, require_strategy(db, slug), status, now, actor="operator")


def status_of(home: Home, slug: str) -> str:
    """Return a strategy's state."""
    with home.ledger.read() as db:
        return str(require_strategy(db, slug).status)


def send(
    home: Home, session: date, weights: Mapping[str, Mapping[str, float]], at: datetime | None = None
) -> list[Receipt]:
    """Submit portfolios, by default a minute before the first deadline of the session."""
    received_at = at or deadline(session, ExecutionPrice.OPEN) - timedelta(minutes=1)
    return submit(home.ledger, home.sessions, session, signals(weights), received_at)
