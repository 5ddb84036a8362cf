"""Settled days of a journal: checked to be in order, after their close, and with every strategy. Pure.

A later version of a day has to be explained by a market that was corrected; nothing else may change with it. The NAV
itself is the business of `domain.verification.resettlement`.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, File
from countersign.domain.attestation.record_reader import SettledDay
from countersign.domain.sessions import CLOSE, EXCHANGE_ZONE, at
from countersign.domain.settlement.corrections import CORRECTED, FOLLOWING
from countersign.domain.verification.check_signals import Records
from countersign.domain.verification.retirements import keeps_retirements
from countersign.models.enums import Event


def check_days(records: Records, commits: Sequence[Commit]) -> list[Fault]:
    """Check that settled days follow each other, were settled after their close, and leave nobody out."""
    faults = []
    before: set[str] | None = None
    newest_before: SettledDay | None = None
    for session, versions in sorted(records.days.items()):
        for version, (day, file) in sorted(versions.items()):
            commit = commits[file.commit]
            where = (commit.name, file.path, "", str(session))
            if version > 1 and version - 1 not in versions:
                faults.append(Fault(FaultKind.CHAIN_BROKEN, f"version {version - 1} is gone", *where))
            if (day.previous not in before) if before is not None else day.previous:
                detail = f"the settled day before it is gone (manifest {day.previous or 'none'})"
                faults.append(Fault(FaultKind.CHAIN_BROKEN, detail, *where))
            if day.settled_at < at(session, CLOSE):
                detail = f"settled {day.settled_at:%F %T} UTC, before the session's close"
                faults.append(Fault(FaultKind.DATE_FORGED, detail, *where))
            if commit.committed_at < day.settled_at:
                detail = f"committed {commit.committed_at:%F %T} UTC, before it was settled ({day.settled_at:%F %T})"
                faults.append(Fault(FaultKind.DATE_FORGED, detail, *where))
            faults += _check_results(records, day, where)
            if version - 1 in versions:
                faults += _check_correction(versions[version - 1], day, file, where)
        faults += _check_carried(versions, newest_before, commits)
        before = {day.manifest_sha256 for day, _ in versions.values()}
        newest_before = versions[max(versions)][0]
    return faults + _check_presence(records)


def _check_correction(
    before: tuple[SettledDay, File], day: SettledDay, file: File, where: tuple[str, str, str, str]
) -> list[Fault]:
    """Check that a later version rests on another market, or another state before it, and differs in nothing else."""
    old, earlier = before
    names = (old.inputs.keys() | day.inputs.keys()) - {"corrected"}
    changed = {name for name in names if old.inputs.get(name) != day.inputs.get(name)}
    what = []
    if not changed:
        what.append("nothing that it was settled with is another than before")
    if changed - CORRECTED - FOLLOWING:
        what.append(f"settled with other {', '.join(sorted(changed - CORRECTED - FOLLOWING))} than before")
    if {each.strategy for each in old.results} != {each.strategy for each in day.results}:
        what.append("of other strategies than before")
    if file.commit <= earlier.commit:
        what.append(f"not committed after version {old.version}")
    return [Fault(FaultKind.FALSE_CORRECTION, detail, *where) for detail in what]


def _check_carried(
    versions: Mapping[int, tuple[SettledDay, File]], before: SettledDay | None, commits: Sequence[Commit]
) -> list[Fault]:
    """Check that a correction was carried on: the newest version of a day rests on the newest of the day before."""
    day, file = versions[max(versions)]
    if before is None or before.version == 1 or day.previous == before.manifest_sha256:
        return []
    detail = f"rests on a version of {before.session} that was corrected since: the correction is not complete"
    return [Fault(FaultKind.CHAIN_BROKEN, detail, commits[file.commit].name, file.path, "", str(day.session))]


def _check_results(records: Records, day: SettledDay, where: tuple[str, str, str, str]) -> list[Fault]:
    faults = []
    for result in day.results:
        place = (where[0], where[1], result.strategy, where[3])
        if result.strategy not in records.terms:
            faults.append(Fault(FaultKind.TERMS_MISMATCH, "the strategy's terms are not in the journal", *place))
        if result.event == Event.REBALANCE and (result.strategy, day.session, 1) not in records.seals:
            faults.append(Fault(FaultKind.MISSING_SEAL, "rebalanced without a sealed signal", *place))
    return faults


def _check_presence(records: Records) -> list[Fault]:
    """Check that a strategy is in every settled day from its first signal until the day it last sent one.

    A retired strategy is settled no more, and sends no more: one that still sends, or comes back, was left out. So was
    one that is gone without a record of its end, where the journal keeps them.
    """
    first: dict[str, date] = {}
    last: dict[str, date] = {}
    for (slug, session, _), (seal, _) in records.seals.items():
        first[slug] = min(session, first.get(slug, session))
        sent = seal.received_at.astimezone(EXCHANGE_ZONE).date()
        last[slug] = max(sent, last.get(slug, sent))
    days = records.newest_days()
    listed = {day.session: {result.strategy for result in day.results} for day in days}
    for day in days:
        for slug in listed[day.session]:
            last[slug] = max(day.session, last.get(slug, day.session))
            first.setdefault(slug, day.session)
    last |= {slug: end.session or date.min for slug, (end, _) in records.retirements.items()}
    faults = [
        Fault(FaultKind.LEFT_OUT, "alive, yet not in the settled day", strategy=slug, session=str(day.session))
        for day in days
        for slug in sorted(first)
        if first[slug] <= day.session <= last[slug] and slug not in listed[day.session]
    ]
    if keeps_retirements(records):
        for slug in sorted(first.keys() - records.retirements.keys()):
            gone = next((day.session for day in days if day.session > max(last[slug], first[slug])), None)
            if gone:
                detail = "gone from the settled days from here on, without a record of its end"
                faults.append(Fault(FaultKind.LEFT_OUT, detail, strategy=slug, session=str(gone)))
    return faults


def gaps(records: Records) -> dict[str, tuple[date, ...]]:
    """Return, for each strategy, the settled sessions that it was in without a signal for them."""
    spoke = {(slug, session) for slug, session, _ in records.seals}
    silent: dict[str, list[date]] = {slug: [] for slug in sorted(records.strategies())}
    for day in records.newest_days():
        for result in day.results:
            if (result.strategy, day.session) not in spoke:
                silent[result.strategy].append(day.session)
    return {slug: tuple(sessions) for slug, sessions in silent.items()}
