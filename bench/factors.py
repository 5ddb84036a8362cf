"""Factors: validation against 20 active ones, daily tracking, and portfolios' signals, from frames to figures.

Panels are normal values of which 3 % are missing, on random walks. The same work is done with plain pandas (wide
tables, `rank`, `corrwith`) on the same panels; alphalens-reloaded is given the values and closes, and computes ICs,
returns of quintiles and turnover alone: no decay, no correlations. In the large validation the other factors are read
from Parquet one after another, and pandas gets the first tenth of its sessions: its seconds count ten times, and its
name says so. That favours it: on the whole panel, which takes minutes, it was three times slower than that.
"""

import math
import resource
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from datetime import date, timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from bench.report import figure, seconds
from countersign.domain.factors.panel import rank_values
from countersign.domain.factors.tracking import os_means, track
from countersign.domain.factors.validation import evaluate_factor
from countersign.domain.portfolios.multi_factor import combine

OTHERS, RUNS, MISSING = 20, 5, 0.03
# Of the large panel's sessions pandas gets one in so many.
TENTH = 10
SMALL, LARGE = (300, 1250), (2000, 2500)


class World(NamedTuple):
    """Long frames: a factor's values, closes, members of the universe; and the calendar."""

    values: pl.DataFrame
    closes: pl.DataFrame
    members: pl.DataFrame
    sessions: list[date]


def days(count: int) -> list[date]:
    """So many days, all of them sessions."""
    return [date(2015, 1, 1) + timedelta(day) for day in range(count)]


def make_values(symbols: int, sessions: int, seed: int, missing: float = MISSING) -> pl.DataFrame:
    """A factor's values: session, symbol, value."""
    rng = np.random.default_rng(seed)
    t, s = np.nonzero(rng.random((sessions, symbols)) >= missing)
    names = pl.Series([f"{600000 + place:06}.SH" for place in range(symbols)])
    return pl.DataFrame(
        {"session": pl.Series(days(sessions)).gather(t), "symbol": names.gather(s), "value": rng.normal(size=t.size)}
    )


def make_world(symbols: int, sessions: int) -> World:
    """A factor of its own, and the market it is measured on."""
    steps = make_values(symbols, sessions + 6, 1, missing=0.0)
    closes = steps.select("session", "symbol", close=(0.02 * pl.col("value")).cum_sum().over("symbol").exp())
    members = closes.select("session", "symbol")
    return World(make_values(symbols, sessions, 2), closes, members, days(sessions + 6))


class Files(Mapping[str, pl.DataFrame]):
    """Factors in Parquet files, read when they are asked for."""

    def __init__(self, folder: Path, symbols: int, sessions: int) -> None:
        self.paths = {f"f{place:02}": folder / f"{place}.parquet" for place in range(OTHERS)}
        for seed, path in enumerate(self.paths.values()):
            make_values(symbols, sessions, 100 + seed).write_parquet(path)

    def __getitem__(self, name: str) -> pl.DataFrame:
        """Read one factor's values."""
        return pl.read_parquet(self.paths[name])

    def __iter__(self) -> Iterator[str]:
        """Names, ascending."""
        return iter(self.paths)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)


def validate(world: World, others: Mapping[str, Any]) -> Any:
    """The product's validation."""
    return evaluate_factor(world.values, world.closes, world.members, others, world.sessions)


