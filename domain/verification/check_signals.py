"""Claims of a journal on each signal: sealed in time, in a chain, revealed as it was sealed. Pure.

Settled days are checked in `domain.verification.settled_days`, the journal's clock in `domain.verification.one_clock`,
and the ends of strategies in `domain.verification.retirements`.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import accumulate

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, File, JournalContents, Stamp, slug_of
from countersign.domain.attestation.record_reader import (
    RetirementRecord,
    Reveal,
    SealRecord,
    SettledDay,
    Terms,
    read_clock,
    read_retirement,
    read_reveal,
    read_seal,
    read_settled,
    read_terms,
)
from countersign.domain.attestation.records import (
    CLOCK,
    RETIREMENTS,
    REVEALS,
    SEALS,
    SETTLEMENTS,
    STRATEGIES,
    TIMESTAMPS,
    timestamp_path,
)
from countersign.domain.attestation.timeliness import TimeClass, seconds_late, time_class
from countersign.domain.sessions import CLOSE, at, deadline
from countersign.models.enums import ExecutionPrice

Key = tuple[str, date, int]
PRICES = frozenset(ExecutionPrice)
TOKEN = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64})\.([A-Za-z0-9._-]+)\.tsr$")


@dataclass(frozen=True)
class Records:
    """Records of a journal with their files; settled days by session and version, tokens by commit and path.

    `clock` is empty for a journal that does not say which clock it has.
    """

    seals: dict[Key, tuple[SealRecord, File]] = field(default_factory=dict)
    reveals: dict[Key, tuple[Reveal, File]] = field(default_factory=dict)
    terms: dict[str, tuple[Terms, File]] = field(default_factory=dict)
    days: dict[date, dict[int, tuple[SettledDay, File]]] = field(default_factory=dict)
    stamps: dict[str, dict[str, Stamp]] = field(default_factory=dict)
    retirements: dict[str, tuple[RetirementRecord, File]] = field(default_factory=dict)
    clock: list[tuple[bool, File]] = field(default_factory=list)

    def strategies(self) -> set[str]:
        """Return every strategy that the journal speaks of."""
        listed = {result.strategy for day in self.newest_days() for result in day.results}
        return (
            {key[0] for key in self.seals}
            | {key[0] for key in self.reveals}
            | set(self.terms)
            | listed
            | set(self.retirements)
        )

    def newest_days(self) -> list[SettledDay]:
        """Return the settled days in order, the newest version of each."""
        return [versions[max(versions)][0] for _, versions in sorted(self.days.items())]

    def only(self, strategy: str) -> "Records":
        """Return the records of one strategy; days keep their session and show that strategy alone."""
        return Records(
            {key: found for key, found in self.seals.items() if key[0] == strategy},
            {key: found for key, found in self.reveals.items() if key[0] == strategy},
            {slug: found for slug, found in self.terms.items() if slug == strategy},
            {
                session: {version: (_only(day, strategy), file) for version, (day, file) in versions.items()}
                for session, versions in self.days.items()
            },
            self.stamps,
            {slug: found for slug, found in self.retirements.items() if slug == strategy},
            self.clock,
        )


def _only(day: SettledDay, strategy: str) -> SettledDay:
    return replace(day, results=tuple(result for result in day.results if result.strategy == strategy))


def read_records(files: Iterable[File], journal: JournalContents) -> tuple[Records, list[Fault]]:
    """Read every file of the journal's folders; a file that does not agree with its path is malformed."""
    records, faults = Records(), []
    for file in files:
        try:
            _read_record(records, file, journal)
        except (ValueError, OverflowError) as error:
            name = journal.commits[file.commit].name
            faults.append(Fault(FaultKind.MALFORMED, str(error), name, file.path, slug_of(file.path)))
    return records, faults


def _read_record(records: Records, file: File, journal: JournalContents) -> None:
    match file.path.split("/", 1)[0]:
        case folder if folder == SEALS:
            seal = read_seal(file.path, file.content)
            records.seals[seal.strategy, seal.session, seal.revision] = seal, file
        case folder if folder == REVEALS:
            reveal = read_reveal(file.path, file.content)
            records.reveals[reveal.strategy, reveal.session, reveal.revision] = reveal, file
        case folder if folder == STRATEGIES:
            terms = read_terms(file.path, file.content)
            records.terms[terms.strategy] = terms, file
        case folder if folder == SETTLEMENTS:
            day = read_settled(file.path, file.content)
            records.days.setdefault(day.session, {})[day.version] = day, file
        case folder if folder == RETIREMENTS:
            retirement = read_retirement(file.path, file.content)
            records.retirements[retirement.strategy] = retirement, file
        case name if name == CLOCK:
            records.clock.append((read_clock(file.path, file.content), file))
        case folder if folder == TIMESTAMPS:
            found = TOKEN.match(file.path.rpartition("/")[2])
            if not found or file.path != timestamp_path(found[1], found[2]):
                raise ValueError("expected timestamps/<two digits>/<commit>.<authority>.tsr")
            records.stamps.setdefault(found[1], {})[file.path] = journal.stamps[file.path]


