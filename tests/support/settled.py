"""Homes with settled sessions, made up: the shapes and keys are real, the figures only plausible."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from sqlmodel import Session, func, select

from countersign.models.datasets import BARS, EVALUATIONS, INDEX_LEVELS, MONEY, NAV, ORDERS, POSITIONS, SIGNALS, Dataset
from countersign.models.enums import Universe
from countersign.models.tables.accounts import User
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.strategies import Strategy
from countersign.store.home import Home
from countersign.store.lake.lake import StagedFile
from tests.support.homes import put_ledger

FIRST = date(2025, 1, 2)
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH", "600519.SH", "688001.SH")


def weekdays(count: int, first: date = FIRST) -> list[date]:
    """The first `count` weekdays from `first` on: near enough to sessions here."""
    days = (first + timedelta(days=n) for n in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def settled_at(session: date, version: int = 1) -> datetime:
    return datetime(session.year, session.month, session.day, 10, 15, version, tzinfo=UTC)


def make_home(path: Path, strategies: int = 3, lake: Path | None = None) -> Home:
    """A home with two users and their strategies, nothing settled."""
    home = Home(path, put_ledger(path / "ledger.db"), lake or path / "lake")
    home.create()
    created = settled_at(FIRST) - timedelta(days=30)
    with home.ledger.write() as db:
        db.add_all(User(nickname=name, created_at=created) for name in ("ann", "bo"))
        db.flush()
        db.add_all(
            Strategy(
                slug=slug,
                name=f"Strategy {n}",
                owner_id=1 + n % 2,
                universe=Universe.HS300 if n % 2 else Universe.CSI500,
                created_at=created,
                activated_at=created,
            )
            for n, slug in enumerate(slugs(strategies))
        )
    return home


def slugs(count: int) -> list[str]:
    return [f"strategy-{n:05d}" for n in range(count)]


def settle(
    home: Home,
    session: date,
    *,
    strategies: int = 3,
    seed: int = 0,
    symbols: Sequence[str] = SYMBOLS,
    chunks: int = 1,
) -> dict[str, pl.DataFrame]:
    """Commit a session's bars and results; called again with another `seed` it is a correction."""
    frames = results(session, slugs(strategies), symbols, seed)
    frames |= {"bars": bars(session, symbols), "index_levels": index_levels(session)}
    commit(home, session, stage(home, session, frames, chunks), strategies)
    return frames


def stage(home: Home, session: date, frames: dict[str, pl.DataFrame], chunks: int = 1) -> list[StagedFile]:
    datasets = {dataset.name: dataset for dataset in (BARS, INDEX_LEVELS, SIGNALS, ORDERS, POSITIONS, NAV, EVALUATIONS)}
    run = run_of(frames)
    return [
        home.lake.stage(datasets[name], session, part, run=run, n=n)
        for name, frame in frames.items()
        for n, part in enumerate(_parts(datasets[name], frame, chunks))
    ]


def run_of(frames: dict[str, pl.DataFrame]) -> str:
    return hashlib.sha256(b"".join(frame.write_ipc(None).getvalue() for frame in frames.values())).hexdigest()[:16]


def _parts(dataset: Dataset, frame: pl.DataFrame, chunks: int) -> list[pl.DataFrame]:
    if "strategy" not in dataset.schema or chunks == 1:
        return [frame]
    return [frame.filter(pl.col("strategy").hash(7) % chunks == n) for n in range(chunks)]


def commit(home: Home, session: date, files: list[StagedFile], strategies: int) -> None:
    manifest = json.dumps({file.path: file.sha256 for file in files}, sort_keys=True)
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    with home.ledger.write() as db:
        version = 1 + db.exec(select(func.count()).where(Settlement.session == session)).one()
        now = settled_at(session, version)
        home.lake.commit(db, files, now)
        db.add(
            Settlement(
                session=session,
                version=version,
                run=files[0].run,
                strategies=strategies,
                bars_sha256="b" * 64,
                rules_sha256="c" * 64,
                manifest=manifest,
                manifest_sha256=digest,
                settled_at=now,
            )
        )
        if version > 1:
            _follow(db, session)


def _follow(db: Session, session: date) -> None:
    """Settle the later sessions again, on the corrected one; their figures are made up anyway, and stay."""
    db.flush()
    query = select(Settlement).where(Settlement.session > session)
    newest = {row.session: row for row in db.exec(query.order_by("session", "version"))}
    for row in newest.values():
        fields = row.model_dump(exclude={"id"}) | {"version": row.version + 1}
        db.add(Settlement(**fields))
        db.flush()


