"""Verification of a journal: the proofs in it, and every fault. Pure.

Commits and files in, verdict and named faults out. `domain.verification.check_signals` checks the records against each
other, `domain.verification.resettlement` settles again; reading git, and checking signatures and tokens, is the
business of the store.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, JournalContents, Stamp, first_files
from countersign.domain.attestation.signers import Signer, check_commits, fingerprint
from countersign.domain.attestation.timeliness import TimeClass, TimeEvidence, evidence, margin_seconds, seconds_late
from countersign.domain.verification.check_signals import (
    Records,
    check_chains,
    check_reveals,
    check_seals,
    check_terms,
    class_of,
    read_records,
    settled_by,
)
from countersign.domain.verification.one_clock import check_clock, is_simulated
from countersign.domain.verification.owner_signatures import check_owners
from countersign.domain.verification.receipts import ReceiptCheck, SignedReceipt, check_receipts
from countersign.domain.verification.resettlement import Doubt, resettle
from countersign.domain.verification.retirements import Retired, check_retirements, list_retired
from countersign.domain.verification.settled_days import check_days, gaps
from countersign.domain.verification.tree_tricks import check_paths
from countersign.models.errors import InputError


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A timestamp token for a commit, without a fault; only one that was `checked` is evidence."""

    path: str
    stamped_at: datetime
    checked: bool


@dataclass(frozen=True, slots=True)
class VerifiedSignal:
    """Proof of one revision of one signal in the journal.

    `margin_seconds` is from receipt to deadline, `seconds_late` from the deadline to the commit, 0 for one in time.
    `signer` is the fingerprint of the key under which the commit's signature was found good, None for a commit without
    a good one. The faults alone say whether that key might sign, and whether the signature of an `owner_signed` one is
    the owner's.
    """

    strategy: str
    session: date
    revision: int
    signal_hash: str
    time_class: TimeClass
    commit: str
    committed_at: datetime
    received_at: datetime
    deadline: datetime
    seconds_late: float
    margin_seconds: float
    evidence: TimeEvidence
    signer: str | None
    tokens: tuple[VerifiedToken, ...]
    revealed: bool
    simulated: bool
    owner_signed: bool


@dataclass(frozen=True)
class Report:
    """Report on verifying a journal.

    `simulated`: the journal's clock is a simulated one. `pinned`: signatures were checked against keys from outside the
    journal. `settled` and `replayed` count sessions, `replayed` is None where no bars were given. `retired` are the
    strategies that ended, `corrected` the settled sessions with more than one version, of which the newest counts.
    `gaps` are the settled sessions in which a strategy said nothing. `receipts` is None where none were given.
    """

    head: str
    simulated: bool
    commits: int
    first_commit_at: datetime
    last_commit_at: datetime
    pinned: bool
    signals: tuple[VerifiedSignal, ...]
    gaps: dict[str, tuple[date, ...]]
    settled: int
    replayed: int | None
    retired: tuple[Retired, ...]
    corrected: tuple[date, ...]
    tokens_checked: int
    tokens_unchecked: int
    faults: tuple[Fault, ...]
    warnings: tuple[Doubt, ...]
    classes: dict[str, int] = field(default_factory=dict)
    receipts: ReceiptCheck | None = None

    @property
    def holds(self) -> bool:
        """Whether the journal has no fault."""
        return not self.faults