def settled_by(records: Records) -> dict[date, int]:
    """Return for each session with a seal the commit, by its place, from which on it or a later session was settled.

    A session without any is left out.
    """
    days = sorted((session, min(file.commit for _, file in found.values())) for session, found in records.days.items())
    earliest = list(accumulate((place for _, place in reversed(days)), min))[::-1]
    sessions = [session for session, _ in days]
    places = {session: bisect_left(sessions, session) for session in {key[1] for key in records.seals}}
    return {session: earliest[place] for session, place in places.items() if place < len(earliest)}


def class_of(seal: SealRecord, file: File, commits: Sequence[Commit], settled: Mapping[date, int]) -> TimeClass:
    """Judge when a signal came: by its times, and by its place among the commits (`settled_by`) regardless of them."""
    closes_at = _closes_at(seal)
    if seal.received_at >= closes_at or file.commit >= settled.get(seal.session, len(commits)):
        return TimeClass.LATE
    return time_class(closes_at, commits[file.commit].committed_at)


def check_seals(records: Records, commits: Sequence[Commit], *, rehearsed: bool) -> list[Fault]:
    """Check each seal's times and place against each other and its commit's, and its terms against the strategy's.

    `rehearsed`: all is under a simulated clock, which somebody may have set back.
    """
    faults, settled = [], settled_by(records)
    for (slug, session, _), (seal, file) in records.seals.items():
        commit, where = commits[file.commit], (commits[file.commit].name, file.path, slug, str(session))
        closes_at = _closes_at(seal)
        if seal.execution_price not in PRICES:
            faults.append(Fault(FaultKind.MALFORMED, f"execution price {seal.execution_price!r}", *where))
        if seal.deadline != closes_at:
            detail = f"says its deadline is {seal.deadline:%F %T} UTC, which is {closes_at:%F %T}"
            faults.append(Fault(FaultKind.DATE_FORGED, detail, *where))
        if class_of(seal, file, commits, settled) is TimeClass.LATE:
            faults.append(Fault(FaultKind.LATE, _why_late(seal, closes_at, commit), *where))
        if commit.committed_at < seal.received_at:
            detail = f"its commit is dated {commit.committed_at:%F %T} UTC, before it was received"
            faults.append(Fault(FaultKind.DATE_FORGED, f"{detail} ({seal.received_at:%F %T.%f})", *where))
        if slug not in records.terms:
            faults.append(Fault(FaultKind.TERMS_MISMATCH, "the strategy's terms are not in the journal", *where))
        else:
            terms, written = records.terms[slug]
            if (terms.universe, terms.execution_price) != (seal.universe, seal.execution_price):
                detail = f"{seal.universe}, {seal.execution_price}; terms {terms.universe}, {terms.execution_price}"
                faults.append(Fault(FaultKind.TERMS_MISMATCH, detail, *where))
            if written.commit > file.commit:
                detail = "the strategy's terms were committed after this signal"
                faults.append(Fault(FaultKind.TERMS_MISMATCH, detail, *where))
            if seal.received_at < terms.created_at and not rehearsed:
                detail = f"received {seal.received_at:%F %T.%f} UTC, before the strategy was opened"
                faults.append(Fault(FaultKind.DATE_FORGED, f"{detail} ({terms.created_at:%F %T.%f})", *where))
    return faults


def _closes_at(seal: SealRecord) -> datetime:
    """The exchange's deadline, or the seal's own word where its price has none."""
    return deadline(seal.session, seal.execution_price) if seal.execution_price in PRICES else seal.deadline


def _why_late(seal: SealRecord, closes_at: datetime, commit: Commit) -> str:
    if seal.received_at >= closes_at:
        return f"received {seal.received_at:%F %T.%f} UTC, not before the deadline, {closes_at:%F %T}"
    if time_class(closes_at, commit.committed_at) is TimeClass.LATE:
        seconds = seconds_late(closes_at, commit.committed_at)
        return f"committed {commit.committed_at:%F %T} UTC, {seconds:,.0f} s after the deadline, {closes_at:%F %T}"
    return f"sealed after {seal.session}, or a later session, was settled, whatever its dates say"


