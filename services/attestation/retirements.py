"""Retirements: the record of a strategy's end, sealed once its last session is in the journal.

A record is made from the ledger and the journal's own settled days. A record that is in the journal already, after a
crash or in a restored ledger, is taken as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.attestation.records import retirement_path, retirement_record, settled_path
from countersign.domain.sessions import EXCHANGE_ZONE, Sessions, at
from countersign.models.errors import HorizonError
from countersign.models.tables.attestation import Disclosure, Retirement, Seal
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.submission import first_session
from countersign.store.home import Home
from countersign.store.journal.git_commands import MISSING, read_batch
from countersign.store.journal.journal import BRANCH, Added, JournalEntry, Writer

RETIREMENT = "retirement"
BATCH = 10_000

Remember = Callable[[Session, str, Added, Iterable[str]], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A strategy that was retired, and whose end is not on record yet."""

    id: int
    slug: str
    retired_at: datetime


def due_retirements(db: Session, sessions: Sessions, limit: int = BATCH) -> list[Ended]:
    """List the strategies that are retired, sealed, and settled for the last time, and whose end is not on record.

    A strategy is settled through the day of its retirement, so the last session is in the journal once no session up to
    that day is missing there.
    """
    known_before = _known_before(db, sessions)
    if known_before is None:
        return []
    signals = (
        sa.select(col(Signal.id))
        .outerjoin(Seal, col(Seal.signal_id) == col(Signal.id))
        .where(col(Signal.strategy_id) == col(Strategy.id))
    )
    query = (
        sa.select(col(Strategy.id), col(Strategy.slug), col(Strategy.retired_at))
        .outerjoin(Retirement, col(Retirement.strategy_id) == col(Strategy.id))
        .where(col(Strategy.retired_at) < known_before, col(Retirement.strategy_id).is_(None))
        # One that never signalled is not in the journal, and one with a signal that waits is not at its end there.
        .where(signals.exists(), ~signals.where(col(Seal.commit_sha).is_(None)).exists())
        .order_by(col(Strategy.id))
        .limit(limit)
    )
    return [Ended(*row) for row in db.connection().execute(query)]


def record_retirements(home: Home, writer: Writer, remember: Remember, now: datetime) -> list[JournalEntry]:
    """Seal the ends that are due in one commit; the ledger learns of it by the sealer's `remember`. Safe to repeat."""
    with home.ledger.read() as db:
        due = due_retirements(db, home.sessions)
        versions = _disclosed(db) if due else {}
    if not due:
        return []
    paths = {each: retirement_path(each.slug) for each in due}
    written = _read(home, paths.values())
    navs = _Navs(home, versions)
    files = {path: written.get(path) or _record(home, each, navs) for each, path in paths.items()}
    moment = max(now, *(each.retired_at for each in due))
    added = writer.add(files, f"record the end of {len(files)} strategies", moment)
    with home.ledger.write() as db:
        shas = remember(db, RETIREMENT, added, files)
        db.add_all(Retirement(strategy_id=each.id, commit_sha=shas[path]) for each, path in paths.items())
    return [added.commit] if added.commit else []


def _known_before(db: Session, sessions: Sessions) -> datetime | None:
    """Return the time before which a strategy must be retired for its last session to be in the journal; None: any.

    That is midnight of the first session that is not in the journal.
    """
    newest = max(_disclosed(db), default=None)
    if newest is None:
        first = first_session(db)
        return at(first, time.min) if first else None
    try:
        following = sessions.next(newest)
    except HorizonError:
        following = newest + timedelta(days=1)
    return at(following, time.min)


def _disclosed(db: Session) -> dict[date, int]:
    """The sessions in the journal, with their newest version there."""
    query = (
        sa.select(col(Settlement.session), sa.func.max(col(Settlement.version)))
        .join(Disclosure, col(Disclosure.settlement_id) == col(Settlement.id))
        .group_by(col(Settlement.session))
    )
    return {row[0]: row[1] for row in db.connection().execute(query)}


class _Navs:
    """NAVs as the journal's settled days have them, each day read once."""

    def __init__(self, home: Home, versions: dict[date, int]) -> None:
        self._home, self.versions = home, versions
        self._days: dict[date, dict[str, str]] = {}

    def of(self, session: date) -> dict[str, str]:
        """Return the NAV of each strategy that is in a settled day."""
        if session not in self._days:
            [content] = _read(self._home, [settled_path(session, self.versions[session])]).values()
            rows: Sequence[dict[str, Any]] = orjson.loads(content)["strategies"]
            self._days[session] = {row["strategy"]: row["nav"] for row in rows}
        return self._days[session]


def _record(home: Home, ended: Ended, navs: _Navs) -> bytes:
    day = ended.retired_at.astimezone(EXCHANGE_ZONE).date()
    newest = max(navs.versions, default=None)
    # Under a simulated clock that was set back a strategy may have been settled beyond the day of its end.
    beyond = [newest] if newest and ended.slug in navs.of(newest) else []
    last = max([*beyond, *(session for session in navs.versions if session <= day)], default=None)
    nav = navs.of(last).get(ended.slug, "") if last else ""
    return retirement_record(
        strategy=ended.slug,
        retired_at=ended.retired_at,
        session=f"{last}" if nav else "",
        version=navs.versions[last] if last and nav else 0,
        nav=nav,
        simulated=home.clock.simulated,
    )


def _read(home: Home, paths: Iterable[str]) -> dict[str, bytes]:
    """Read files of the journal's newest commit; those that are not there are left out."""
    names = list(paths)
    asked = "".join(f"{BRANCH}:{name}\n" for name in names).encode()
    answers = read_batch(home.journal.git("cat-file", "--batch", given=asked))
    return {name: content for name, (kind, content) in zip(names, answers, strict=True) if kind != MISSING}