def spearman(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Correlation of ranks of each row, over the columns that both have."""
    both = ours.notna() & theirs.notna()
    return ours.where(both).rank(axis=1).corrwith(theirs.where(both).rank(axis=1), axis=1)


def wide(frame: pl.DataFrame | pd.DataFrame, column: str) -> pd.DataFrame:
    """Sessions × symbols."""
    table = frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()
    return table.pivot(index="session", columns="symbol", values=column)


def pandas_validate(values: pd.DataFrame, closes: pd.DataFrame, others: Mapping[str, Any]) -> float:
    """The same figures with pandas; returns the mean IC."""
    f, c = wide(values, "value"), wide(closes, "close")
    decay = [spearman(f, (c.shift(-k - 1) / c.shift(-k) - 1).reindex(f.index)) for k in range(1, 6)]
    r = (c.shift(-2) / c.shift(-1) - 1).reindex(f.index)
    both = f.where(r.notna())
    quintile = np.ceil(5 * both.rank(axis=1).div(both.notna().sum(axis=1), axis=0))
    means = pd.concat([r.where(quintile == q).mean(axis=1) for q in range(1, 6)], axis=1)
    ls = means[4] - means[0]
    own = pd.DataFrame(np.ceil(5 * f.rank(axis=1).div(f.notna().sum(axis=1), axis=0)))
    shares = [((own == q) & (own.shift() != q)).sum(axis=1) / (own == q).sum(axis=1) for q in (1, 5)]
    turnover = float(((shares[0] + shares[1]) / 2)[1:].mean())
    sharpe = ls.mean() / ls.std() * math.sqrt(252)
    found = {name: spearman(f, wide(others[name], "value")).mean() for name in others}
    assert len(found) == OTHERS
    assert not math.isnan(sharpe * math.sqrt(abs(ls.mean() * 252) / max(turnover, 0.02)))
    assert all(math.isfinite(series.mean()) for series in decay)
    return float(decay[0].mean())


def alphalens_validate(values: pl.DataFrame, closes: pl.DataFrame) -> float:
    """Alphalens' figures of it; prices are dated a session early, which makes its delay ours."""
    from alphalens import performance, utils  # noqa: PLC0415 - a peer, not needed without it

    factor = values.to_pandas().astype({"session": "datetime64[ns]"}).set_index(["session", "symbol"])["value"]
    prices = wide(closes, "close")
    prices.index = pd.DatetimeIndex(prices.index)
    moved = prices.shift(-1).iloc[:-1]
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        data = utils.get_clean_factor_and_forward_returns(factor, moved, quantiles=5, periods=(1,), max_loss=1)
        ic = performance.factor_information_coefficient(data)
        performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
        for quintile in (1, 5):
            performance.quantile_turnover(data["factor_quantile"], quintile)
    return float(ic.iloc[:, 0].mean())


def once(work: Any) -> tuple[list[float], Any]:
    """Return the seconds of one run, and its result."""
    start = perf_counter()
    result = work()
    return [perf_counter() - start], result


def first_sessions(world: World, others: Mapping[str, Any], count: int) -> tuple[World, Mapping[str, Any]]:
    """The same panel, cut after so many sessions; closes go on for as long as the decay looks ahead."""
    early = pl.col("session") < world.sessions[count]
    ahead = pl.col("session") < world.sessions[count + 6]
    cut = World(world.values.filter(early), world.closes.filter(ahead), world.members, world.sessions)
    return cut, {name: others[name].filter(early) for name in others}


def validation(symbols: int, sessions: int, must: float, folder: Path | None) -> None:
    """Ours first, so that its peak memory is its own; all must find the same mean IC."""
    title = f"factor validation, {symbols} symbols x {sessions} sessions against {OTHERS}"
    world = make_world(symbols, sessions)
    if folder is None:
        others: Mapping[str, Any] = {f"f{i:02}": make_values(symbols, sessions, 100 + i) for i in range(OTHERS)}
        runs = seconds(lambda: validate(world, others), RUNS)
        ranked = {name: rank_values(frame) for name, frame in others.items()}
        kept = seconds(lambda: validate(world, ranked), RUNS)
        figure(f"{title}, their ranks kept", kept, "s", must=must, better="lower")
    else:
        others = Files(folder, symbols, sessions)
        runs = [once(lambda: validate(world, others))[0][0] for _ in range(3)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figure(f"{title}, peak memory", [peak], "MiB", must=3 * 1024, better="lower")
    part, times, scaled = world, 1, ""
    if folder is not None:
        part, others = first_sessions(world, others, sessions // TENTH)
        times, scaled = TENTH, f", {sessions // TENTH} sessions x {TENTH}"
    tables = part.values.to_pandas(), part.closes.to_pandas()
    theirs, found = once(lambda: pandas_validate(*tables, others))
    assert abs(found - validate(part, {}).ic_mean) < 1e-9
    peer = f"pandas {pd.__version__}{scaled}"
    figure(title, runs, "s", must=must, better="lower", peer=peer, peer_runs=[times * theirs[0]])
    if find_spec("alphalens") is None:
        print("peer alphalens-reloaded is missing", file=sys.stderr)
        return
    theirs, found = once(lambda: alphalens_validate(world.values, world.closes))
    assert abs(found - validate(world, {}).ic_mean) < 1e-9
    peer = f"alphalens-reloaded {version('alphalens-reloaded')}, no correlations, no decay"
    figure(title, runs, "s", must=must, better="lower", peer=peer, peer_runs=theirs)


def named(values: pl.DataFrame) -> pl.DataFrame:
    """Take the sessions of a factor for so many factors of one session."""
    start = date(2015, 1, 1)
    name = pl.format("factor-{}", (pl.col("session") - start).dt.total_days().cast(pl.String).str.zfill(4))
    return values.select("symbol", "value", factor=name)


def tracking(factors: int = 1000, symbols: int = 500) -> None:
    """A session of every active factor, and the means of their last 120 sessions."""
    values = named(make_values(symbols, factors, 3))
    returns = make_values(symbols, 1, 4, missing=0.0).select("symbol", forward_return=0.02 * pl.col("value"))
    history = named(make_values(150, factors, 5)).rename({"value": "ic"})
    history = history.with_columns(
        session=date(2026, 1, 1) + pl.duration(days=pl.col("symbol").str.slice(0, 6).cast(pl.Int64) - 600000),
        in_time=pl.lit(value=True),
    )
    activated = history.select("factor").unique().with_columns(activated=pl.lit(date(2025, 1, 1)))
    session = date(2026, 6, 1)

    def ours() -> pl.DataFrame:
        os_means(history, activated)
        return track(session, values, returns)

    tables = values.to_pandas(), returns.to_pandas()

    def plain() -> pd.Series:
        both = tables[0].merge(tables[1], on="symbol")
        return both.groupby("factor").apply(lambda own: own["value"].corr(own["forward_return"], method="spearman"))

    runs = seconds(ours, RUNS)
    theirs, found = once(plain)
    assert np.allclose(found.to_numpy(), ours()["ic"].to_numpy(), atol=1e-12)
    title = f"factor tracking, {factors} factors x {symbols} symbols"
    peer = f"pandas {pd.__version__}, without the means"
    figure(title, runs, "s", must=20, better="lower", peer=peer, peer_runs=theirs)


def signals(portfolios: int = 500, members: int = 5, symbols: int = 500, top_n: int = 50) -> None:
    """Signals of portfolios that share no factor."""
    session, count = date(2026, 6, 1), portfolios * members
    values = named(make_values(symbols, count, 6)).with_columns(session=date(2026, 5, 31))
    names = values["factor"].unique().sort()
    owners = [f"portfolio-{place // members:03}" for place in range(count)]
    rng = np.random.default_rng(7)
    inputs = {
        "portfolios": pl.DataFrame({"portfolio": sorted(set(owners))}).with_columns(
            weighting=pl.lit("ic_weighted"), top_n=pl.lit(top_n, pl.Int64)
        ),
        "members": pl.DataFrame({"portfolio": owners, "factor": names}),
        "factors": pl.DataFrame({"factor": names, "ic_mean": rng.normal(size=count), "ic_ir": rng.normal(size=count)}),
    }
    calendar = [date(2026, 5, 31), session]

    def ours() -> pl.DataFrame:
        return combine(session, **inputs, values=values, sessions=calendar).weights

    table = values.to_pandas()
    of_factor = inputs["factors"].to_pandas().set_index("factor")
    of_portfolio = inputs["members"].to_pandas().groupby("portfolio")["factor"].apply(list)

    def plain() -> dict[str, list[str]]:
        z = table.pivot(index="symbol", columns="factor", values="value").pipe(lambda f: (f - f.mean()) / f.std())
        chosen = {}
        for portfolio, own in of_portfolio.items():
            share = of_factor.loc[own, "ic_ir"].abs() * np.sign(of_factor.loc[own, "ic_mean"])
            score = (z[own] * share / share.abs().sum()).sum(axis=1, skipna=False).dropna()
            best = score.reset_index(name="score").sort_values(["score", "symbol"], ascending=[False, True])
            chosen[str(portfolio)] = sorted(best["symbol"][:top_n])
        return chosen

    runs = seconds(ours, RUNS)
    theirs, found = once(plain)
    assert dict(ours().group_by("portfolio").agg(pl.col("symbol").sort()).iter_rows()) == found
    title = f"signals of {portfolios} portfolios of {members} factors x {symbols} symbols"
    figure(title, runs, "s", must=5, better="lower", peer=f"pandas {pd.__version__}", peer_runs=theirs)


def main() -> None:
    """The large validation comes first, for its peak of memory; it compiles or loads the kernel as well."""
    with tempfile.TemporaryDirectory() as folder:
        validation(*LARGE, must=10, folder=Path(folder))
    validation(*SMALL, must=0.4, folder=None)
    tracking()
    signals()


if __name__ == "__main__":
    main()
