"""Records of the journal, read back: the inverse of domain.attestation.records, for untrusted bytes.

A record is taken only if writing it again gives the same bytes at the same path: so it is canonical, complete and of
the right types, and nothing hides in a second key of the same name. ValueError names the fault.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from countersign.domain.attestation import records
from countersign.domain.attestation.fields import (
    SYMBOL,
    read_day,
    read_fields,
    read_instant,
    require_match,
    require_types,
)
from countersign.domain.attestation.manifest_tables import Delisting, Listing, read_delistings, read_listings
from countersign.domain.provenance import object_sha256
from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.ssh import read_public_key, read_signature

SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{2,48}$")
HASH = re.compile(r"^[0-9a-f]{64}$")
MONEY = re.compile(r"^-?[0-9]{1,16}\.[0-9]{2}$")
PORTFOLIO = re.compile(
    r"[0-9]{6}\.(?:SH|SZ|BJ)=(?:0|1|0\.[0-9]{1,400})(?: [0-9]{6}\.(?:SH|SZ|BJ)=(?:0|1|0\.[0-9]{1,400}))*\Z"
)
REVEAL = re.compile(
    r'\{"payload":\{"revision":(?P<revision>[1-9][0-9]{0,8}),"salt":"(?P<salt>[0-9a-f]{32})",'
    r'"session":"(?P<session>[0-9-]{10})","signals":\[\{"symbol":"(?P<signals>[^\[\]]*)"\}\],'
    r'"strategy":"(?P<strategy>[a-z0-9_-]{3,49})"\},"schema":"[a-z0-9/]+","signal_hash":"(?P<signal_hash>[0-9a-f]{64})"\}\n\Z'
)
SETTLED_KEYS = frozenset(
    [
        "schema",
        "session",
        "version",
        "simulated",
        "settled_at",
        "bars_sha256",
        "rules_sha256",
        "manifest",
        "manifest_sha256",
        "actions",
        "strategies",
    ]
)
DECIMAL = re.compile(r"^[0-9]{1,20}(?:\.[0-9]{1,400})?$")
SIGNED = re.compile(r"^-?[0-9]{1,20}(?:\.[0-9]{1,400})?$")


@dataclass(frozen=True, slots=True)
class SealRecord:
    """A sealed signal: its hash, when it was received, its owner's signature if it has one."""

    strategy: str
    session: date
    revision: int
    signal_hash: str
    symbols_count: int
    universe: str
    execution_price: str
    received_at: datetime
    deadline: datetime
    previous: str
    simulated: bool
    owner_signature: str | None


@dataclass(frozen=True, slots=True)
class Reveal:
    """A revealed payload; `portfolio` as domain.signals.payload has it, `hashed` its hash, `signal_hash` the claimed
    one.
    """

    strategy: str
    session: date
    revision: int
    signal_hash: str
    hashed: str
    portfolio: str
    symbols_count: int
    salt: str


@dataclass(frozen=True, slots=True)
class Terms:
    """A strategy's immutable terms, as settlement takes them, and its owner's public key if it has one."""

    strategy: str
    universe: str
    execution_price: str
    holding_period: int
    initial_capital: int
    commission_rate: float
    slippage_rate: float
    created_at: datetime
    owner_key: str | None