def bars(session: date, symbols: Sequence[str] = SYMBOLS) -> pl.DataFrame:
    rng = np.random.default_rng(session.toordinal())
    close = np.round(10 * np.exp(rng.normal(0, 0.5, len(symbols))), 2)
    return _typed(
        BARS,
        {
            "symbol": list(symbols),
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": np.full(len(symbols), 1e6),
            "amount": close * 1e6,
            "adj_factor": np.ones(len(symbols)),
        },
        session,
    )


def index_levels(session: date) -> pl.DataFrame:
    names = sorted(Universe)
    level = 4000.0 + session.toordinal() % 97
    return _typed(INDEX_LEVELS, {"index": [str(name) for name in names], "close": [level] * len(names)}, session)


def results(session: date, strategies: Sequence[str], symbols: Sequence[str], seed: int) -> dict[str, pl.DataFrame]:
    """Signals, orders, positions and NAV of one session: every strategy holds every symbol and trades each of them."""
    rng = np.random.default_rng([session.toordinal(), seed])
    count, width = len(strategies), len(symbols)
    rows = count * width
    keys = {"strategy": np.repeat(strategies, width), "symbol": np.tile(symbols, count)}
    close = np.tile(bars(session, symbols)["close"].to_numpy(), count)
    quantity = rng.integers(1, 100, rows) * 100.0
    value = np.round(quantity * close * 100).astype(np.int64)
    cash = rng.integers(10_000_000, 20_000_000, count)
    nav = value.reshape(count, width).sum(axis=1) + cash
    refused = rng.random(rows) < 0.2
    filled = np.where(refused, 0.0, quantity)
    notional = np.where(refused, 0, value)
    sell = rng.random(rows) < 0.5
    held = rng.random(count) < 0.5
    return {
        "signals": _typed(
            SIGNALS,
            {
                **keys,
                "revision": np.ones(rows, np.int32),
                "weight": np.full(rows, round(1 / width, 6)),
                "received_at": [settled_at(session) - timedelta(hours=9, minutes=10)] * rows,
                "margin_seconds": np.repeat(rng.integers(1, 7200, count) / 1.0, width),
                "signal_hash": np.repeat([f"{n:064x}" for n in range(count)], width),
            },
            session,
        ),
        "orders": _typed(
            ORDERS,
            {
                **keys,
                "side": np.where(sell, "sell", "buy"),
                "wanted": quantity,
                "filled": filled,
                "price": pl.Series(np.where(refused, np.nan, close), nan_to_null=True),
                "notional": notional,
                "commission": notional * 3 // 10_000,
                "stamp_duty": np.where(sell, notional // 2_000, 0),
                "reason": ["LIMIT_UP" if flag else None for flag in refused],
            },
            session,
        ),
        "positions": _typed(
            POSITIONS,
            {**keys, "quantity": quantity, "close": close, "market_value": value, "adj_factor": np.ones(rows)},
            session,
        ),
        "nav": _typed(
            NAV,
            {
                "strategy": list(strategies),
                "nav": nav,
                "cash": cash,
                "daily_return": rng.normal(0, 0.01, count),
                "cumulative_return": nav / 1e8 - 1,
                "benchmark_return": np.full(count, rng.normal(0, 0.01)),
                "event": np.where(held, "HOLD", "REBALANCE"),
                "detail": np.where(held, "no signal", ""),
                "since_rebalance": rng.integers(0, 5, count),
            },
            session,
        ),
        "evaluations": _typed(
            EVALUATIONS,
            {
                "strategy": list(strategies),
                **{name: rng.normal(0, 1, count) for name, kind in EVALUATIONS.schema.items() if kind == pl.Float64},
                "sessions": rng.integers(1, 500, count),
                "trials": rng.integers(1, 20, count),
            },
            session,
        ),
    }


def _typed(dataset: Dataset, columns: dict[str, object], session: date) -> pl.DataFrame:
    """Columns as the dataset has them: money comes in as integer fen, columns left out are null."""
    frame = pl.DataFrame(columns, strict=False).with_columns(pl.lit(session).alias("session"))
    missing = [pl.lit(None).alias(name) for name in dataset.schema if name not in frame.columns]
    frame = frame.with_columns(missing)
    return frame.select(
        (pl.col(name).cast(pl.Decimal(20, 2)) / 100).cast(MONEY) if kind == MONEY else pl.col(name).cast(kind)
        for name, kind in dataset.schema.items()
    )
