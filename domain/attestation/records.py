"""Attestation: the journal's records, byte for byte, and their paths. Pure.

Sealer and verifier both build records here, so that "the same bytes" means the same thing to both. Every record is RFC
8785 canonical JSON with a final newline; it holds ASCII strings, integers, booleans, lists and objects, never a float.

    attestations/<year>/<session>/<shard>/<slug>.<revision>.json   a seal: a signal's hash, and its place in the chain
    reveals/<year>/<session>/<shard>/<slug>.<revision>.json        the sealed payload with its salt, after settlement
    settlements/<year>/<session>.<version>.json                    a settled day: its inputs and its results
    strategies/<shard>/<slug>.json                                 a strategy's terms, in the commit of its first seal
    retirements/<shard>/<slug>.json                                a strategy's end, once its last session is settled
    timestamps/<first two hex digits>/<commit>.<authority>.tsr     an RFC 3161 token (DER), in a later commit
    clock.json                                                     the journal's clock, in its first commit

Sessions come before strategies in a path, because git writes a folder anew whenever a file is added to it: folders of
strategies would be rewritten whole, all of them, every session, for ever. `shard` (the first two hex digits of the
slug's SHA-256) keeps a session's folder small. A seal says nothing about symbols but their number: an unsalted hash of
them would give a small portfolio away.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from countersign.domain.provenance import canonical

SEAL_SCHEMA = "countersign/seal/v1"
REVEAL_SCHEMA = "countersign/reveal/v1"
SETTLED_SCHEMA = "countersign/settled/v1"
TERMS_SCHEMA = "countersign/terms/v1"
RETIREMENT_SCHEMA = "countersign/retirement/v1"
CLOCK_SCHEMA = "countersign/clock/v1"
SEALS, REVEALS, SETTLEMENTS, STRATEGIES, RETIREMENTS, TIMESTAMPS = FOLDERS = (
    "attestations",
    "reveals",
    "settlements",
    "strategies",
    "retirements",
    "timestamps",
)
ALLOWED_SIGNERS, README, CLOCK = "allowed_signers", "README.md", "clock.json"
PRINCIPAL, NAMESPACE = "countersign", "git"
# Namespace of receipts for submissions, which the journal's key signs beside commits.
RECEIPT_NAMESPACE = "countersign-receipt"
# Namespace of an owner's key, which signs hashes of signals.
OWNER_NAMESPACE = "countersign-signal"
AUTHOR = "Countersign <countersign@localhost>"


@lru_cache(maxsize=1024)
def instant(moment: datetime) -> str:
    """Write an aware time down as records do: UTC, microseconds, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str) -> datetime:
    """Read a time as `instant` writes it; ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def decimal(number: float) -> str:
    """Write a float down as the shortest plain decimal that gives it back: 0.0003, never 3e-4 or 1.0."""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def record(fields: Mapping[str, Any]) -> bytes:
    """Write a record down: canonical JSON and a newline."""
    return canonical(fields) + b"\n"


def seal_record(
    *,
    strategy: str,
    session: date,
    revision: int,
    signal_hash: str,
    symbols_count: int,
    universe: str,
    execution_price: str,
    received_at: datetime,
    deadline: datetime,
    previous: str,
    simulated: bool,
    owner_signature: str | None = None,
) -> bytes:
    """Return the record that seals a signal. `previous` is the hash of the strategy's record before, "" for the first.

    Before means received before: a revision for an earlier session may follow a signal for a later one. A signal that
    its owner signed carries the signature (`models.ssh.armor`); others have no such field.
    """
    signed = {"owner_signature": owner_signature} if owner_signature is not None else {}
    return record(
        {
            "schema": SEAL_SCHEMA,
            "strategy": strategy,
            "session": session.isoformat(),
            "revision": revision,
            "signal_hash": signal_hash,
            "symbols_count": symbols_count,
            "universe": universe,
            "execution_price": execution_price,
            "received_at": instant(received_at),
            "deadline": instant(deadline),
            "previous": previous,
            "simulated": simulated,
            **signed,
        }
    )


def reveal_record(payload: bytes, signal_hash: str) -> bytes:
    """Return the record that reveals a sealed payload (`domain.signals.payload.payload`, already canonical)."""
    return b'{"payload":' + payload + f',"schema":"{REVEAL_SCHEMA}","signal_hash":"{signal_hash}"}}\n'.encode()


def terms_record(
    *,
    strategy: str,
    universe: str,
    execution_price: str,
    holding_period: int,
    initial_capital: int,
    commission_rate: float,
    slippage_rate: float,
    created_at: datetime,
    owner_key: str | None = None,
) -> bytes:
    """Return a strategy's immutable terms (capital in CNY, rates as fractions), with its owner's key if it has one."""
    keyed = {"owner_key": owner_key} if owner_key is not None else {}
    return record(
        {
            "schema": TERMS_SCHEMA,
            "strategy": strategy,
            "universe": universe,
            "execution_price": execution_price,
            "holding_period": holding_period,
            "initial_capital": initial_capital,
            "commission_rate": decimal(commission_rate),
            "slippage_rate": decimal(slippage_rate),
            "created_at": instant(created_at),
            **keyed,
        }
    )


def retirement_record(
    *, strategy: str, retired_at: datetime, session: str, version: int, nav: str, simulated: bool
) -> bytes:
    """Return the record of a strategy's end: the last session it was settled at, in which version, and its NAV there.

    `session` and `nav` (CNY) are "" and `version` 0 for a strategy that ended before it was ever settled.
    """
    return record(
        {
            "schema": RETIREMENT_SCHEMA,
            "strategy": strategy,
            "retired_at": instant(retired_at),
            "session": session,
            "version": version,
            "nav": nav,
            "simulated": simulated,
        }
    )


def clock_record(*, simulated: bool) -> bytes:
    """Return the record of a journal's clock, which is one for life."""
    return record({"schema": CLOCK_SCHEMA, "simulated": simulated})


