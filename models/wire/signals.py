"""Wire shapes of signals: `trade_date` is the session."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from countersign.models.ssh import SIGNATURE_EXAMPLE, ArmoredSignature
from countersign.models.targets import MAX_SYMBOLS, SYMBOL_PATTERN
from countersign.models.wire.base import Answer, Commit, Day, Moment, Request, SealEvidence, Sha256


class Holding(Request):
    """One symbol and the share of equity wanted in it."""

    symbol: Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)] = Field(examples=["600519.SH"])
    weight: float = Field(gt=0, le=1, examples=[0.05])


class OwnerSigned(Request):
    """The owner's signature of a signal's hash, with the revision and the salt that it covers."""

    revision: int = Field(
        ge=1, le=999_999_999, description="1 for the first of the session, then counted up", examples=[1]
    )
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="128 random bits in hex, new for each revision", examples=["00112233445566778899aabbccddeeff"]
    )
    signature: Annotated[ArmoredSignature, Field(max_length=2_000)] = Field(
        description="SSH signature of the hash's 64 hex digits by owner_key, namespace countersign-signal",
        examples=[SIGNATURE_EXAMPLE],
    )


class NewSignal(Request):
    """A target portfolio for one session; the rest of the weights is cash."""

    trade_date: Day
    signals: list[Holding] = Field(
        min_length=1,
        max_length=MAX_SYMBOLS,
        examples=[[{"symbol": "600519.SH", "weight": 0.05}, {"symbol": "000858.SZ", "weight": 0.04}]],
    )
    signed: OwnerSigned | None = Field(default=None, description="for a strategy with owner_key, and no other")


class AttestationAnswer(Answer):
    """State of the signal's seal in the journal. `committed` false is never a loss: the signal is recorded."""

    committed: bool
    sha: Commit | None = Field(default=None, description="the journal's commit")
    pushed: bool | None = Field(default=None, description="whether the journal's remote has that commit")
    reason: Literal["repo_not_configured", "sealer_busy", "push_failed"] | None = Field(
        default=None,
        description="sealer_busy: recorded, and not sealed yet, as the sealer is away or took more than 2 s; it will "
        "be; repo_not_configured: recorded, and the platform has no journal to seal it in; push_failed: sealed, and "
        "pushing fails or the journal's remote has diverged",
    )


class ReceiptAnswer(Answer):
    """Receipt of a signal. `ssh-keygen -Y verify` checks it with the journal's `allowed_signers`."""

    text: str = Field(
        description="canonical JSON of strategy, session, revision, signal_hash and received_at",
        examples=[
            '{"received_at":"2026-05-14T01:12:30.123456Z","revision":1,"session":"2026-05-14",'
            '"signal_hash":"51caddc4e485d4e918999edc54f46618daa30af05202bbe49799253a1153e8c5","strategy":"alpha"}'
        ],
    )
    signature: str = Field(
        description="SSH signature of the text by the journal's key, namespace countersign-receipt",
        examples=[SIGNATURE_EXAMPLE],
    )


Salt = Annotated[
    str | None,
    Field(
        examples=["00112233445566778899aabbccddeeff"],
        description="128 random bits in hex, which the hash covers; keep it to yourself until the session is settled; "
        "null where a restored platform has lost the content",
    ),
]
OwnerSignature = Annotated[
    str | None,
    Field(description="of the hash, by the strategy's owner_key if it has one", examples=[SIGNATURE_EXAMPLE]),
]
Signed = Annotated[
    ReceiptAnswer | None,
    Field(description="keep it: it proves that the signal was accepted; null only while the platform has no key"),
]


class SubmittedAnswer(Answer):
    """Result of a submission."""

    id: str = Field(examples=["4711"])
    trade_date: Day
    revision: int = Field(description="1 for the first submission for this session, then counted up", examples=[1])
    replaced: bool = Field(description="it takes the place of an earlier revision")
    signal_hash: Sha256 = Field(description="hex SHA-256 of the sealed payload", min_length=64, max_length=64)
    salt: Salt
    owner_signature: OwnerSignature
    receipt: Signed
    submitted_at: Moment = Field(
        description="when the last byte of the request had come", examples=["2026-05-14T01:12:30.123456+00:00"]
    )
    deadline: Moment = Field(examples=["2026-05-14T01:15:00+00:00"])
    is_settled: bool
    github_committed: bool
    attestation: AttestationAnswer
    warnings: list[str] = Field(
        description="symbols that no instrument or bar here knows, one by one: they are taken, and cannot be traded "
        "before bars of theirs come",
        examples=[["600998.SH: no instrument or bar here knows it; no order of it is filled before a bar comes"]],
    )


class SignalShape(SealEvidence):
    """A signal as it was received, with the evidence of its time."""

    id: str = Field(examples=["4711"])
    trade_date: Day
    revision: int = Field(examples=[1])
    signals: list[Holding]
    signal_hash: Sha256
    salt: Salt
    owner_signature: OwnerSignature
    receipt: Signed
    submitted_at: Moment = Field(examples=["2026-05-14T01:12:30.123456+00:00"])
    is_settled: bool
    github_committed: bool


class SignalsAnswer(Answer):
    """Signals, newest session first."""

    signals: list[SignalShape]


class SignalDeletedAnswer(Answer):
    """Confirmation that the signal is deleted."""

    deleted: bool
    trade_date: Day
