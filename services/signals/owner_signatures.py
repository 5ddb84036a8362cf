"""Owners' signatures of submissions: checked before a signal is written down."""

from dataclasses import dataclass, field
from datetime import date

from sqlmodel import Session, select

from countersign.domain.attestation.records import OWNER_NAMESPACE
from countersign.domain.attestation.signers import fingerprint
from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, RefusedError
from countersign.models.ssh import key_blob
from countersign.models.tables.portfolios import FactorPortfolio
from countersign.models.tables.strategies import Strategy
from countersign.store.journal.ssh_signatures import check_signature


@dataclass(frozen=True)
class SignedSubmission:
    """A signature of a signal's hash (`models.ssh.armor`), with the revision and the salt that the hash covers."""

    revision: int
    salt: str = field(repr=False)
    signature: str = field(repr=False)


def require_key_may_change(db: Session, strategy: Strategy) -> None:
    """Raise RefusedError once a strategy has a signal, and for a portfolio's, as the platform makes its signals."""
    if strategy.status != StrategyStatus.PENDING:
        raise RefusedError(
            f"owner_key: {strategy.slug} is {strategy.status}; its key is immutable since its first signal"
        )
    if db.exec(select(FactorPortfolio.id).where(FactorPortfolio.strategy_id == strategy.id)).first():
        raise RefusedError(f"owner_key: the platform makes the signals of {strategy.slug}, expected no key")


def require_unsigned(slug: str, signed: SignedSubmission | None) -> None:
    """Raise RefusedError for a signature if the strategy has no key to check it against."""
    if signed is not None:
        raise RefusedError(
            f"signed: {slug} has no owner_key, expected no signature; a key can be given until the first signal"
        )


def require_signed(slug: str, signed: SignedSubmission | None) -> SignedSubmission:
    """Return the signature; RefusedError where there is none."""
    if signed is None:
        raise RefusedError(
            f"signed: {slug} takes only signals that its owner_key signed; expected revision, salt and signature"
        )
    return signed


def require_owner(
    owner_key: str, slug: str, session: date, portfolio: str, newest: tuple[int, str], signed: SignedSubmission
) -> str:
    """Return the hash that the owner's key signed; `newest` has revision and hash of the newest signal, 0 and "".

    It is the next revision, or the newest one sent again: ConflictError for any other number. RefusedError for
    another key's signature, or one of another hash.
    """
    revision = newest[0]
    hashed = signal_hash(payload(slug, session, signed.revision, signed.salt, portfolio))
    if signed.revision != revision + 1 and (signed.revision, hashed) != newest:
        raise ConflictError(f"signed.revision: expected {revision + 1} for {slug} and {session}, got {signed.revision}")
    found = check_signature(signed.signature.encode(), hashed.encode(), OWNER_NAMESPACE)
    key = key_blob(owner_key)
    if found.key and found.key != key:
        raise RefusedError(
            f"signed.signature: expected one by {fingerprint(key)}, owner_key of {slug}; got {fingerprint(found.key)}"
        )
    if not found.valid:
        raise RefusedError(
            f"signed.signature: expected one of {hashed}, the hash of this revision, salt and portfolio,"
            f" made with namespace {OWNER_NAMESPACE}"
        )
    return hashed
