"""The plan of a soak: a made-up market and, session by session, all that researchers send. The seed decides everything.

The disturbed run and the undisturbed one follow the same plan, however far they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from countersign.domain.market.simulation import SampleMarket, simulate
from countersign.domain.sessions import at
from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.store.sessions import load_sessions

FIRST, SESSIONS, HISTORY = date(2024, 1, 8), 400, 24
SYMBOLS = 60
# So many strategies there are at first and at most; another is opened every other session.
FIRST_STRATEGIES, MOST_STRATEGIES = 8, 16
MORNING, NOON, EVENING = time(8, 30), time(14, 0), time(19, 20)

Portfolio = dict[str, float]


@dataclass(frozen=True)
class Move:
    """A change of a strategy's status."""

    slug: str
    status: StrategyStatus


@dataclass(frozen=True)
class Day:
    """One session: strategies to open (their terms), to pause and to resume, and the portfolios of each half."""

    session: date
    opened: tuple[dict[str, Any], ...]
    moves: tuple[Move, ...]
    morning: dict[str, tuple[Portfolio, ...]]
    noon: dict[str, tuple[Portfolio, ...]]

    def at(self, wall_time: time) -> datetime:
        """Return a time of this day."""
        return at(self.session, wall_time)


class Plan:
    """Events of each session; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        days = load_sessions(Path()).days
        start = days.index(next(day for day in days if day >= FIRST))
        self.history = days[start - HISTORY : start]
        self.sessions: Sequence[date] = days[start : start + SESSIONS]

    @cached_property
    def market(self) -> SampleMarket:
        """The market of all sessions and of the history before them."""
        return simulate(SYMBOLS, [*self.history, *self.sessions], self.seed)

    @cached_property
    def symbols(self) -> list[str]:
        """The symbols that strategies trade: those that never leave, as no provider says what a delisted share is
        worth.
        """
        last = self.market.bars.filter(pl.col("session") == self.sessions[-1])
        leavers = self.market.instruments.filter(pl.col("delisted").is_not_null())["symbol"]
        return sorted(set(last["symbol"]) - set(leavers))

    def day(self, n: int) -> Day:
        """Draw the n-th session, from 0."""
        rng = Random(f"{self.seed}/{n}")
        count = self._opened_by(n)
        opened = range(self._opened_by(n - 1) if n else 0, count)
        moves, silent = self._moves(n)
        morning, noon = dict[str, tuple[Portfolio, ...]](), dict[str, tuple[Portfolio, ...]]()
        for number in range(count):
            terms = self._terms(number)
            slug = terms["slug"]
            if slug in silent or (number not in opened and rng.random() < 0.2):
                continue
            morning[slug] = self._portfolios(rng)
            if terms["execution_price"] == ExecutionPrice.CLOSE and rng.random() < 0.6:
                noon[slug] = self._portfolios(rng)
        return Day(self.sessions[n], tuple(map(self._terms, opened)), moves, morning, noon)

    def _opened_by(self, n: int) -> int:
        return min(FIRST_STRATEGIES + n // 2, MOST_STRATEGIES)

    def _moves(self, n: int) -> tuple[tuple[Move, ...], set[str]]:
        """Pause a strategy in the second session of every five, resume it in the fourth; who is paused is silent."""
        slug = self._terms(n // 5 % FIRST_STRATEGIES)["slug"]
        step = n % 5
        moves = {1: (Move(slug, StrategyStatus.PAUSED),), 3: (Move(slug, StrategyStatus.ACTIVE),)}
        return moves.get(step, ()), {slug} if step in {1, 2} else set()

    def _terms(self, number: int) -> dict[str, Any]:
        rng = Random(f"{self.seed}/terms/{number}")
        return {
            "slug": f"soak-{number:02}",
            "name": f"Soak {number}",
            "universe": str(rng.choice(list(Universe))),
            "execution_price": str(list(ExecutionPrice)[number % 2]),
            "holding_period": rng.choice((1, 1, 2)),
            "initial_capital": rng.choice((100_000, 1_000_000)),
        }

    def _portfolios(self, rng: Random) -> tuple[Portfolio, ...]:
        """Draw one portfolio or more, each different from the one before it; the last one counts."""
        return tuple(self._portfolio(rng) for _ in range(rng.choice((1, 1, 2, 3))))

    def _portfolio(self, rng: Random) -> Portfolio:
        chosen = sorted(rng.sample(self.symbols, rng.randint(1, 10)))
        return {symbol: round(rng.uniform(0.5, 1) / len(chosen), 4) for symbol in chosen}


def write_market(plan: Plan, folder: Path, sessions: int = SESSIONS) -> None:
    """Write the market as files that a stage imports: `bars-DAY.parquet` and `levels-DAY.parquet` a session.

    The history is in those of the day `history`; `bars.parquet` has everything, for `countersign verify --bars`.
    """
    folder.mkdir(parents=True)
    market = plan.market
    market.bars.write_parquet(folder / "bars.parquet")
    days = {"history": list(plan.history)} | {str(day): [day] for day in plan.sessions[:sessions]}
    for name, frame in (("bars", market.bars), ("levels", market.index_levels)):
        by_session = frame.partition_by("session", as_dict=True)
        for day, group in days.items():
            pl.concat([by_session[(each,)] for each in group]).write_parquet(folder / f"{name}-{day}.parquet")
    market.actions.write_parquet(folder / "actions.parquet")
