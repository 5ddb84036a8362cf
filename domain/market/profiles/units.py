"""Units by content: the average price that amount and volume make lies between a session's low and high.

It does where prices are raw and both are in the units that they are taken for. Where it lies a power of ten away, the
unit is another one; where it lies anywhere else, the prices are adjusted and volume and amount are not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

SLACK: Final = 0.002
# Of 1.9 million real rows none misses; the same prices adjusted forward miss in four rows of ten within 16 months.
LEAST_SHARE: Final = 0.98
# A symbol is judged for itself from this number of rows on.
SYMBOL_ROWS: Final = 20
SYMBOL_SHARE: Final = 0.95
POWERS: Final = tuple(power for power in range(-8, 9) if power)


@dataclass(frozen=True)
class Averages:
    """Counts of rows checked and of those whose average price lies within low..high; the first symbol that misses."""

    checked: int
    within: int
    symbol: str | None
    traded: pl.DataFrame

    @property
    def power(self) -> int | None:
        """The power of ten by which the average price misses in nearly every row, None without one."""
        counts = self.traded.select(_within(power).sum().alias(str(power)) for power in POWERS)
        powers = [power for power in POWERS if counts.item(0, str(power)) >= LEAST_SHARE * self.checked]
        return powers[0] if len(powers) == 1 else None

    @property
    def fits(self) -> bool:
        """Whether the units are right and the prices raw, as far as can be seen."""
        return self.checked > 0 and self.within >= LEAST_SHARE * self.checked and self.symbol is None


def averages(bars: pl.DataFrame, volume_step: float = 1.0, amount_step: float = 1.0) -> Averages:
    """Compare amount / volume with low..high, row by row and symbol by symbol.

    `bars` has symbol, low, high, volume (shares) and amount (CNY); the steps are those of the source, in shares and
    CNY, to which it has been rounded.
    """
    traded = bars.filter(
        pl.col("volume") > 0, pl.col("amount") > 0, pl.col("low") > 0, pl.col("high") > 0
    ).with_columns(slack=SLACK + volume_step / pl.col("volume") / 2 + amount_step / pl.col("amount") / 100)
    checks = traded.select("symbol", _within(0).alias("within"))
    missing = (
        checks.group_by("symbol")
        .agg(pl.len(), pl.col("within").mean())
        .filter((pl.col("len") >= SYMBOL_ROWS) & (pl.col("within") < SYMBOL_SHARE))
        .get_column("symbol")
        .sort()
    )
    within = int(checks.get_column("within").sum())
    return Averages(traded.height, within, missing[0] if missing.len() else None, traded)


def fitting_units(bars: pl.DataFrame, volumes: Iterable[float], amounts: Iterable[float]) -> list[tuple[float, float]]:
    """The pairs of units, in shares and CNY, with which volume and amount of `bars` fit the prices."""
    volume, amount = pl.col("volume"), pl.col("amount")
    return [
        (shares, cny)
        for shares in volumes
        for cny in amounts
        if averages(bars.with_columns(volume * shares, amount * cny), shares, cny).fits
    ]


def _within(power: int) -> pl.Expr:
    average = pl.col("amount") / pl.col("volume") / 10.0**power
    slack = pl.col("slack")
    return average.is_between(pl.col("low") * (1 - slack), pl.col("high") * (1 + slack))