@dataclass(frozen=True, slots=True)
class RetirementRecord:
    """A strategy's end. `session` is None, `version` 0 and `nav` "" for one that was never settled."""

    strategy: str
    retired_at: datetime
    session: date | None
    version: int
    nav: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a settled day for one strategy."""

    strategy: str
    nav: str
    cash: str
    paused: bool
    event: str
    orders_sha256: str
    positions_sha256: str


@dataclass(frozen=True, slots=True)
class SettledDay:
    """A settled day. `previous` is the hash of the manifest of the session before, `inputs` has all its inputs."""

    session: date
    version: int
    simulated: bool
    settled_at: datetime
    bars_sha256: str
    rules_sha256: str
    manifest_sha256: str
    previous: str
    actions: tuple[tuple[str, float, float], ...]
    listings: tuple[Listing, ...]
    delistings: tuple[Delisting, ...]
    results: tuple[Result, ...]
    inputs: Mapping[str, Any]


def read_seal(path: str, content: bytes) -> SealRecord:
    """Read a seal."""
    fields = read_fields(content)
    require_match(fields, strategy=SLUG, signal_hash=HASH)
    if fields.get("previous") != "":
        require_match(fields, previous=HASH)
    require_types(fields, revision=int, symbols_count=int, universe=str, execution_price=str, simulated=bool)
    values = fields | {
        "session": read_day(fields, "session"),
        "received_at": read_instant(fields, "received_at"),
        "deadline": read_instant(fields, "deadline"),
        "owner_signature": _spelled(fields, "owner_signature", read_signature),
    }
    chosen = {name: values[name] for name in SealRecord.__slots__}
    seal = SealRecord(**chosen)
    expected = records.seal_path(seal.strategy, seal.session, seal.revision)
    _same(content, records.seal_record(**chosen), path, expected)
    return seal


def read_reveal(path: str, content: bytes) -> Reveal:
    """Read a reveal. Whether it is the signal that was sealed is not decided here."""
    found = REVEAL.match(content.decode("ascii"))  # a UnicodeDecodeError is a ValueError
    if not found:
        raise ValueError("not a reveal in canonical form")
    strategy, session, revision = found["strategy"], read_day(found.groupdict(), "session"), int(found["revision"])
    portfolio = found["signals"].replace('"},{"symbol":"', " ").replace('","weight":"', "=")
    if not PORTFOLIO.match(portfolio):
        raise ValueError("expected signals of a symbol and a weight from 0 to 1")
    items = portfolio.split(" ")
    if sorted(items) != items or len({item[:9] for item in items}) != len(items):
        raise ValueError("expected signals sorted by symbol, each symbol once")
    sealed = payload(strategy, session, revision, found["salt"], portfolio)
    expected = records.reveal_path(strategy, session, revision)
    _same(content, records.reveal_record(sealed, found["signal_hash"]), path, expected)
    hashed = signal_hash(sealed)
    return Reveal(strategy, session, revision, found["signal_hash"], hashed, portfolio, len(items), found["salt"])


def read_terms(path: str, content: bytes) -> Terms:
    """Read a strategy's terms."""
    fields = read_fields(content)
    require_match(fields, strategy=SLUG, commission_rate=DECIMAL, slippage_rate=DECIMAL)
    require_types(fields, universe=str, execution_price=str, holding_period=int, initial_capital=int)
    values = fields | {
        "commission_rate": float(fields["commission_rate"]),
        "slippage_rate": float(fields["slippage_rate"]),
        "created_at": read_instant(fields, "created_at"),
        "owner_key": _spelled(fields, "owner_key", read_public_key),
    }
    chosen = {name: values[name] for name in Terms.__slots__}
    _same(content, records.terms_record(**chosen), path, records.terms_path(fields["strategy"]))
    return Terms(**chosen)