def verify(
    journal: JournalContents,
    *,
    strategy: str | None = None,
    signers: Sequence[Signer] | None = None,
    contains: Iterable[str] = (),
    bars: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    instruments: pl.DataFrame | None = None,
    receipts: Iterable[SignedReceipt] | None = None,
) -> Report:
    """Verify a journal; with `strategy`, the part of that one alone.

    `signers` pins the keys that may sign. `contains` are commits known from before, which must still be there:
    without them a journal whose end was cut off looks whole. `bars` (models.datasets.BARS, with sessions
    before the first settled one) lets every settlement be made again, and `actions` (domain.market.bars.ACTION_TABLE)
    lets the corporate actions that went in be compared, `instruments` (domain.market.listings.INSTRUMENTS_SCHEMA) the
    listings and delistings. `receipts` are all that an owner keeps.
    """
    files, faults = first_files(journal)
    records, unread = read_records(files.values(), journal)
    if strategy is not None and strategy not in records.strategies():
        raise InputError("strategy", "a strategy of this journal", strategy)
    faults += check_paths(journal.changes)
    faults += unread
    simulated, mixed = is_simulated(records), check_clock(records, journal.commits)
    rehearsed = simulated and not mixed
    faults += mixed
    faults += check_commits(journal, signers, rehearsed=rehearsed)
    faults += _check_contained(journal, records, contains)
    faults += check_terms(records, journal.commits, rehearsed=rehearsed)
    faults += check_seals(records, journal.commits, rehearsed=rehearsed)
    faults += check_owners(records, journal)
    faults += check_chains(records, rehearsed=rehearsed)
    faults += check_reveals(records, journal.commits)
    faults += check_days(records, journal.commits)
    faults += check_retirements(records, journal.commits, rehearsed=rehearsed)
    faults += _check_stamps(records)
    silent = gaps(records)
    if strategy is not None:
        faults = [fault for fault in faults if fault.strategy in {"", strategy}]
        silent = {strategy: silent.get(strategy, ())}
        records = records.only(strategy)
    replayed, warnings = None, tuple[Doubt, ...]()
    if bars is not None:
        replay = resettle(records, bars, actions, instruments)
        faults, warnings, replayed = faults + replay.faults, tuple(replay.doubts), replay.sessions
    held = None if receipts is None else check_receipts(records, journal, receipts, signers, strategy)
    faults += held.faults if held else ()
    signals = _signals(records, journal)
    stamps = [stamp for found in records.stamps.values() for stamp in found.values()]
    return Report(
        head=journal.commits[-1].name,
        simulated=simulated,
        commits=len(journal.commits),
        first_commit_at=journal.commits[0].committed_at,
        last_commit_at=journal.commits[-1].committed_at,
        pinned=signers is not None,
        signals=signals,
        gaps=silent,
        settled=len(records.days),
        replayed=replayed,
        retired=list_retired(records),
        corrected=tuple(session for session, versions in sorted(records.days.items()) if len(versions) > 1),
        tokens_checked=sum(stamp.checked and not stamp.fault for stamp in stamps),
        tokens_unchecked=sum(not stamp.checked and not stamp.fault for stamp in stamps),
        faults=tuple(faults),
        warnings=warnings,
        classes=dict(Counter(str(signal.time_class) for signal in signals)),
        receipts=held,
    )


def _signals(records: Records, journal: JournalContents) -> tuple[VerifiedSignal, ...]:
    found, settled = [], settled_by(records)
    for key, (seal, file) in sorted(records.seals.items()):
        commit = journal.commits[file.commit]
        tokens = _tokens(records.stamps.get(commit.name, {}))
        found.append(
            VerifiedSignal(
                *key,
                signal_hash=seal.signal_hash,
                time_class=class_of(seal, file, journal.commits, settled),
                commit=commit.name,
                committed_at=commit.committed_at,
                received_at=seal.received_at,
                deadline=seal.deadline,
                seconds_late=seconds_late(seal.deadline, commit.committed_at),
                margin_seconds=margin_seconds(seal.received_at, seal.deadline),
                evidence=evidence(seal.deadline, (token.stamped_at for token in tokens if token.checked)),
                signer=_signer(commit),
                tokens=tokens,
                revealed=key in records.reveals,
                simulated=seal.simulated,
                owner_signed=seal.owner_signature is not None,
            )
        )
    return tuple(found)


def _tokens(stamps: Mapping[str, Stamp]) -> tuple[VerifiedToken, ...]:
    return tuple(
        VerifiedToken(path, stamp.stamped_at, stamp.checked)
        for path, stamp in sorted(stamps.items())
        if stamp.stamped_at and not stamp.fault
    )


def _signer(commit: Commit) -> str | None:
    signature = commit.signature
    return fingerprint(signature.key) if signature and signature.valid else None


def _check_contained(journal: JournalContents, records: Records, contains: Iterable[str]) -> list[Fault]:
    """Name commits that were there once: those the reader kept, and those that have a timestamp token."""
    names = {commit.name for commit in journal.commits}
    kept = [(name, "known from before, and no longer in the journal") for name in contains]
    stamped = [(name, "has a timestamp token, and is not in the journal") for name in records.stamps]
    return [Fault(FaultKind.COMMIT_DROPPED, why, name) for name, why in kept + stamped if name not in names]


def _check_stamps(records: Records) -> list[Fault]:
    return [
        Fault(FaultKind.BAD_TIMESTAMP, stamp.fault, name)
        for name, found in records.stamps.items()
        for stamp in found.values()
        if stamp.fault
    ]
