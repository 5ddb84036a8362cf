"""A small market in which two traits of the symbols pay, and factors that know of them."""

import io
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import httpx
import numpy as np
import orjson
import polars as pl

from countersign.domain.factors.values import UPLOAD_SCHEMA
from countersign.models.datasets import BARS, FACTOR_IC
from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.tables.factors import Factor, FactorTerms
from countersign.services.factors.lifecycle import open_factor
from countersign.services.factors.values import put_values
from countersign.services.strategies.lifecycle import ensure_user
from countersign.store.home import Home
from countersign.store.market import stage_sessions
from countersign.store.sessions import load_sessions

SYMBOLS = tuple(f"{600000 + n}.SH" for n in range(20)) + tuple(f"{n + 1:06}.SZ" for n in range(10))
SESSIONS = 126
LAST = date(2024, 12, 31)
PARQUET, STREAM, FILE = (f"application/vnd.apache.{kind}" for kind in ("parquet", "arrow.stream", "arrow.file"))


@dataclass(frozen=True)
class FactorMarket:
    """Bars, and the values (date, symbol, value) of factors: two good ones, the second turned round, and a bad one."""

    bars: pl.DataFrame
    values: dict[str, pl.DataFrame]


@cache
def factor_market(days: tuple[date, ...]) -> FactorMarket:
    """Draw it for these sessions."""
    rng = np.random.default_rng(5)
    shape = (len(days), len(SYMBOLS))
    first, second = rng.normal(size=len(SYMBOLS)), rng.normal(size=len(SYMBOLS))
    second -= first * (first @ second) / (first @ first)
    close = 10 * np.exp(np.cumsum(0.004 * (first + second) + rng.normal(0, 0.01, shape), axis=0))
    slow = rng.normal(0, 0.05, shape)
    factor = np.where(np.arange(len(days)) < 60, 1.0, 2.0)[:, None] * np.ones(shape)
    rows = {
        "session": np.repeat(np.array(days, dtype="datetime64[D]"), len(SYMBOLS)),
        "symbol": list(SYMBOLS) * len(days),
        "adj_factor": factor.ravel(),
    }
    bars = pl.DataFrame(rows | {"close": (close / factor).ravel()}).with_columns(
        *(pl.col("close").alias(name) for name in ("open", "high", "low", "limit_up", "limit_down")),
        volume=pl.lit(1e6),
        amount=pl.lit(1e7),
        suspended=pl.lit(value=False),
        is_st=pl.lit(value=False),
    )
    drawn = {"first": first + slow, "second": -(second + slow), "noise": rng.normal(size=shape)}
    axes = {"date": rows["session"], "symbol": rows["symbol"]}
    values = {name: pl.DataFrame(axes | {"value": each.ravel()}) for name, each in drawn.items()}
    return FactorMarket(bars.select(*BARS.schema).cast(pl.Schema(BARS.schema)), values)


def market_of(home: Home) -> FactorMarket:
    """The market of the sessions up to LAST."""
    through = [day for day in home.sessions.days if day <= LAST]
    return factor_market(tuple(through[-SESSIONS:]))


def put_bars(home: Home, bars: pl.DataFrame | None = None) -> None:
    """Bring bars into a home, by default the whole market's."""
    files = stage_sessions(home.lake, BARS, market_of(home).bars if bars is None else bars)
    with home.ledger.write() as db:
        home.lake.commit(db, files, home.clock.now())


def as_json(values: pl.DataFrame) -> dict[str, Any]:
    """Write values down as the document does."""
    days = values.partition_by("date", as_dict=True, maintain_order=True)
    return {
        "data": [
            {"date": str(day), "values": dict(part.select("symbol", "value").iter_rows())}
            for (day,), part in days.items()
        ]
    }


def open_one(web: httpx.Client, headers: dict[str, str], name: str = "alpha", **terms: Any) -> str:
    """Open a factor; return its id."""
    answer = web.post("/factors", json={"name": name, "universe": "hs300", **terms}, headers=headers)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def upload(web: httpx.Client, headers: dict[str, str], factor: str, values: pl.DataFrame) -> httpx.Response:
    """Upload values as Parquet."""
    return send(web, headers, factor, parquet(values), PARQUET)


def send(web: httpx.Client, headers: dict[str, str], factor: str, body: bytes, kind: str) -> httpx.Response:
    """Upload a body of some kind."""
    return web.post(f"/factors/{factor}/values", content=body, headers=headers | {"Content-Type": kind})


def parquet(values: pl.DataFrame) -> bytes:
    """Write Parquet."""
    buffer = io.BytesIO()
    values.write_parquet(buffer)
    return buffer.getvalue()


def submit(web: httpx.Client, headers: dict[str, str], name: str, values: pl.DataFrame, **terms: Any) -> Any:
    """Open a factor, upload its values, submit it; return it as it is then."""
    factor = open_one(web, headers, name, **terms)
    assert upload(web, headers, factor, values).json()["status"] == "ready"
    answer = web.post(f"/factors/{factor}/submit", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def add_active(home: Home, name: str, days: list[date]) -> str:
    """Put an active factor straight into a home: with values for all days, the last of them out of sample."""
    rows = [(day, symbol, float(n)) for day in days for n, symbol in enumerate(SYMBOLS[:3])]
    values = pl.DataFrame(rows, schema=dict(UPLOAD_SCHEMA), orient="row").sort("session", "symbol")
    now = home.clock.now()
    with home.ledger.write() as db:
        owner = ensure_user(db, "ann", now)
        factor = open_factor(db, owner, FactorTerms(name=name, universe=FactorUniverse.HS300), now)
    put_values(home.lake, load_sessions(home.path), owner.id, factor.id, values, now)
    ic = pl.DataFrame(
        [(factor.id, day, 0.01 * n, 30, 0.001, "is" if day < days[-1] else "os") for n, day in enumerate(days)],
        schema=FACTOR_IC.schema,
        orient="row",
    )
    inside = home.lake.stage(FACTOR_IC, days[-2], ic.head(-1), series=factor.id)
    tracked = home.lake.read(FACTOR_IC, days[-1]).filter(pl.col("phase") == "os")
    outside = home.lake.stage(FACTOR_IC, days[-1], pl.concat([tracked, ic.tail(1)]))
    with home.ledger.write() as db:
        home.lake.commit(db, [inside, outside], now)
        row = db.get_one(Factor, factor.id)
        row.status, row.validated_at, row.ic_mean, row.ic_decay = FactorStatus.ACTIVE, now, 0.02, "[0.02,null]"
        row.yearly_stats = orjson.dumps([{"year": 2025, "ic_mean": 0.02, "days": len(days) - 1}]).decode()
        db.add(row)
    return factor.id
