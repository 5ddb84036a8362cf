"""A factor's whole history over HTTP: 1,250 sessions × 300 symbols, as JSON and as Parquet, and the server's memory.

Every upload is of values that the server has not seen. The load comes from this machine too. BENCH_RUNS: how often (5).
"""

import asyncio
import io
import os
import tempfile
from datetime import date, time
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import psutil

from bench.load import request, rush
from bench.report import figure
from bench.rush import running
from bench.sealing import make_home
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.web import api_part
from countersign.domain.sessions import at
from countersign.models.enums import FactorUniverse
from countersign.models.tables.accounts import User
from countersign.models.tables.factors import FactorTerms
from countersign.services.accounts.accounts import create_key
from countersign.services.factors.lifecycle import open_factor
from countersign.services.factors.values import read_values
from countersign.store.home import Home

SESSIONS, SYMBOLS, DATES_A_REQUEST = 1_250, 300, 500
TODAY = date(2025, 1, 2)
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
PARQUET = "application/vnd.apache.parquet"


def main() -> None:
    """Run it on one home and one server, a factor a run, after one that does not count."""
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    as_json, as_parquet, again = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        home.clock.set(at(TODAY, time(8)))
        days = [day for day in home.sessions.days if day < TODAY][-SESSIONS:]
        port = free_port()
        with running(api_part(home.path, port=port)):
            for n in range(RUNS + 1):
                values, factor, headers = _values(days, n), *_factor(home, n)
                as_json.append(_send(port, factor, headers, _json_bodies(values)))
                body = _parquet(values.with_columns(-pl.col("value")))
                as_parquet.append(_send(port, factor, headers | {"Content-Type": PARQUET}, [body]))
                again.append(_send(port, factor, headers | {"Content-Type": PARQUET}, [body]))
                assert read_values(home.lake, [factor]).height == SESSIONS * SYMBOLS
            peak = _peak_mib()
    what = f"factor values, {SESSIONS:,} × {SYMBOLS}"
    figure(f"{what}, as JSON in 3 requests", as_json[1:], "s", must=5.0, better="lower")
    figure(f"{what}, as Parquet in 1, replacing all", as_parquet[1:], "s", must=1.0, better="lower")
    figure(f"{what}, as Parquet in 1, the same again", again[1:], "s", must=None, better="lower")
    figure("factor values, peak memory of the server", [peak], "MiB", must=500.0, better="lower")


def _values(days: list[date], seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    symbols = [f"{600000 + n}.SH" for n in range(SYMBOLS)]
    axes = {"date": np.repeat(np.array(days, dtype="datetime64[D]"), SYMBOLS), "symbol": symbols * len(days)}
    return pl.DataFrame(axes | {"value": rng.normal(size=len(days) * SYMBOLS)})


def _factor(home: Home, n: int) -> tuple[str, dict[str, str]]:
    with home.ledger.write() as db:
        user = User(nickname=f"researcher-{n}", created_at=home.clock.now())
        db.add(user)
        db.flush()
        _, key = create_key(db, user.id, "bench", home.clock.now())
        factor = open_factor(db, user, FactorTerms(name="bench", universe=FactorUniverse.HS300), home.clock.now())
    return factor.id, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def _json_bodies(values: pl.DataFrame) -> list[bytes]:
    days = values.partition_by("date", maintain_order=True)
    entries = [{"date": day["date"][0], "values": dict(day.select("symbol", "value").iter_rows())} for day in days]
    starts = range(0, len(entries), DATES_A_REQUEST)
    return [orjson.dumps({"data": entries[start : start + DATES_A_REQUEST]}) for start in starts]


def _parquet(values: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    values.write_parquet(buffer)
    return buffer.getvalue()


def _send(port: int, factor: str, headers: dict[str, str], bodies: list[bytes]) -> float:
    path = f"/api/v1/factors/{factor}/values"
    answers = asyncio.run(rush(port, [[request("POST", path, headers, body) for body in bodies]]))
    assert {answer.code for answer in answers} == {200}, answers[0].body
    return sum(answer.seconds for answer in answers)


def _peak_mib() -> float:
    """Most memory that any process of ours ever had resident."""
    found = []
    for child in psutil.Process().children(recursive=True):
        status = Path(f"/proc/{child.pid}/status").read_text()
        found += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(found)


if __name__ == "__main__":
    main()
