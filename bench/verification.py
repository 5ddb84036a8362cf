"""Verification of a year of 100 strategies: a clone with 25,000 seals and as many reveals of 50 names, 250 sessions.

The journal is made as the product makes it, four seals' commits and one reveal's a session, and cloned with git. The
command's own time is measured in a process of its own, imports included, with bars and without.
"""

import os
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from bench.report import figure
from countersign.domain.attestation.records import (
    reveal_path,
    reveal_record,
    seal_path,
    seal_record,
    settled_path,
    settled_record,
    terms_path,
    terms_record,
)
from countersign.domain.market.quotes import ACTIONS_SCHEMA
from countersign.domain.market.rules import rules_sha256
from countersign.domain.market.simulation import simulate
from countersign.domain.provenance import frame_sha256, object_sha256
from countersign.domain.sessions import CLOSE, at, deadline
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, TERMS_SCHEMA
from countersign.domain.settlement.engine import settle
from countersign.domain.settlement.marks import newest_marks, next_marks
from countersign.domain.signals.payload import encode_portfolios, payload, signal_hash
from countersign.models.datasets import NAV, POSITIONS
from countersign.store.journal.journal import Journal, Writer
from countersign.store.sessions import load_sessions

STRATEGIES, SESSIONS, NAMES, SYMBOLS, COMMITS, RUNS = 100, 250, 50, 800, 4, 5
FIRST = date(2025, 1, 2)
SALT = "00112233445566778899aabbccddeeff"
SLUGS = [f"strategy-{n:03}" for n in range(STRATEGIES)]
TERMS: dict[str, Any] = {
    "universe": "hs300",
    "execution_price": "open",
    "holding_period": 1,
    "initial_capital": 1_000_000,
    "commission_rate": 0.0003,
    "slippage_rate": 0.002,
}


def make_journal(folder: Path) -> tuple[Path, Path]:
    """Make the journal, clone it; return the clone and the file of bars."""
    days = load_sessions(folder).days
    start = days.index(FIRST)
    market = simulate(SYMBOLS, days[start - 5 : start + SESSIONS], 7)
    bars = folder / "bars.parquet"
    market.bars.write_parquet(bars)
    journal = Journal(folder / "journal", folder)
    journal.create()
    with journal.writing() as writer:
        write_year(writer, days[start : start + SESSIONS], market.bars)
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", f"file://{journal.path}", str(clone)], check=True)
    return clone, bars


def write_year(writer: Writer, sessions: tuple[date, ...], bars: pl.DataFrame) -> None:
    """Seal, settle and reveal, session by session."""
    rng = np.random.default_rng(1)
    books, holdings = pl.DataFrame(schema=NAV.schema), pl.DataFrame(schema=POSITIONS.schema)
    earlier = bars.lazy().filter(pl.col("session") < sessions[0])
    marks, previous, manifest_sha256 = newest_marks(earlier).collect(), dict.fromkeys(SLUGS, ""), ""
    terms = pl.DataFrame([(slug, *TERMS.values(), False) for slug in SLUGS], schema=TERMS_SCHEMA, orient="row")
    for session in sessions:
        here = bars.filter(pl.col("session") == session)
        signals = draw_signals(rng, here["symbol"])
        received = deadline(session, "open") - timedelta(minutes=10)
        seals, reveals = dict[str, dict[str, bytes]](), dict[str, bytes]()
        for slug, portfolio, count in encode_portfolios(signals).iter_rows():
            sealed = payload(slug, session, 1, SALT, portfolio)
            hashed = signal_hash(sealed)
            seals[slug] = {
                seal_path(slug, session, 1): seal_record(
                    strategy=slug,
                    session=session,
                    revision=1,
                    signal_hash=hashed,
                    symbols_count=count,
                    universe="hs300",
                    execution_price="open",
                    received_at=received,
                    deadline=deadline(session, "open"),
                    previous=previous[slug],
                    simulated=False,
                )
            }
            if not previous[slug]:
                seals[slug][terms_path(slug)] = terms_record(strategy=slug, created_at=received, **TERMS)
            reveals[reveal_path(slug, session, 1)] = reveal_record(sealed, hashed)
            previous[slug] = hashed
        for n in range(COMMITS):
            files = {path: record for slug in SLUGS[n::COMMITS] for path, record in seals[slug].items()}
            writer.add(files, f"seal {len(files)} signals", received + timedelta(seconds=n))
        settled = settle(
            session,
            terms=terms,
            books=books,
            holdings=holdings,
            signals=signals,
            bars=here,
            marks=marks,
            actions=pl.DataFrame(schema=ACTIONS_SCHEMA),
            benchmarks=pl.DataFrame(schema=BENCHMARKS_SCHEMA),
        )
        books, holdings, marks = settled.nav, settled.positions, next_marks(session, marks, here)
        inputs = {"bars": frame_sha256(here), "rules": rules_sha256(session), "previous": manifest_sha256}
        manifest = {"session": str(session), "version": 1, "inputs": inputs}
        manifest_sha256 = object_sha256(manifest)
        settled_at = at(session, CLOSE) + timedelta(hours=3)
        reveals[settled_path(session, 1)] = settled_record(
            session=session,
            version=1,
            simulated=False,
            settled_at=settled_at,
            bars_sha256=inputs["bars"],
            rules_sha256=inputs["rules"],
            manifest=manifest,
            manifest_sha256=manifest_sha256,
            actions=pl.DataFrame(schema=ACTIONS_SCHEMA),
            nav=settled.nav,
            paused=(),
            orders=settled.orders,
            positions=settled.positions,
        )
        writer.add(reveals, f"reveal {session}", settled_at)
        writer.compact()


def draw_signals(rng: np.random.Generator, symbols: pl.Series) -> pl.DataFrame:
    """A portfolio of 50 names for each strategy."""
    chosen = [rng.choice(symbols.len(), NAMES, replace=False) for _ in SLUGS]
    weight = np.round(np.linspace(0.03, 0.009, NAMES), 4)
    return pl.DataFrame(
        {
            "strategy": np.repeat(SLUGS, NAMES),
            "symbol": symbols.gather(np.concatenate(chosen)),
            "weight": np.tile(weight, STRATEGIES),
        },
        schema=SIGNALS_SCHEMA,
    )


def run(*arguments: str) -> float:
    """Verify in a process of its own; return its seconds."""
    code = (
        "import sys; from pathlib import Path; from countersign.services.verification.verify import verify_journal\n"
        "from countersign.services.verification.text import render_report\n"
        "bars = Path(sys.argv[2]) if len(sys.argv) > 2 else None\n"
        "report = verify_journal(Path(sys.argv[1]), bars=bars)\n"
        "print(render_report(report), file=sys.stderr)\n"
        "sys.exit(not report.holds)\n"
    )
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=os.environ | {"PYTHONPATH": os.getcwd()})
    return perf_counter() - start


def main() -> None:
    """Print the time of verifying a clone, with bars and without."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        clone, bars = make_journal(Path(name))
        title = f"verify {STRATEGIES} strategies x {SESSIONS} sessions"
        figure(title, [run(str(clone)) for _ in range(RUNS)], "s", must=10, better="lower")
        replayed = [run(str(clone), str(bars)) for _ in range(RUNS)]
        figure(f"{title}, every settlement again", replayed, "s", must=10, better="lower")


if __name__ == "__main__":
    main()
