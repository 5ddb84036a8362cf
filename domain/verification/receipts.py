"""Receipts: the platform signs one for each accepted signal, and they are checked against its journal. Pure.

A receipt is the canonical JSON of {strategy, session, revision, signal_hash, received_at}, signed with the journal's
key. An owner with all receipts can prove that an accepted signal was left out, and sees revisions of foreign origin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from countersign.domain.attestation.fields import read_day, read_fields, read_instant, require_match, require_types
from countersign.domain.attestation.journal import Fault, FaultKind, JournalContents, Signature
from countersign.domain.attestation.record_reader import HASH, SLUG
from countersign.domain.attestation.records import instant
from countersign.domain.attestation.signers import Signer, signers_brought
from countersign.domain.attestation.timeliness import SEALING_ALLOWANCE
from countersign.domain.provenance import canonical
from countersign.domain.verification.check_signals import Records

# A key signs receipts for a while after it signed its last commit: while a rotation goes on, or a process finds out.
GRACE = timedelta(minutes=10)
FIELDS = frozenset({"strategy", "session", "revision", "signal_hash", "received_at"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """One revision of one signal, as a receipt says that it was taken in."""

    strategy: str
    session: date
    revision: int
    signal_hash: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as its owner kept it in `file`, with the signature as checked against the key inside it."""

    file: str
    text: str
    signature: Signature


@dataclass(frozen=True)
class ReceiptCheck:
    """Result of checking receipts: counts of distinct good ones, of sealed ones, and of ones not yet due for a seal."""

    receipts: int
    sealed: int
    not_yet: int
    faults: tuple[Fault, ...]


def receipt_text(accepted: Accepted) -> str:
    """Return the text to sign: canonical JSON (RFC 8785), the time in UTC with microseconds."""
    fields = {
        "strategy": accepted.strategy,
        "session": accepted.session.isoformat(),
        "revision": accepted.revision,
        "signal_hash": accepted.signal_hash,
        "received_at": instant(accepted.received_at),
    }
    return canonical(fields).decode()


def read_receipt(text: str) -> Accepted:
    """Read a receipt as `receipt_text` writes it; ValueError for anything else."""
    fields = read_fields(text.encode("utf-8", "surrogatepass"))
    if fields.keys() != FIELDS:
        raise ValueError(f"expected the fields {', '.join(sorted(FIELDS))}")
    require_match(fields, strategy=SLUG, signal_hash=HASH)
    require_types(fields, revision=int)
    day, moment = read_day(fields, "session"), read_instant(fields, "received_at")
    accepted = Accepted(fields["strategy"], day, fields["revision"], fields["signal_hash"], moment)
    if receipt_text(accepted) != text:
        raise ValueError("not in the one canonical form")
    return accepted


def check_receipts(
    records: Records,
    journal: JournalContents,
    receipts: Iterable[SignedReceipt],
    pinned: Sequence[Signer] | None = None,
    strategy: str | None = None,
) -> ReceiptCheck:
    """Check receipts against the journal; with `strategy`, those of that one.

    A receipt counts if it is signed by any key that the journal ever allowed, or by one of `pinned`. A signal received
    so short before the newest commit that it may still wait for its seal is no fault yet. A strategy's receipts are
    taken as complete, from the first session that they name to the last.
    """
    keys = _last_good(journal, pinned)
    faults: list[Fault] = []
    good: set[Accepted] = set()
    for receipt in receipts:
        try:
            accepted = read_receipt(receipt.text)
        except ValueError as error:
            faults.append(Fault(FaultKind.BAD_RECEIPT, str(error), "", receipt.file))
            continue
        if strategy not in {None, accepted.strategy}:
            continue
        if why := _unsigned(receipt.signature, accepted, keys):
            faults.append(Fault(FaultKind.BAD_RECEIPT, why, "", receipt.file, accepted.strategy))
        else:
            good.add(accepted)
    recent = journal.commits[-1].committed_at - SEALING_ALLOWANCE
    missing = {each: why for each in sorted(good, key=receipt_text) if (why := _left_out(records, each))}
    not_yet = {each for each in missing if _key(each) not in records.seals and each.received_at > recent}
    faults += [_fault(FaultKind.RECEIPT_LEFT_OUT, each, why) for each, why in missing.items() if each not in not_yet]
    faults += _without_receipt(records, good)
    return ReceiptCheck(len(good), len(good) - len(missing), len(not_yet), tuple(faults))


def _last_good(journal: JournalContents, pinned: Sequence[Signer] | None) -> dict[bytes, datetime | None]:
    """Return until when each key may sign receipts, None where that has no end; the newest word counts."""
    allowed: Iterable[Signer] = pinned or ()
    if pinned is None:
        allowed = (signer for signers in signers_brought(journal).values() for signer in signers)
    return {signer.key: signer.until + GRACE if signer.until else None for signer in allowed}


def _unsigned(signature: Signature, accepted: Accepted, keys: Mapping[bytes, datetime | None]) -> str:
    if not signature.valid:
        return "the signature is not one of this receipt"
    if signature.key not in keys:
        return "signed by a key that was never the journal's"
    until = keys[signature.key]
    if until and accepted.received_at >= until:
        return "signed by a key that was no longer the journal's then"
    return ""


def _left_out(records: Records, accepted: Accepted) -> str:
    """Say how the journal lacks an accepted signal; "" where it has it."""
    found = records.seals.get(_key(accepted))
    if found is None:
        return "accepted, and not in the journal"
    seal, _ = found
    if seal.signal_hash != accepted.signal_hash:
        return f"accepted with the hash {accepted.signal_hash}, and sealed with {seal.signal_hash}"
    if seal.received_at != accepted.received_at:
        return f"received at {instant(accepted.received_at)}, and sealed as of {instant(seal.received_at)}"
    return ""


def _without_receipt(records: Records, good: Iterable[Accepted]) -> list[Fault]:
    """Name the sealed revisions that no receipt speaks of, within the sessions that their strategy's receipts cover."""
    known, sessions = set(), dict[str, list[date]]()
    for accepted in good:
        known.add(_key(accepted))
        sessions.setdefault(accepted.strategy, []).append(accepted.session)
    covered = {slug: (min(days), max(days)) for slug, days in sessions.items()}
    faults = []
    for key, (seal, file) in sorted(records.seals.items()):
        first, last = covered.get(seal.strategy, (date.max, date.min))
        if first <= seal.session <= last and key not in known:
            detail = f"revision {seal.revision} is sealed, and no receipt is for it: a revision that is not yours"
            where = ("", file.path, seal.strategy, str(seal.session))
            faults.append(Fault(FaultKind.WITHOUT_RECEIPT, detail, *where))
    return faults


def _key(accepted: Accepted) -> tuple[str, date, int]:
    return accepted.strategy, accepted.session, accepted.revision


def _fault(kind: FaultKind, accepted: Accepted, why: str) -> Fault:
    return Fault(kind, f"revision {accepted.revision}: {why}", "", "", accepted.strategy, str(accepted.session))
