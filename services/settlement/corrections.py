"""Corrections in the stores: settled sessions with a changed market, and the record of a correction.

A correction is a new version of a settlement, and of every later one, as each rests on the one before. Nothing of the
old versions is removed: their rows, their files and their records in the journal stay.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import Sessions
from countersign.domain.settlement.corrections import describe, nav_differences, sum_up, what_changed
from countersign.models.datasets import BARS, INDEX_LEVELS, NAV, Dataset
from countersign.models.enums import NoticeKind
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.strategies import Strategy
from countersign.services.notifications.notifications import notice, notify_users
from countersign.store.lake.lake import Lake, StagedFile
from countersign.store.ledger.chunks import chunked

ACTION = "settlement corrected"


def changed_sessions(
    lake: Lake, sessions: Sessions, through: date, since: date = date.min
) -> dict[date, tuple[str, ...]]:
    """Map settled sessions to the changes of their market since then, in words.

    The inputs in the newest version's manifest are compared, from `since` through `through`.
    """
    bars, levels = _paths(lake, BARS, through), _paths(lake, INDEX_LEVELS, through)
    counting = {path for paths in bars.values() for path in paths}
    with lake.ledger.read() as db:
        actions, found = _actions(db), {}
        for session, manifest in _newest_manifests(db, since, through):
            was = orjson.loads(manifest)["inputs"]
            # Changes of the instruments are found when a session is settled again, one by one.
            said = {name: was[name] for name in ("listings", "delistings") if name in was}
            now = said | {
                "bars_files": bars[session],
                "index_files": (levels[before] if (before := sessions.previous(session)) else []) + levels[session],
                "actions": actions[session],
                "earlier_bars_files": [path for path in was["earlier_bars_files"] if path in counting],
            }
            if changed := what_changed(was, now):
                found[session] = changed
    return found


def levels_again(lake: Lake, day_before: date, was: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """List the files of index levels for a session that is settled again as it was (`was`) on a corrected one (`base`).

    They are those it had, but the levels that it starts from are its predecessor's, once those are the ones that count.
    """
    now = [file.path for file in lake.files(INDEX_LEVELS, day_before, day_before)]
    kept: list[str] = was["index_files"]
    if not now or not set(now) <= set(base["index_files"]):
        return kept
    then = {file.path for file in lake.named(kept) if file.session == day_before}
    return now + [path for path in kept if path not in then]


def nav_of_both(lake: Lake, session: date, files: Sequence[StagedFile]) -> tuple[pl.DataFrame, int]:
    """Compare the NAV that counts with the one just staged: return the differences, and the count of strategies."""
    staged = lake.read_files(NAV, [file for file in files if file.dataset == NAV.name])
    return nav_differences(lake.read(NAV, session), staged), staged.height


def record_correction(
    db: Session,
    old: Settlement,
    inputs: Mapping[str, Any],
    differences: pl.DataFrame,
    strategies: int,
    now: datetime,
) -> None:
    """Record a correction: a line in the audit log, and notifications to owners of strategies whose NAV changed.

    `old` is the version replaced by one of `inputs`. An owner gets one notification a strategy and correction: of the
    first session that it changed.
    """
    session, origin = old.session, inputs["corrected"]
    was = orjson.loads(old.manifest)["inputs"]
    name = f"{session}.{old.version + 1}"
    reasons = [f"{what} changed" for what in what_changed(was, inputs)]
    if was["rules"] != inputs["rules"]:
        reasons.append("rule book changed")
    if name != origin:
        reasons.append(f"rests on {origin}")
    detail = f"{', '.join(reasons)}; {describe(sum_up(differences, strategies))}"
    db.add(AuditEntry(at=now, actor=OPERATOR, action=ACTION, subject=name, detail=detail))
    owners = dict(_owners(db, differences["strategy"].to_list()))
    day, _, version = origin.partition(".")
    notices = [
        notice(
            f"corrected {origin} {slug}",
            NoticeKind.CORRECTED,
            f"{slug}: the NAV of {session} is {after} CNY and was {before}, as {day} was corrected (version {version})",
            now,
            owners[slug],
        )
        for slug, before, after, _ in differences.iter_rows()
    ]
    notify_users(db, notices)


def corrections_of(db: Session, sessions: Collection[date]) -> list[AuditEntry]:
    """List the audit log's lines on the newest version of each of these corrected sessions, in order."""
    newest = {
        f"{session}.{version}": session
        for session, version, _ in db.execute(_newest(min(sessions), max(sessions))).tuples()
        if session in sessions
    }
    entries = [
        entry for entry in db.exec(select(AuditEntry).where(AuditEntry.action == ACTION)) if entry.subject in newest
    ]
    return sorted(entries, key=lambda entry: newest[entry.subject])


def _newest(since: date, through: date) -> sa.Select[tuple[date, int, str]]:
    last = (
        sa.select(col(Settlement.session).label("session"), func.max(col(Settlement.version)).label("version"))
        .where(col(Settlement.session).between(since, through))
        .group_by(col(Settlement.session))
        .subquery()
    )
    return sa.select(col(Settlement.session), col(Settlement.version), col(Settlement.manifest)).join(
        last, sa.and_(col(Settlement.session) == last.c.session, col(Settlement.version) == last.c.version)
    )


def _newest_manifests(db: Session, since: date, through: date) -> Iterator[tuple[date, str]]:
    for session, _, manifest in db.execute(_newest(since, through).order_by(col(Settlement.session))):
        yield session, manifest


def _paths(lake: Lake, dataset: Dataset, through: date) -> dict[date, list[str]]:
    paths = defaultdict[date, list[str]](list)
    for file in lake.files(dataset, through=through):
        paths[file.session].append(file.path)
    return paths


def _actions(db: Session) -> dict[date, list[list[str]]]:
    """Every corporate action, as a manifest has those of its session."""
    query = sa.select(
        col(CorporateAction.session), col(CorporateAction.symbol), col(CorporateAction.cash), col(CorporateAction.bonus)
    )
    actions = defaultdict[date, list[list[str]]](list)
    for session, symbol, cash, bonus in db.execute(query.order_by(col(CorporateAction.symbol))):
        actions[session].append([symbol, repr(cash), repr(bonus)])
    return actions


def _owners(db: Session, slugs: Sequence[str]) -> Iterator[tuple[str, int]]:
    query = sa.select(col(Strategy.slug), col(Strategy.owner_id))
    for chunk in chunked(slugs):
        yield from db.execute(query.where(col(Strategy.slug).in_(chunk))).tuples()