def read_settled(path: str, content: bytes) -> SettledDay:
    """Read a settled day; the hash, session, version and inputs of its manifest must agree with the record's own."""
    fields = read_fields(content)
    if set(fields) != SETTLED_KEYS or fields["schema"] != records.SETTLED_SCHEMA:
        raise ValueError(f"expected a record of schema {records.SETTLED_SCHEMA}")
    require_match(fields, bars_sha256=HASH, rules_sha256=HASH, manifest_sha256=HASH)
    require_types(fields, version=int, simulated=bool, manifest=dict, actions=list, strategies=list)
    session, manifest = read_day(fields, "session"), fields["manifest"]
    inputs = manifest.get("inputs")
    if not isinstance(inputs, dict):
        raise ValueError("expected a manifest with inputs")
    if object_sha256(manifest) != fields["manifest_sha256"]:
        raise ValueError("manifest_sha256 is not the hash of the manifest")
    said = (manifest.get("session"), manifest.get("version"), inputs.get("bars"), inputs.get("rules"))
    if said != (fields["session"], fields["version"], fields["bars_sha256"], fields["rules_sha256"]):
        raise ValueError("the manifest speaks of another session, version, bars or rules")
    if not isinstance(inputs.get("previous"), str):
        raise ValueError("expected a manifest that names the one before")
    settled_at = read_instant(fields, "settled_at")
    expected = records.settled_path(session, fields["version"])
    _same(content, records.record(fields | {"settled_at": records.instant(settled_at)}), path, expected)
    results = tuple(_result(item) for item in fields["strategies"])
    if any(a.strategy >= b.strategy for a, b in pairwise(results)):
        raise ValueError("expected strategies in order, each once")
    return SettledDay(
        session=session,
        version=fields["version"],
        simulated=fields["simulated"],
        settled_at=settled_at,
        bars_sha256=fields["bars_sha256"],
        rules_sha256=fields["rules_sha256"],
        manifest_sha256=fields["manifest_sha256"],
        previous=inputs["previous"],
        actions=tuple(_action(item) for item in fields["actions"]),
        listings=read_listings(inputs),
        delistings=read_delistings(inputs),
        results=results,
        inputs=inputs,
    )


def read_retirement(path: str, content: bytes) -> RetirementRecord:
    """Read the record of a strategy's end."""
    fields = read_fields(content)
    require_match(fields, strategy=SLUG)
    require_types(fields, session=str, version=int, nav=str, simulated=bool)
    session = read_day(fields, "session") if fields["session"] else None
    if session:
        require_match(fields, nav=MONEY)
    if (session is None) != (not fields["nav"]) or (session is None) != (fields["version"] == 0):
        raise ValueError("expected session, version and nav together, or none of them")
    retired_at = read_instant(fields, "retired_at")
    chosen = {name: fields[name] for name in RetirementRecord.__slots__} | {"retired_at": retired_at}
    _same(content, records.retirement_record(**chosen), path, records.retirement_path(fields["strategy"]))
    return RetirementRecord(**chosen | {"session": session})


def read_clock(path: str, content: bytes) -> bool:
    """Read the record of a journal's clock: whether it is a simulated one."""
    fields = read_fields(content)
    require_types(fields, simulated=bool)
    _same(content, records.clock_record(simulated=fields["simulated"]), path, records.CLOCK)
    return bool(fields["simulated"])


def _result(item: Any) -> Result:
    if not isinstance(item, dict) or set(item) != set(Result.__slots__):
        raise ValueError(f"expected strategies of {', '.join(Result.__slots__)}")
    require_match(item, strategy=SLUG, nav=MONEY, cash=MONEY, orders_sha256=HASH, positions_sha256=HASH)
    require_types(item, paused=bool, event=str)
    return Result(**item)


def _action(item: Any) -> tuple[str, float, float]:
    if not isinstance(item, dict) or set(item) != {"symbol", "cash", "bonus"}:
        raise ValueError("expected actions of symbol, cash and bonus")
    require_match(item, symbol=SYMBOL, cash=DECIMAL, bonus=SIGNED)
    return item["symbol"], float(item["cash"]), float(item["bonus"])


def _spelled(fields: Mapping[str, Any], name: str, read: Callable[[str], str]) -> str | None:
    """Return a text that has one spelling alone, None where the record has no such field."""
    if name not in fields:
        return None
    require_types(fields, **{name: str})
    return read(fields[name])


def _same(content: bytes, written: bytes, path: str, expected: str) -> None:
    if path != expected:
        raise ValueError(f"its content belongs at {expected}")
    if content != written:
        raise ValueError("not in canonical form, or with keys that do not belong there")
