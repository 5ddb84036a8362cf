"""Owners' signatures: a strategy whose terms name a key takes only signals that this key signed. Pure.

The key signs the signal's hash (its 64 hex digits), which covers strategy, session, revision, salt and portfolio. So
nobody can add a revision in the owner's name, the platform's operator included.
"""

from countersign.domain.attestation.journal import Fault, FaultKind, JournalContents, Signature
from countersign.domain.attestation.signers import fingerprint
from countersign.domain.verification.check_signals import Records
from countersign.models.ssh import key_blob


def check_owners(records: Records, journal: JournalContents) -> list[Fault]:
    """Check that the owner's key signed each seal of a strategy that has one, and that no other seal is signed."""
    faults = []
    for (slug, session, _), (seal, file) in records.seals.items():
        terms, _ = records.terms.get(slug, (None, None))
        signature = journal.owner_signatures[seal.signal_hash, seal.owner_signature] if seal.owner_signature else None
        why = _judge(terms.owner_key if terms else None, signature)
        if why:
            commit = journal.commits[file.commit].name
            detail = f"revision {seal.revision}: {why}"
            faults.append(Fault(FaultKind.NOT_BY_OWNER, detail, commit, file.path, slug, str(session)))
    return faults


def _judge(owner_key: str | None, signature: Signature | None) -> str:
    """Name the fault of a seal's signature, or of its having none; "" for no fault."""
    if owner_key is None:
        return "signed, though the strategy's terms name no key" if signature else ""
    if signature is None:
        return "not signed, though the strategy's terms name its owner's key"
    key = key_blob(owner_key)
    if signature.key != key:
        return f"signed by another key than the owner's, {fingerprint(key)}"
    return "" if signature.valid else "the signature is not one of this signal's hash"
