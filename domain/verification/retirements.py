"""Retirements: the records of strategies' ends, checked against settled days and signals. Pure.

A journal keeps such records if it says which clock it has, or has any of them; in an older one a strategy that is gone
from the settled days is only listed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, File
from countersign.domain.attestation.record_reader import RetirementRecord, SettledDay
from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.domain.verification.check_signals import Records


@dataclass(frozen=True, slots=True)
class Retired:
    """A strategy that ended: its last settled session and its NAV there, None and "" for one that was never settled.

    `retired_at` is None where the journal has no record of its end (`recorded`).
    """

    strategy: str
    retired_at: datetime | None
    session: date | None
    nav: str
    recorded: bool


def keeps_retirements(records: Records) -> bool:
    """Whether every end has to be on record."""
    return bool(records.clock or records.retirements)


def list_retired(records: Records) -> tuple[Retired, ...]:
    """List the strategies that ended, by name; those without a record are gone from the newest settled day."""
    last: dict[str, tuple[date, str]] = {}
    days = records.newest_days()
    for day in days:
        last.update((result.strategy, (day.session, result.nav)) for result in day.results)
    found = {
        slug: Retired(slug, None, session, nav, recorded=False)
        for slug, (session, nav) in last.items()
        if session < days[-1].session
    }
    for slug, (end, _) in records.retirements.items():
        # A correction may have changed the NAV since: the newest version counts.
        session, newest = last.get(slug, (None, ""))
        nav = newest if session == end.session else end.nav
        found[slug] = Retired(slug, end.retired_at, end.session, nav, recorded=True)
    return tuple(found[slug] for slug in sorted(found))


def check_retirements(records: Records, commits: Sequence[Commit], *, rehearsed: bool) -> list[Fault]:
    """Check each end against the settled days, and that nothing follows it.

    `rehearsed`: all is under a simulated clock, which somebody may have set back.
    """
    later = _days_after(records)
    faults = []
    for slug, (end, file) in records.retirements.items():
        commit = commits[file.commit]
        where = (commit.name, file.path, slug, str(end.session or ""))
        if slug not in records.terms:
            faults.append(Fault(FaultKind.TERMS_MISMATCH, "the strategy's terms are not in the journal", *where))
        if commit.committed_at < end.retired_at:
            detail = f"its commit is dated {commit.committed_at:%F %T} UTC, before the end ({end.retired_at:%F %T.%f})"
            faults.append(Fault(FaultKind.DATE_FORGED, detail, *where))
        what = _unlike(end, file, records.days.get(end.session, {}).get(end.version) if end.session else None)
        if not rehearsed and end.session and end.session > end.retired_at.astimezone(EXCHANGE_ZONE).date():
            what.append(f"retired {end.retired_at:%F %T} UTC, before its last session, {end.session}")
        if slug in later:
            what.append(f"settled on {later[slug]}, after its end")
        faults += [Fault(FaultKind.RETIREMENT_MISMATCH, detail, *where) for detail in what]
    return faults + _check_signals(records, rehearsed=rehearsed)


def _unlike(end: RetirementRecord, file: File, found: tuple[SettledDay, File] | None) -> list[str]:
    """Name the differences between an end and its settled day."""
    if end.session is None:
        return []
    if found is None:
        return [f"version {end.version} of {end.session} is not in the journal"]
    day, settled = found
    navs = [result.nav for result in day.results if result.strategy == end.strategy]
    what = [] if navs == [end.nav] else [f"NAV {end.nav}, in the settled day {navs[0] if navs else 'none'}"]
    if settled.commit > file.commit:
        what.append("committed before its last session was settled")
    return what


def _days_after(records: Records) -> dict[str, date]:
    """The newest session after its end in which a strategy is settled all the same."""
    found = {}
    for day in records.newest_days() if records.retirements else ():
        for result in day.results:
            end = records.retirements.get(result.strategy)
            if end and (end[0].session is None or day.session > end[0].session):
                found[result.strategy] = day.session
    return found


def _check_signals(records: Records, *, rehearsed: bool) -> list[Fault]:
    faults = []
    for (slug, session, _), (seal, file) in records.seals.items() if records.retirements else ():
        if slug not in records.retirements:
            continue
        end, ended = records.retirements[slug]
        if file.commit > ended.commit or (seal.received_at > end.retired_at and not rehearsed):
            detail = f"a signal after its end, {end.retired_at:%F %T} UTC"
            faults.append(Fault(FaultKind.RETIREMENT_MISMATCH, detail, "", file.path, slug, str(session)))
    return faults