def settled_record(
    *,
    session: date,
    version: int,
    simulated: bool,
    settled_at: datetime,
    bars_sha256: str,
    rules_sha256: str,
    manifest: Mapping[str, Any],
    manifest_sha256: str,
    actions: pl.DataFrame,
    nav: pl.DataFrame,
    paused: Iterable[str],
    orders: pl.DataFrame,
    positions: pl.DataFrame,
) -> bytes:
    """Return the record of a settled day.

    `actions` has symbol, cash, bonus; `nav`, `orders` and `positions` are the session's whole datasets; `paused` are
    the slugs of the strategies that were paused.
    """
    slugs = nav["strategy"].to_list()
    ordered, held = strategy_sha256(orders, slugs), strategy_sha256(positions, slugs)
    idle = frozenset(paused)
    figures = nav.sort("strategy").select("strategy", pl.col("nav", "cash").cast(pl.String), "event").iter_rows()
    return record(
        {
            "schema": SETTLED_SCHEMA,
            "session": session.isoformat(),
            "version": version,
            "simulated": simulated,
            "settled_at": instant(settled_at),
            "bars_sha256": bars_sha256,
            "rules_sha256": rules_sha256,
            "manifest": manifest,
            "manifest_sha256": manifest_sha256,
            "actions": [
                {"symbol": symbol, "cash": decimal(cash), "bonus": decimal(bonus)}
                for symbol, cash, bonus in actions.sort("symbol").select("symbol", "cash", "bonus").iter_rows()
            ],
            "strategies": [
                {
                    "strategy": slug,
                    "nav": worth,
                    "cash": cash,
                    "paused": slug in idle,
                    "event": event,
                    "orders_sha256": ordered[slug],
                    "positions_sha256": held[slug],
                }
                for slug, worth, cash, event in figures
            ],
        }
    )


def strategy_sha256(frame: pl.DataFrame, slugs: Sequence[str]) -> dict[str, str]:
    """Hash each strategy's rows as `domain.provenance.frame_sha256` would hash them alone; no rows: the header's hash.

    The frame is written as CSV once and cut, which is a hundred times faster; none of our texts has a line break.
    """
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and records are read without it

    ordered = frame if frame["strategy"].is_sorted() else frame.sort("strategy", maintain_order=True)
    table = ordered.write_csv().encode()
    ends = np.flatnonzero(np.frombuffer(table, np.uint8) == ord("\n")) + 1
    rows, header, start = ordered["strategy"].rle().struct.unnest(), table[: ends[0]], int(ends[0])
    hashes = dict.fromkeys(slugs, hashlib.sha256(header).hexdigest())
    for slug, end in zip(rows["value"], ends[rows["len"].cum_sum().to_numpy()].tolist(), strict=True):
        hashes[slug] = hashlib.sha256(header + table[start:end]).hexdigest()
        start = end
    return hashes


@lru_cache(maxsize=65_536)
def shard(slug: str) -> str:
    """Return the folder that spreads strategies: the first two hex digits of the slug's SHA-256."""
    return hashlib.sha256(slug.encode()).hexdigest()[:2]


def seal_path(slug: str, session: date, revision: int) -> str:
    """Path of a seal in the journal."""
    return f"{SEALS}/{session.year}/{session}/{shard(slug)}/{slug}.{revision}.json"


def reveal_path(slug: str, session: date, revision: int) -> str:
    """Path of a reveal in the journal."""
    return f"{REVEALS}/{session.year}/{session}/{shard(slug)}/{slug}.{revision}.json"


def settled_path(session: date, version: int) -> str:
    """Path of a settled day's record in the journal."""
    return f"{SETTLEMENTS}/{session.year}/{session}.{version}.json"


def terms_path(slug: str) -> str:
    """Path of a strategy's terms in the journal."""
    return f"{STRATEGIES}/{shard(slug)}/{slug}.json"


def retirement_path(slug: str) -> str:
    """Path of the record of a strategy's end in the journal."""
    return f"{RETIREMENTS}/{shard(slug)}/{slug}.json"


def timestamp_path(commit: str, authority: str) -> str:
    """Path of an authority's token for a commit in the journal.

    The token is a whole RFC 3161 response (DER) on the SHA-256 of the text that `git cat-file commit <commit>` prints,
    so that `openssl ts -verify -data` checks it.
    """
    return f"{TIMESTAMPS}/{commit[:2]}/{commit}.{authority}.tsr"


def authority_name(url: str) -> str:
    """Return a timestamp authority's short name: the host of its address, and the port where one is given."""
    parts = urlsplit(url)
    return (parts.hostname or "unnamed") + (f"-{parts.port}" if parts.port else "")