def check_terms(records: Records, commits: Sequence[Commit], *, rehearsed: bool) -> list[Fault]:
    """Check that no strategy was opened after the commit that brought its terms; see `check_seals`."""
    faults = []
    for slug, (terms, file) in records.terms.items():
        commit = commits[file.commit]
        if commit.committed_at < terms.created_at and not rehearsed:
            detail = f"its commit is dated {commit.committed_at:%F %T} UTC, before the strategy was opened"
            detail += f" ({terms.created_at:%F %T.%f})"
            faults.append(Fault(FaultKind.DATE_FORGED, detail, commit.name, file.path, slug))
    return faults


def check_chains(records: Records, *, rehearsed: bool) -> list[Fault]:
    """Check that each strategy's seals form one chain, in the order in which they were received and committed.

    A simulated clock may have been set back: with `rehearsed` only the commits' order counts.
    """
    chains: dict[str, list[tuple[SealRecord, File]]] = defaultdict(list)
    for (slug, _, _), found in records.seals.items():
        chains[slug].append(found)
    return [fault for _, chain in sorted(chains.items()) for fault in _check_chain(chain, rehearsed=rehearsed)]


def _check_chain(chain: list[tuple[SealRecord, File]], *, rehearsed: bool) -> list[Fault]:
    by_hash = {seal.signal_hash: (seal, file) for seal, file in chain}
    followers = Counter(seal.previous for seal, _ in chain)
    revisions = {(seal.session, seal.revision) for seal, _ in chain}
    faults = []
    for seal, file in chain:
        before, before_file = by_hash.get(seal.previous, (None, None))
        what = []
        if seal.previous and before is None:
            what.append(f"the record before it is gone (signal {seal.previous})")
        younger = before is not None and before.received_at > seal.received_at and not rehearsed
        if before_file and (younger or before_file.commit > file.commit):
            what.append(f"out of order: it follows {before_file.path}, which came later")
        if followers[seal.previous] > 1:
            what.append(f"{followers[seal.previous]} records follow {seal.previous or 'nothing'}")
        if seal.revision > 1 and (seal.session, seal.revision - 1) not in revisions:
            what.append(f"revision {seal.revision - 1} is gone")
        where = ("", file.path, seal.strategy, str(seal.session))
        faults += [Fault(FaultKind.CHAIN_BROKEN, detail, *where) for detail in what]
    reached, follower = 0, {seal.previous: seal.signal_hash for seal, _ in chain}
    name = follower.get("")
    while name and reached <= len(chain):
        reached, name = reached + 1, follower.get(name)
    if not faults and reached != len(chain):
        detail = f"{len(chain) - reached} of {len(chain)} records are not reached from the first one"
        faults.append(Fault(FaultKind.CHAIN_BROKEN, detail, strategy=chain[0][0].strategy))
    return faults


def check_reveals(records: Records, commits: Sequence[Commit]) -> list[Fault]:
    """Check that every signal of a settled session is revealed after its close, and is the one that was sealed."""
    faults = []
    settled_through = max(records.days, default=date.min)
    for key, (seal, file) in records.seals.items():
        slug, session, revision = key
        if key in records.reveals:
            reveal, revealed = records.reveals[key]
            what = _unlike(seal, reveal)
            if what:
                faults.append(Fault(FaultKind.HASH_MISMATCH, what, "", revealed.path, slug, str(session)))
        elif session <= settled_through:
            settled = f"settled, yet revision {revision} is not revealed"
            what = settled if session in records.days else f"never settled, though {settled_through} is"
            faults.append(Fault(FaultKind.MISSING_REVEAL, what, "", file.path, slug, str(session)))
    for key, (_, file) in records.reveals.items():
        committed_at = commits[file.commit].committed_at
        if key not in records.seals:
            faults.append(Fault(FaultKind.MISSING_SEAL, "never sealed", "", file.path, key[0], str(key[1])))
        if committed_at < at(key[1], CLOSE):
            detail = f"revealed {committed_at:%F %T} UTC, before its session's close"
            faults.append(Fault(FaultKind.DATE_FORGED, detail, "", file.path, key[0], str(key[1])))
    return faults


def _unlike(seal: SealRecord, reveal: Reveal) -> str:
    """Say how a reveal differs from its seal, "" if it does not."""
    if reveal.hashed != seal.signal_hash:
        return f"what is revealed has the hash {reveal.hashed}, sealed was {seal.signal_hash}"
    if reveal.symbols_count != seal.symbols_count:
        return f"{reveal.symbols_count} symbols are revealed, {seal.symbols_count} were sealed"
    if reveal.signal_hash != reveal.hashed:
        return f"says its hash is {reveal.signal_hash}, which is {reveal.hashed}"
    return ""
