"""The undisturbed run: the same plan by plain calls, in one process, in a home of its own; nothing happens to it.

Salts are random. It takes those of the disturbed run, so that both must give the same bytes.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlmodel import col, select

from countersign.models.tables.accounts import User
from countersign.models.tables.operations import account
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy, StrategyTerms
from countersign.services.attestation.sealing import seal_pending
from countersign.services.market.imports import import_actions
from countersign.services.signals import acceptance
from countersign.services.strategies.lifecycle import change_status, ensure_user, open_strategy, require_strategy
from countersign.store.home import Home
from tests.soak.plan import EVENING, MORNING, NOON, Day, Plan
from tests.soak.stages import evaluate, ingest, settle
from tests.support.market_homes import new_home
from tests.support.strategies import send


def begin(home: Home, plan: Plan, market: Path) -> None:
    """Bring in the state before the first session: the clock, the history's bars, all corporate actions."""
    home.clock.set(plan.day(0).at(MORNING))
    ingest(home, "history", market)
    import_actions(home, market / "actions.parquet", home.clock.now())


def run_undisturbed(path: Path, disturbed: Home, plan: Plan, days: int, market: Path) -> Home:
    """Live so many sessions of the plan with the keys, the account and the salts of the disturbed home."""
    shutil.copytree(disturbed.path / "keys", path / "keys")
    home = new_home(path, "simulated")
    begin(home, plan, market)
    with disturbed.ledger.read() as db:
        nickname = db.exec(select(User.nickname).join(Strategy, col(Strategy.owner_id) == User.id)).first()
    with Salts(disturbed).given() as salts:
        for n in range(days):
            live(home, plan.day(n), market, str(nickname), salts.of)
    return home


def live(
    home: Home,
    day: Day,
    market: Path,
    nickname: str,
    before: Callable[[str, date], object] = lambda *_: None,
) -> None:
    """Live one session; `before` is called with strategy and session before each signal."""
    home.clock.set(day.at(MORNING))
    with home.ledger.write() as db:
        owner = ensure_user(db, nickname, home.clock.now())
        for terms in day.opened:
            open_strategy(db, owner, StrategyTerms.model_validate(terms), home.clock.now())
    for move in day.moves:
        with home.ledger.write() as db:
            strategy = require_strategy(db, move.slug)
            change_status(db, strategy, move.status, home.clock.now(), actor=account(strategy.owner_id))
    for time, portfolios in ((MORNING, day.morning), (NOON, day.noon)):
        home.clock.set(day.at(time))
        for slug, sent in portfolios.items():
            before(slug, day.session)
            for portfolio in sent:
                send(home, day.session, {slug: portfolio}, home.clock.now())
        seal_pending(home, home.clock.now())
    home.clock.set(day.at(EVENING))
    for stage in (ingest, settle, evaluate):
        stage(home, day.session, market)


class Salts:
    """The salts of a home's signals, handed out in the order of their revisions."""

    def __init__(self, home: Home) -> None:
        query = select(Strategy.slug, Signal.session, Signal.salt).join(Signal, col(Signal.strategy_id) == Strategy.id)
        self._waiting: dict[tuple[str, date], list[str]] = {}
        with home.ledger.read() as db:
            for slug, session, salt in db.exec(query.order_by(col(Signal.revision))):
                self._waiting.setdefault((slug, session), []).append(salt)
        self._current: list[str] = []

    def of(self, slug: str, session: date) -> None:
        """Hand out those of a strategy's session from now on."""
        self._current = self._waiting[slug, session]

    @contextmanager
    def given(self) -> Iterator["Salts"]:
        """Have them given to the signals that are recorded in the block."""
        real: Any = acceptance.secrets
        acceptance.secrets = SimpleNamespace(token_hex=lambda _length: self._current.pop(0))  # type: ignore[assignment]
        try:
            yield self
        finally:
            acceptance.secrets = real
