"""Portfolio: the day's signal of every active multi-factor portfolio, on the path that researchers use.

Repeating it before the deadline changes nothing, unless newer values came; after it nothing is submitted any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from countersign.domain.sessions import at, deadline
from countersign.models.enums import ExecutionPrice
from countersign.models.errors import CountersignError
from countersign.models.timetable import TIMETABLE
from countersign.services.notifications.notifications import notify, resolve
from countersign.services.portfolios.signals import (
    MadeSignal,
    active_portfolios,
    notify_owner,
    signals_for,
    unanswered,
    unmade,
)
from countersign.services.signals.acceptance import Receipt
from countersign.services.signals.submission import submit_each
from countersign.store.home import Home

MADE_AT = next(slot.at for slot in TIMETABLE if slot.stage == "portfolio-signals")
# Key of the operator's notification: one, until the signals are made in time again.
MISSED = "portfolio signals missed"


@dataclass(frozen=True)
class Made:
    """Outcome of one portfolio's signal; `revision` is None if there is none, and `reason` says why.

    `news`: the revision is new.
    """

    portfolio: str
    strategy: str
    symbols: int
    revision: int | None
    news: bool
    reason: str | None


def make_signals(home: Home, session: date, now: datetime) -> list[Made]:
    """Make and submit the signals of all active portfolios for a session at `now`; notify owners without one.

    One that cannot be made, or is refused, keeps none of the others out. From the deadline on no signal is made: owners
    that lack a due signal are notified, and so is the operator.
    """
    if now >= deadline(session, ExecutionPrice.OPEN):
        return _miss(home, session, now)
    with home.ledger.read() as db:
        portfolios = active_portfolios(db)
    if not portfolios:
        return []
    made = signals_for(home.lake, home.sessions, session, portfolios)
    sent = {each.portfolio_id: sent for each in made if (sent := each.submission(session, now))}
    outcomes = submit_each(home.ledger, home.sessions, list(sent.values())) if sent else []
    answers: dict[str, Receipt | CountersignError] = dict(zip(sent, outcomes, strict=True))
    done = [_with_refusal(each, answers.get(each.portfolio_id)) for each in made]
    _notify(home, session, done, now, missed=False)
    return [_made(each, answers.get(each.portfolio_id)) for each in done]


def _miss(home: Home, session: date, now: datetime) -> list[Made]:
    """Notify owners that lack a due signal that it is too late for one."""
    closed_at = deadline(session, ExecutionPrice.OPEN)
    with home.ledger.read() as db:
        waiting = unanswered(db, session, at(session, MADE_AT))
        late = unmade(db, waiting, f"not made before the deadline, {closed_at:%F %T} UTC")
    if late:
        _notify(home, session, late, now, missed=True)
    return [_made(each, None) for each in late]


def _with_refusal(signal: MadeSignal, answer: Receipt | CountersignError | None) -> MadeSignal:
    return replace(signal, reason=str(answer)) if isinstance(answer, CountersignError) else signal


def _notify(home: Home, session: date, signals: Sequence[MadeSignal], now: datetime, *, missed: bool) -> None:
    with home.ledger.write() as db:
        for signal in signals:
            notify_owner(db, signal, session, now)
        if missed:
            notify(db, MISSED, MISSED, f"{len(signals)} portfolios missed the deadline of {session}", now)
        else:
            resolve(db, MISSED, now)


def _made(signal: MadeSignal, answer: Receipt | CountersignError | None) -> Made:
    receipt = answer if isinstance(answer, Receipt) else None
    symbols = signal.weights.height if receipt and signal.weights is not None else 0
    revision, news = (receipt.revision, not receipt.known) if receipt else (None, False)
    return Made(signal.name, signal.strategy, symbols, revision, news, signal.reason)
