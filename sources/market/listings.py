"""Tables of instruments as providers have them, with old codes and impossible rows."""

import polars as pl

from countersign.domain.market.instruments import is_taken
from countersign.domain.market.listings import ends_too_early


def sound_listings(listings: pl.DataFrame) -> pl.DataFrame:
    """Keep one row for each share or fund, the last one (symbol, name, listed, delisted; dates of type Date).

    A row whose listing ends before it begins is left out: one of them must not keep out thousands of others.
    """
    sound = listings.filter(is_taken(listings.get_column("symbol"))).filter(~ends_too_early())
    return sound.unique("symbol", keep="last", maintain_order=True)
