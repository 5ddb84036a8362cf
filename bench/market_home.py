"""Homes for benchmarks: the real market where it lies beside the checkout, the sample market elsewhere."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from countersign.models.datasets import BARS
from countersign.services.market.imports import import_bars, import_index, simulate_market
from countersign.store.clock import wall_clock
from countersign.store.home import Home

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "market"
NAMES = 50


def market_home(folder: Path) -> tuple[Home, str]:
    """Make a home with a market in `folder`; return it and the market's name."""
    home = Home(folder, f"sqlite:///{folder / 'ledger.db'}", folder / "lake", "simulated")
    home.create()
    bars, levels = SHARED / "bars_csi800_2018_2026.parquet", SHARED / "index_levels_2018_2026.parquet"
    if bars.exists():
        import_bars(home, bars, wall_clock())
        import_index(home, levels, wall_clock())
        return home, "real market"
    simulate_market(home, wall_clock())
    return home, "sample market"


def environment(home: Home) -> dict[str, str]:
    """Return the environment of a command that works on the home."""
    return os.environ | {"COUNTERSIGN_HOME": str(home.path), "COUNTERSIGN_CLOCK": "simulated"}


def write_strategies(home: Home, strategies: int, sessions: list[date], folder: Path) -> tuple[Path, Path]:
    """Write the files that `replay` takes: strategies, and for each a signal of 50 names in every session.

    The names are those of the largest score, which for each strategy and symbol is a fixed random number and a little
    noise a session: portfolios that change in part from one session to the next, as real ones do. Seeded.
    """
    slugs = [f"bench-{n:05d}" for n in range(strategies)]
    terms = pl.DataFrame(
        {
            "slug": slugs,
            "holding_period": [1 + n % 10 for n in range(strategies)],
            "execution_price": ["close" if n % 5 == 0 else "open" for n in range(strategies)],
            "initial_capital": [1_000_000 if n % 3 else 100_000_000 for n in range(strategies)],
        }
    )
    paths = folder / "strategies.parquet", folder / "signals.parquet"
    terms.write_parquet(paths[0])
    generator = np.random.default_rng(20)
    symbols = home.lake.scan(BARS, sessions[0], sessions[-1]).select(pl.col("symbol").unique().sort()).collect()
    taste = generator.standard_normal((strategies, symbols.height), dtype=np.float32)
    weight = np.round(np.linspace(0.03, 0.009, NAMES), 4)
    names, writer = symbols["symbol"], None
    for session in sessions:
        noise = generator.standard_normal(symbols.height, dtype=np.float32)
        listed = names.is_in(home.lake.read(BARS, session)["symbol"].implode()).to_numpy()
        score = np.where(listed, taste + np.float32(0.5) * noise, np.float32(-9))
        chosen = np.argpartition(-score, NAMES, axis=1)[:, :NAMES]
        table = pl.DataFrame(
            {
                "strategy": np.repeat(slugs, NAMES),
                "session": pl.repeat(session, strategies * NAMES, dtype=pl.Date, eager=True),
                "symbol": names.gather(pl.Series(chosen.ravel())),
                "weight": np.tile(weight, strategies),
            }
        ).to_arrow()
        writer = writer or pq.ParquetWriter(paths[1], table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return paths
