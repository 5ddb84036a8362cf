"""What a journal's records claim of each signal: sealed in time, in a chain, revealed as it was sealed. Pure.

What they claim of settled days is held against each other in `domain.settled_days`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from domain.attestation import REVEALS, SEALS, SETTLEMENTS, STRATEGIES, TIMESTAMPS, timestamp_path
from domain.journal import Commit, Fault, FaultKind, File, Journal, Stamp, slug_of
from domain.records import Reveal, Seal, SettledDay, Terms, read_reveal, read_seal, read_settled, read_terms
from domain.sessions import deadline
from domain.timeliness import TimeClass, time_class

Key = tuple[str, date, int]
TOKEN = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64})\.([A-Za-z0-9._-]+)\.tsr$")


@dataclass(frozen=True)
class Records:
    """What was read, with the files it stands in; settled days by session and version, tokens by commit and path."""

    seals: dict[Key, tuple[Seal, File]] = field(default_factory=dict)
    reveals: dict[Key, tuple[Reveal, File]] = field(default_factory=dict)
    terms: dict[str, tuple[Terms, File]] = field(default_factory=dict)
    days: dict[date, dict[int, tuple[SettledDay, File]]] = field(default_factory=dict)
    stamps: dict[str, dict[str, Stamp]] = field(default_factory=dict)

    def strategies(self) -> set[str]:
        """Return every strategy that the journal speaks of."""
        listed = {result.strategy for day in self.newest_days() for result in day.results}
        return {key[0] for key in self.seals} | {key[0] for key in self.reveals} | set(self.terms) | listed

    def newest_days(self) -> list[SettledDay]:
        """Return the settled days in order, the newest version of each."""
        return [versions[max(versions)][0] for _, versions in sorted(self.days.items())]

    def rehearsed(self, commits: Sequence[Commit]) -> set[str]:
        """Return the commits made under a simulated clock: what they bring says so, or what the last one brought."""
        says: dict[int, set[bool]] = defaultdict(set)
        for seal, file in self.seals.values():
            says[file.commit].add(seal.simulated)
        for versions in self.days.values():
            for day, file in versions.values():
                says[file.commit].add(day.simulated)
        found, last = set[str](), False
        for place, commit in enumerate(commits):
            last = says[place] == {True} if place in says else last
            if last:
                found.add(commit.name)
        return found

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
        )


def _only(day: SettledDay, strategy: str) -> SettledDay:
    return replace(day, results=tuple(result for result in day.results if result.strategy == strategy))


def read_records(files: Iterable[File], journal: Journal) -> tuple[Records, list[Fault]]:
    """Read every file of the journal's folders; one that is not what its path says is malformed."""
    records, faults = Records(), []
    for file in files:
        try:
            _read_record(records, file, journal)
        except (ValueError, OverflowError) as error:
            name = journal.commits[file.commit].name
            faults.append(Fault(FaultKind.MALFORMED, str(error), name, file.path, slug_of(file.path)))
    return records, faults


def _read_record(records: Records, file: File, journal: Journal) -> None:
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
        case folder if folder == TIMESTAMPS:
            found = TOKEN.match(file.path.rpartition("/")[2])
            if not found or file.path != timestamp_path(found[1], found[2]):
                raise ValueError("expected timestamps/<two digits>/<commit>.<authority>.tsr")
            records.stamps.setdefault(found[1], {})[file.path] = journal.stamps[file.path]


def check_seals(records: Records, commits: Sequence[Commit]) -> list[Fault]:
    """Check each seal's times against each other and against its commit, and its terms against the strategy's."""
    faults = []
    for (slug, session, _), (seal, file) in records.seals.items():
        commit, where = commits[file.commit], (commits[file.commit].name, file.path, slug, str(session))
        closes_at = seal.deadline
        try:
            closes_at = deadline(session, seal.execution_price)
        except ValueError:
            faults.append(Fault(FaultKind.MALFORMED, f"execution price {seal.execution_price!r}", *where))
        if seal.deadline != closes_at:
            detail = f"says its deadline is {seal.deadline:%F %T} UTC, which is {closes_at:%F %T}"
            faults.append(Fault(FaultKind.DATE_FORGED, detail, *where))
        if seal.received_at >= closes_at:
            detail = f"received {seal.received_at:%F %T.%f} UTC, not before the deadline, {closes_at:%F %T}"
            faults.append(Fault(FaultKind.LATE, detail, *where))
        elif time_class(seal.execution_price, closes_at, commit.committed_at) is TimeClass.LATE:
            detail = f"committed {commit.committed_at:%F %T} UTC, when the price was known (deadline {closes_at:%F %T})"
            faults.append(Fault(FaultKind.LATE, detail, *where))
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
    return faults


def check_chains(records: Records) -> list[Fault]:
    """Check that each strategy's seals form one chain, in the order in which they were received and committed."""
    chains: dict[str, list[tuple[Seal, File]]] = defaultdict(list)
    for (slug, _, _), found in records.seals.items():
        chains[slug].append(found)
    return [fault for _, chain in sorted(chains.items()) for fault in _check_chain(chain)]


def _check_chain(chain: list[tuple[Seal, File]]) -> list[Fault]:
    by_hash = {seal.signal_hash: (seal, file) for seal, file in chain}
    followers = Counter(seal.previous for seal, _ in chain)
    revisions = {(seal.session, seal.revision) for seal, _ in chain}
    faults = []
    for seal, file in chain:
        before, before_file = by_hash.get(seal.previous, (None, None))
        what = []
        if seal.previous and before is None:
            what.append(f"the record before it is gone (signal {seal.previous})")
        if before and before_file and _came_later(before, before_file, seal, file):
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


def _came_later(before: Seal, before_file: File, seal: Seal, file: File) -> bool:
    """Whether a record follows one that is younger; a simulated clock may have been set back."""
    younger = before.received_at > seal.received_at and not seal.simulated
    return younger or before_file.commit > file.commit


def check_reveals(records: Records) -> list[Fault]:
    """Check that every signal of a settled session is revealed, and is the one that was sealed."""
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
        if key not in records.seals:
            faults.append(Fault(FaultKind.MISSING_SEAL, "never sealed", "", file.path, key[0], str(key[1])))
    return faults


def _unlike(seal: Seal, reveal: Reveal) -> str:
    """Say in what a reveal is not what was sealed, "" if it is."""
    if reveal.hashed != seal.signal_hash:
        return f"what is revealed has the hash {reveal.hashed}, sealed was {seal.signal_hash}"
    if reveal.symbols_count != seal.symbols_count:
        return f"{reveal.symbols_count} symbols are revealed, {seal.symbols_count} were sealed"
    if reveal.signal_hash != reveal.hashed:
        return f"says its hash is {reveal.signal_hash}, which is {reveal.hashed}"
    return ""
