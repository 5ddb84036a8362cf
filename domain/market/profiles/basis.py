"""Price basis: raw or adjusted prices, told by a file's content, and raw prices made of adjusted ones.

Settlement needs raw prices: with adjusted ones dividends would be counted twice and every price limit be wrong. Three
pieces of evidence count. Raw prices lie on whole ticks (0.01 CNY, funds 0.001). Where the factor rises by a dividend or
a split, a raw price falls and an adjusted one goes on. And an exchange's limits are its reference price ± a known
percentage, rounded to the tick, which holds for raw prices alone.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from countersign.domain.market.instruments import board_expr
from countersign.domain.market.profiles.layouts import Basis
from countersign.models.errors import InputError

ADJUSTABLE: Final = ("open", "high", "low", "close", "limit_up", "limit_down")
WHY_RAW: Final = "dividends would be counted twice and price limits be wrong"
# Error of Float32 on a price, as a fraction of it.
NOISE: Final = 5e-7
# Largest distance from the tick, in ticks, of a price that was adjusted, rounded, and divided again.
REACH: Final = 0.2
NEARLY_ALL: Final = 0.995
# Opens stray by this much (as a logarithm) from the close before; an event says no more than CLIP, and from DECISIVE
# on the odds are 100 to 1.
STRAY: Final = 0.015
CLIP: Final = 6.0
DECISIVE: Final = 4.6
LIMITS: Final = (0.05, 0.1, 0.2, 0.3)
LIMIT_ROWS: Final = 20


def _ticks(bars: pl.DataFrame) -> pl.Expr:
    """Ticks in one CNY, row by row: 1,000 for funds, 100 for shares."""
    symbols = bars.get_column("symbol").unique()
    funds = symbols.filter(symbols.to_frame().select(board_expr(pl.col("symbol")) == "fund").to_series())
    return pl.when(pl.col("symbol").is_in(funds.implode())).then(1000.0).otherwise(100.0)


@dataclass(frozen=True)
class Prices:
    """Bars with raw prices, and the evidence for it.

    `undone`: the prices were adjusted before. `told`: the content shows it, not the tool's habit alone.
    """

    bars: pl.DataFrame
    remark: str
    undone: bool = False
    told: bool = True


def to_raw(bars: pl.DataFrame, basis: Basis) -> Prices:
    """Return `bars` with raw prices; those that were adjusted are divided by the factor and brought to whole ticks.

    `bars` has symbol, session, open, high, low, close, and maybe adj_factor, limit_up, limit_down, pre_close. `basis`
    is the tool's habit. InputError where prices are adjusted and the factor does not undo it, and where the content
    does not show it. adj_factor becomes null where it says nothing.
    """
    if "adj_factor" not in bars.columns or bars.get_column("adj_factor").null_count() == bars.height:
        return _without_factor(bars, basis)
    events = bars.filter((pl.col("adj_factor") - 1).abs() > 1e-9, pl.col("close") > 0)
    if events.is_empty():
        remark = "prices: raw, for the factor is 1 throughout"
        if basis is not Basis.UNSAID:
            return Prices(bars, remark)
        blank = bars.with_columns(adj_factor=pl.lit(None, pl.Float64))
        return Prices(blank, f"{remark}; it says nothing of dividends and is left out")
    raw_ticks = _share_on_ticks(events, pl.lit(1.0), 0.0)
    undone_ticks = _share_on_ticks(events, pl.col("adj_factor"), REACH)
    jumps = _evidence_of_jumps(bars)
    if raw_ticks < NEARLY_ALL <= undone_ticks or (undone_ticks >= NEARLY_ALL and jumps <= -DECISIVE):
        since = "; it counts from the day of the download, so import a whole history from one" * (basis is Basis.UNSAID)
        remark = f"prices: adjusted; price / factor is the raw price, brought to the tick{since}"
        return Prices(_undo(bars), remark, undone=True)
    if raw_ticks >= NEARLY_ALL and jumps <= -DECISIVE:
        got = "adjusted prices that were rounded afterwards, so that price / factor is off the tick"
        raise InputError("close", f"raw prices, or adjusted ones with all their digits ({WHY_RAW})", got)
    if raw_ticks >= NEARLY_ALL and (jumps >= DECISIVE or basis is Basis.RAW):
        return Prices(bars, "prices: raw, on whole ticks; the factor is kept as it is", told=jumps >= DECISIVE)
    if raw_ticks >= NEARLY_ALL:
        raise _untold("the factor changes too little to show whether prices contain it (fetch them unadjusted)")
    got = f"{1 - raw_ticks:.0%} of prices off the tick, and {1 - undone_ticks:.0%} of price / factor too"
    raise InputError("close", f"raw prices, or adjusted ones with their own factor ({WHY_RAW})", got)


def _without_factor(bars: pl.DataFrame, basis: Basis) -> Prices:
    if basis is Basis.ADJUSTED:
        raise InputError("factor", f"the factor of adjusted prices, to make them raw ({WHY_RAW})", "none")
    if basis is Basis.RAW:
        return Prices(bars, "prices: taken as raw, for nothing speaks of adjustment", told=False)
    exact, off = _evidence_of_limits(bars)
    if off:
        got = f"{off} limits that are no {'/'.join(f'{limit:.0%}' for limit in LIMITS)} of pre_close"
        raise InputError("close", f"raw prices, or adjusted ones with their factor ({WHY_RAW})", got)
    if exact < LIMIT_ROWS:
        raise _untold("there is no factor, and too few limits beside pre_close (fetch it with fq=None and the factor)")
    return Prices(bars, f"prices: raw, for {exact:,} limits are those of pre_close to the tick")


def _untold(why: str) -> InputError:
    expected = f"a file that shows whether its prices are raw ({WHY_RAW})"
    return InputError("close", expected, f"one of which it cannot be told: {why}")


def _share_on_ticks(bars: pl.DataFrame, divisor: pl.Expr, reach: float) -> float:
    """The share of open, high, low and close that, divided, lie within noise, and `reach` ticks, of a whole tick."""
    ticks = _ticks(bars)
    raw = [pl.col(name) / divisor * ticks for name in ADJUSTABLE[:4]]
    near = [(price - price.round()).abs() <= reach + price * NOISE + 1e-6 for price in raw]
    shares = bars.select(near).unpivot().get_column("value").mean()
    return float(shares) if isinstance(shares, float) else 0.0


def _evidence_of_jumps(bars: pl.DataFrame) -> float:
    """Log-likelihood by which raw prices explain opens where the factor changes better than adjusted ones do."""
    ordered = bars.filter(pl.col("close") > 0, pl.col("open") > 0, pl.col("adj_factor") > 0).sort("symbol", "session")
    rise = (pl.col("adj_factor") / pl.col("adj_factor").shift(1)).log()
    move = (pl.col("open") / pl.col("close").shift(1)).log()
    weight = ((move**2 - (move + rise) ** 2) / (2 * STRAY**2)).clip(-CLIP, CLIP)
    event = (pl.col("symbol") == pl.col("symbol").shift(1)) & (rise.abs() > 0.003)
    return float(ordered.select(weight.filter(event).sum()).item() or 0.0)


def _evidence_of_limits(bars: pl.DataFrame) -> tuple[int, int]:
    """Counts of upper limits that are a known percentage of pre_close to the tick, and of those only nearly so."""
    if not {"limit_up", "pre_close"} <= set(bars.columns):
        return 0, 0
    ticks = _ticks(bars)
    rows = bars.filter(pl.col("limit_up") > 0, pl.col("pre_close") > 0)
    distances = [
        pl.col("limit_up") * ticks - (pl.col("pre_close") * (1 + limit) * ticks + 0.5 + 1e-6).floor()
        for limit in LIMITS
    ]
    nearest = pl.min_horizontal(distance.abs() for distance in distances)
    rise = pl.col("limit_up") / pl.col("pre_close") - 1
    close_by = pl.any_horizontal((rise - limit).abs() < 0.01 for limit in LIMITS)
    exact = nearest < 0.01
    counts = rows.select(exact.sum().alias("exact"), (~exact & close_by).sum().alias("off")).row(0)
    return int(counts[0]), int(counts[1])


def _undo(bars: pl.DataFrame) -> pl.DataFrame:
    """Divide prices by the factor and bring them to the tick; InputError for one that is further off than REACH."""
    ticks = _ticks(bars)
    names = [name for name in ADJUSTABLE if name in bars.columns]
    lacking = bars.filter(pl.col("close").is_not_null(), pl.col("adj_factor").is_null())
    if lacking.height:
        symbol, session = lacking.select("symbol", "session").row(0)
        raise InputError("adj_factor", "a factor for every adjusted price", f"none for {symbol} on {session}")
    exact = bars.with_columns(pl.col(name) / pl.col("adj_factor") * ticks for name in names)
    for name in ADJUSTABLE[:4]:
        raw = exact.get_column(name)
        off = ((raw - raw.round()).abs() > REACH + raw * NOISE + 1e-6).fill_null(value=False)
        if off.any():
            row = bars.row(off.arg_true()[0], named=True)
            got = f"{row[name]!r} / {row['adj_factor']!r} for {row['symbol']} on {row['session']}"
            raise InputError(name, "a price that its factor brings to a whole tick", got)
    # Once more to the decimals, since a division by a constant may be a multiplication that misses by the last bit.
    return exact.with_columns((pl.col(name).round() / ticks).round(3) for name in names)
