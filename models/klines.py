"""Series of klines: bars of one pair on one exchange at one interval, and the names they go by."""

import re
from dataclasses import dataclass
from datetime import timedelta

from countersign.models.errors import InputError

INTERVALS = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "8h": timedelta(hours=8),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}
_EXCHANGE = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_PAIR = re.compile(r"([A-Z0-9]{1,20})/([A-Z0-9]{1,20})", re.ASCII)


@dataclass(frozen=True)
class KlineSeries:
    """One series. The exchange is in lower case with _ between words, coin and currency in upper case."""

    exchange: str
    coin: str
    currency: str
    interval: str

    @property
    def market(self) -> str:
        """Exchange and pair, as `market_of` says them of a signal."""
        return f"{self.exchange}-{self.coin}-{self.currency}"

    @property
    def name(self) -> str:
        """Name of the series in the lake."""
        return f"{self.market}-{self.interval}"

    @property
    def step(self) -> timedelta:
        """Length of one bar."""
        return INTERVALS[self.interval]


def market_of(exchange: str, coin: str, currency: str) -> str:
    """Name exchange and pair of a signal, in the words of its feed."""
    return f"{_exchange(exchange)}-{coin.upper()}-{currency.upper()}"


def series_of(exchange: str, pair: str, interval: str) -> KlineSeries:
    """Make a series of an operator's words, such as binance, BTC/USDT and 15m; InputError names a bad one."""
    name = _exchange(exchange.strip())
    if not _EXCHANGE.fullmatch(name):
        raise InputError("exchange", "letters, digits and _, as the feed calls it", exchange)
    found = _PAIR.fullmatch(pair.strip().upper())
    if not found:
        raise InputError("pair", "coin and currency such as BTC/USDT", pair)
    if interval not in INTERVALS:
        raise InputError("interval", f"one of {', '.join(INTERVALS)}", interval)
    return KlineSeries(name, found[1], found[2], interval)


def parse_name(name: str) -> KlineSeries:
    """Read a series' name in the lake."""
    return KlineSeries(*name.split("-"))


def _exchange(word: str) -> str:
    return re.sub(r"[ .-]", "_", word.lower())
