"""Market data providers: one interface to every source of a session's bars and index levels.

A provider answers in its own rows under our column names; the caller normalises them, fills adjustment factors and
judges them (domain.market.bars, domain.market.quality). A provider raises SourceBusy if the data is not there yet, and
SourceRefused if asking again is pointless.
"""

from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl

from countersign.models.errors import InputError
from countersign.sources.files.tables import FilesProvider
from countersign.sources.market.akshare import AkshareProvider
from countersign.sources.market.tushare import TushareProvider

PROVIDERS = ("files", "akshare", "tushare")


class MarketProvider(Protocol):
    """Provider of a session's market."""

    def fetch_bars(self, session: date) -> pl.DataFrame:
        """Bars of one session: columns of models.datasets.BARS that are known, and maybe `pre_close`.

        `pre_close` is the previous close on the session's adjustment basis, by which a provider without adj_factor
        tells of dividends and splits (domain.market.bars.chain_factors).
        """
        ...

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        """Closing levels of one session, `index, session, close`, of those indices that the provider has."""
        ...

    def fetch_instruments(self) -> pl.DataFrame:
        """Shares and funds that are listed or were: columns as domain.market.listings.normalise_instruments takes them.

        Dates have the type Date. No row at all where the provider has no such table.
        """
        ...


def open_provider(
    name: str, *, folder: Path | None = None, token: str | None = None, url: str | None = None
) -> MarketProvider:
    """Open the provider `name` with what it needs: `files` a folder, `tushare` a token and maybe another address.

    InputError names the missing setting.
    """
    match name:
        case "files":
            if folder is None:
                raise InputError("market_folder", "the drop folder of the provider files")
            return FilesProvider(folder)
        case "akshare":
            return AkshareProvider()
        case "tushare":
            if not token:
                raise InputError("tushare_token", "the token of the provider tushare")
            return TushareProvider(token, url) if url else TushareProvider(token)
        case _:
            raise InputError("market_provider", f"one of {', '.join(PROVIDERS)}", name)
