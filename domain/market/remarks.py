"""Remarks on imported bars: doubts that do not refuse an import, since prices alone cannot decide them.

They are on the newest session of the file alone, since a fault of a source shows in that one, too.
"""

import polars as pl

from countersign.domain.market.quality_rules import TRADABLE, repeated_bars, units

NO_FACTORS = "no adj_factor and no corporate actions: dividends and splits will pass for losses"
# Bars whose amount does not fit their volume say something of the file where they are many.
MOST_UNFIT = 0.5


def remarks_on(bars: pl.DataFrame, before: pl.DataFrame, *, has_actions: bool) -> list[str]:
    """Make the remarks on `bars` (models.datasets.BARS, sorted by session).

    `before` are the bars of the session before the newest one, where they are known; `has_actions` is whether any
    corporate action is.
    """
    newest = bars.filter(pl.col("session") == bars["session"][-1])
    said = []
    if not has_actions and bars["adj_factor"].null_count() == bars.height:
        said.append(NO_FACTORS)
    known = newest.filter(TRADABLE & (pl.col("amount") > 0))
    unfit = known.filter(units()).height
    if unfit > MOST_UNFIT * known.height:
        ratio = known.select((pl.col("amount") / pl.col("volume") / pl.col("close")).median()).item()
        said.append(
            f"amount / volume is {ratio:.3g} times the price: volume is wanted in shares (not lots) and amount in CNY"
            " (not thousands)"
        )
    finding = repeated_bars(newest, before)
    if finding:
        said.append(f"{newest['session'][0]}: {finding.detail}; settlement will be held")
    return said
