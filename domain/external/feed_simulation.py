"""A made-up feed that keeps to the API of the feed `cqs`: parameters, tiers, tables, error codes, repeats and edits.

Deterministic: the same seed, form and time give the same answer. Everything in it is invented.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from countersign.models.tables.external import SCALPING, SIGNAL_TYPES

FREE = "FREE"
# The source of this name in a home with the simulated clock is the simulator's.
SAMPLE_SOURCE = "sample-feed"
PATHS = ("/getSignal", "/api/v1/getSignal")
DEFAULT_MINUTES, MOST_MINUTES = 5, 20
FUTURES = (
    "binance_futures",
    "bitget_futures",
    "bitmex",
    "bybit",
    "deribit",
    "htx_futures",
    "kucoin_futures",
    "okx_futures",
)
EXCHANGES = ("binance", "kucoin", *FUTURES)
# Prices swing around these, by this fraction; seconds a radian.
SWING, SWING_SECONDS = 0.05, 40_000
COINS = {"BTC": 94_000.0, "ETH": 3_400.0, "SOL": 170.0, "ADA": 0.62, "DOGE": 0.18, "SHIB": 0.0000134}
MESSAGES = {
    1: "Bad parameter",
    4: "Unable to validate API Key",
    5: "System unavailable",
    6: "Rate limit exceeded",
}
# Of each pool: the first digit of its ids, and how many signals a minute may bring.
POOLS = {"free": (1, (0, 1, 1)), "vip": (2, (1, 1, 2)), "scalping": (3, (0, 1))}
EDITED_SHARE, TWICE_SHARE = 0.1, 0.05
EDITED_AFTER = timedelta(seconds=45)


@dataclass(frozen=True)
class SimulatedFeed:
    """A feed. `failing` is an error code given to everyone; `broken` spells of so many minutes an hour answer 503."""

    seed: int = 7
    premium_keys: frozenset[str] = field(default=frozenset(), repr=False)
    failing: int | None = None
    broken_minutes_an_hour: int = 0

    def is_broken(self, now: datetime) -> bool:
        """Whether the feed is down at that time: the first minutes of an hour."""
        return now.minute < self.broken_minutes_an_hour

    def answer(self, form: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Answer a request as the feed's documentation says: error, message, count, signals."""
        if self.failing is not None:
            return _envelope(self.failing, MESSAGES.get(self.failing, "Unknown error"))
        key, wanted, minutes = form.get("api_key", ""), form.get("type", ""), form.get("interval") or "5"
        if not key:
            return _envelope(1, "Missing key")
        if not (minutes.isascii() and minutes.isdecimal() and 1 <= int(minutes[:4]) <= MOST_MINUTES):
            return _envelope(1, f"Bad parameter: interval must be 1 to {MOST_MINUTES}")
        if wanted and wanted not in SIGNAL_TYPES:
            return _envelope(1, f"Invalid type: {wanted}")
        if key != FREE and key not in self.premium_keys:
            return _envelope(5, "Invalid API Key")
        scalping = key == FREE and wanted == SCALPING
        pool = "vip" if key != FREE else "scalping" if scalping else "free"
        signals = list(self._open(pool, now, timedelta(minutes=int(minutes)), form))
        return _envelope(0, "Success" if signals else "No new signals available", signals)

    def _open(self, pool: str, now: datetime, window: timedelta, form: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """List the signals opened within the window and still open; a few of them occur twice."""
        since = now - window
        first, last = (int(moment.timestamp()) // 60 for moment in (since, now))
        for minute in range(first, last + 1):
            draws = Random(f"{self.seed}/{pool}/{minute}")
            for number in range(draws.choice(POOLS[pool][1])):
                opened = datetime.fromtimestamp(minute * 60 + draws.randrange(60), UTC)
                signal = _signal(draws, pool, POOLS[pool][0] * 10**10 + minute * 10 + number, opened, now)
                closed = opened + timedelta(minutes=draws.randint(4, 40))
                twice = draws.random() < TWICE_SHARE
                if since <= opened <= now < closed and _wanted(signal, form):
                    if form.get("exchange") not in FUTURES:
                        del signal["leverage"]
                    yield from [signal] * (1 + twice)


def _wanted(signal: Mapping[str, Any], form: Mapping[str, str]) -> bool:
    return all(signal[name] == form[name] for name in ("exchange", "currency", "type") if form.get(name))


def _signal(draws: Random, pool: str, number: int, opened: datetime, now: datetime) -> dict[str, Any]:
    """Make one signal as of `now`: one in ten has its stop moved after a while."""
    scalping = pool == "scalping"
    coin = draws.choice(list(COINS))
    exchange = draws.choice([name for name in EXCHANGES if not (scalping and name == "bitmex")])
    horizons = [name for name in SIGNAL_TYPES if pool == "vip" or name != SCALPING]
    side = 1 if exchange not in FUTURES or draws.random() < 0.5 else -1
    ask = COINS[coin] * (1 + SWING * math.sin(opened.timestamp() / SWING_SECONDS)) * draws.uniform(0.99, 1.01)
    zone = (0.999, 1.001) if scalping else (1 - side * 0.002, 1 + side * 0.002)
    steps = [draws.uniform(0.01, 0.02)] if scalping else [draws.uniform(0.01, 0.02) * n for n in (1, 2, 3)]
    unused = 0 if scalping else draws.choice((0, 0, 1, 2))
    targets = [_price(ask * (1 + side * step)) for step in steps[: len(steps) - unused]]
    stop = draws.uniform(0.01, 0.03)
    edited = draws.random() < EDITED_SHARE and now >= opened + EDITED_AFTER
    return {
        "id": str(number),
        "timestamp": f"{opened:%Y-%m-%d %H:%M:%S}",
        "exchange": exchange,
        "currency": "USDT" if draws.random() < 0.9 else "BTC",
        "coin": coin,
        "direction": "LONG" if side == 1 else "SHORT",
        "buy_start": _price(ask * zone[0]),
        "buy_end": _price(ask * zone[1]),
        **{f"target{n + 1}": targets[n] if n < len(targets) else "" for n in range(3)},
        "stop_loss": _price(ask * (1 - side * stop * (0.5 if edited else 1))),
        "type": SCALPING if scalping else draws.choice(horizons),
        "ask": _price(ask),
        "risk_level": "3" if scalping else str(draws.randint(1, 5)),
        "leverage": str(draws.choice((3, 5, 7.5, 10, 12.5))),
    }


def _price(value: float) -> str:
    """Write a price with six significant digits, never with an exponent."""
    decimals = max(0, 5 - math.floor(math.log10(value)))
    return f"{value:.{decimals}f}"


def _envelope(code: int, message: str, signals: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"error": code, "message": message, "count": len(signals or ()), "signals": signals or []}
