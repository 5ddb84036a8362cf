"""A sample market: made-up bars that obey the exchange's rules, so that every rule of settlement has work to do.

Returns follow one market factor, one factor for each universe and a noise of their own, split into an overnight gap and
the day; prices are rounded to the tick and clipped at the board's limits of the day. Listings, departures, suspensions
and payments are planned beforehand (domain.market.scenario). The same arguments give the same market, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from countersign.domain.market.instruments import board_expr, kind_expr
from countersign.domain.market.listings import INSTRUMENTS_SCHEMA
from countersign.domain.market.rules import trading_rules
from countersign.domain.market.scenario import Scenario, draw_scenario
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.enums import Universe

Floats = NDArray[np.float64]

MARKET_DRIFT, MARKET_VOLATILITY = 0.0003, 0.010
GROUP_VOLATILITY = 0.004
FIRST_DAY_GAIN = 0.3
BASE_LEVEL = {
    Universe.HS300: 3500.0,
    Universe.CSI500: 5500.0,
    Universe.CSI1000: 6000.0,
    Universe.CSI2000: 2200.0,
    Universe.ETF_ALL: 1000.0,
}


@dataclass(frozen=True)
class SampleMarket:
    """Four tables as `market import…` takes them: models.datasets BARS and INDEX_LEVELS, members, actions.

    The fifth, `instruments`, has the columns of domain.market.listings.INSTRUMENTS_SCHEMA.
    """

    bars: pl.DataFrame
    index_levels: pl.DataFrame
    universes: pl.DataFrame
    actions: pl.DataFrame
    instruments: pl.DataFrame


def simulate(symbols: int, sessions: Sequence[date], seed: int) -> SampleMarket:
    """A market of `symbols` shares and funds (10 to 10,000) over ascending `sessions`.

    Raises InputError for a number of symbols out of range, for sessions that are none, repeated or disordered, and for
    more than five million bars.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    scenario = draw_scenario(symbols, sessions, rng)
    quotes = _draw_quotes(scenario, rng)
    bars = _bars_frame(scenario, quotes)
    return SampleMarket(
        bars,
        _index_frame(scenario, quotes),
        _universe_frame(scenario),
        _action_frame(scenario, quotes),
        _instrument_frame(scenario, quotes),
    )


@dataclass(frozen=True)
class _Quotes:
    """Arrays of sessions × symbols: prices in CNY, `volume` in shares, `cash` the dividend of a share on its ex-day."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    factor: Floats
    published_factor: Floats
    cash: Floats
    up: Floats
    down: Floats


def _draw_quotes(scenario: Scenario, rng: np.random.Generator) -> _Quotes:
    """Walk the sessions; a symbol that does not trade keeps its last close (before its listing: the issue price)."""
    shape = scenario.listed.shape
    returns, gaps, reach = _draw_moves(scenario, rng)
    q = _Quotes(*(np.empty(shape) for _ in range(10)))
    close, factor = scenario.issue_price.copy(), np.ones(shape[1])
    fresh = np.ones(shape[1], dtype=bool)
    for t, session in enumerate(scenario.sessions):
        tick, limit = _book(scenario, session, scenario.special[t])
        trading = scenario.listed[t] & ~scenario.suspended[t]
        pays = trading & ~fresh & (scenario.pay_rate[t] > 0)
        cash = np.where(pays, np.round(close * scenario.pay_rate[t], 2), 0.0)
        reference = (close - cash) / (1 + np.where(pays, scenario.bonus[t], 0.0))
        next_factor = np.where(pays, np.round(factor * close / reference, 6), factor)
        basis = close * factor / next_factor
        up = np.where(fresh, np.inf, _round(basis * (1 + limit), tick))
        down = np.where(fresh, tick, _round(basis * (1 - limit), tick))
        gain = returns[t] + np.where(fresh & (t > 0), FIRST_DAY_GAIN, 0.0)
        opened = np.clip(_round(basis * np.exp(gaps[t] + 0.4 * gain), tick), down, up)
        closed = np.clip(_round(basis * np.exp(gain), tick), down, up)
        highest, lowest = np.maximum(opened, closed), np.minimum(opened, closed)
        q.open[t] = np.where(trading, opened, close)
        q.close[t] = np.where(trading, closed, close)
        q.high[t] = np.where(trading, np.clip(_round(highest * (1 + reach[t, :, 0]), tick), highest, up), close)
        q.low[t] = np.where(trading, np.clip(_round(lowest * (1 - reach[t, :, 1]), tick), down, lowest), close)
        q.up[t], q.down[t] = np.where(fresh, np.nan, up), np.where(fresh, np.nan, down)
        q.cash[t] = cash
        close, factor = q.close[t], next_factor
        q.factor[t] = factor
        fresh &= ~trading
    q.published_factor[:] = np.where(scenario.mistaken, np.round(q.factor * 0.97, 6), q.factor)
    lots = np.ceil(np.exp(rng.normal(8.5, 0.9, shape) + 12 * np.abs(returns)))
    q.volume[:] = np.where(scenario.suspended, 0.0, lots * 100)
    return q


def _draw_moves(scenario: Scenario, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Log returns of the session, overnight gaps, and how far high and low reach beyond open and close (×2)."""
    sessions, symbols = scenario.listed.shape
    market = rng.normal(MARKET_DRIFT, MARKET_VOLATILITY, (sessions, 1))
    groups = rng.normal(0, GROUP_VOLATILITY, (sessions, len(Universe)))[:, scenario.group]
    volatility = scenario.volatility * rng.chisquare(6, (sessions, symbols)) / 6
    own = rng.normal(0, 1, (sessions, symbols)) * volatility
    returns = scenario.beta * market + groups + own + scenario.shock
    gaps = rng.normal(0, 0.3, (sessions, symbols)) * scenario.volatility + 0.6 * scenario.shock
    reach = np.abs(rng.normal(0, 0.4, (sessions, symbols, 2))) * scenario.volatility[:, None]
    return returns, gaps, reach


def _book(scenario: Scenario, session: date, special: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Tick and price limit of every symbol at `session`."""
    rules = trading_rules(scenario.symbols, session)
    tick = 10.0 ** -rules.get_column("decimals").to_numpy().astype(float)
    limit = np.where(special, rules.get_column("limit_st").to_numpy(), rules.get_column("limit").to_numpy())
    return tick, limit


def _round(price: Floats, tick: Floats) -> Floats:
    """Half up to the tick, as the rule book rounds limit prices, and never to nothing."""
    scale = np.round(1 / tick)
    return np.maximum(np.floor(price * scale + 0.5 + 1e-6), 1.0) / scale


def _bars_frame(scenario: Scenario, quotes: _Quotes) -> pl.DataFrame:
    """Bars of listed symbols, without those whose suspension the sample's vendor reports by silence."""
    t, s = np.nonzero(scenario.listed & ~scenario.silent)
    mean = (quotes.open + quotes.high + quotes.low + quotes.close) / 4
    own_limits = scenario.own_limits[s]
    frame = pl.DataFrame(
        {
            "symbol": scenario.symbols.gather(s),
            "session": pl.Series(scenario.sessions, dtype=pl.Date).gather(t),
            **{name: getattr(quotes, name)[t, s] for name in ("open", "high", "low", "close", "volume")},
            "amount": np.round(mean[t, s] * quotes.volume[t, s], 2),
            "adj_factor": quotes.published_factor[t, s],
            "suspended": scenario.suspended[t, s],
            "limit_up": np.where(own_limits, quotes.up[t, s], np.nan),
            "limit_down": np.where(own_limits, quotes.down[t, s], np.nan),
            "is_st": scenario.special[t, s],
        }
    )
    return (
        frame.with_columns(pl.col("limit_up", "limit_down").fill_nan(None))
        .cast(pl.Schema(BARS.schema))
        .sort("session", "symbol")
    )


def _index_frame(scenario: Scenario, quotes: _Quotes) -> pl.DataFrame:
    """Equally weighted total-return levels of each universe's members of the day."""
    adjusted = quotes.close * quotes.factor
    growth = np.ones_like(adjusted)
    growth[1:] = adjusted[1:] / adjusted[:-1]
    counted = np.zeros_like(scenario.listed)
    counted[1:] = scenario.listed[:-1]
    frames = []
    for universe, members in scenario.members.items():
        weights = (members & counted).astype(float)
        total = weights.sum(axis=1)
        mean = np.divide((growth * weights).sum(axis=1), total, out=np.ones_like(total), where=total > 0)
        level = np.round(BASE_LEVEL[universe] * np.cumprod(mean), 3)
        frames.append(
            pl.DataFrame({"index": [str(universe)] * len(level), "session": scenario.sessions, "close": level})
        )
    return pl.concat(frames).cast(pl.Schema(INDEX_LEVELS.schema)).sort("session", "index")


def _universe_frame(scenario: Scenario) -> pl.DataFrame:
    """Spans of membership in sessions, both ends included; open-ended for members of the last session."""
    rows = []
    last = len(scenario.sessions) - 1
    for universe, members in scenario.members.items():
        edges = np.diff(members.astype(np.int8), axis=0, prepend=0, append=0)
        for s in np.flatnonzero(members.any(axis=0)):
            for since, end in zip(np.flatnonzero(edges[:, s] == 1), np.flatnonzero(edges[:, s] == -1), strict=True):
                until = None if end > last else scenario.sessions[end - 1]
                rows.append((str(universe), scenario.symbols[int(s)], scenario.sessions[since], until))
    schema = {"universe": pl.String, "symbol": pl.String, "since": pl.Date, "until": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("universe", "symbol", "since")


def _action_frame(scenario: Scenario, quotes: _Quotes) -> pl.DataFrame:
    """Payments that the actions table records; those of the other symbols show in adj_factor alone."""
    t, s = np.nonzero((quotes.cash > 0) & scenario.recorded)
    return pl.DataFrame(
        {
            "symbol": scenario.symbols.gather(s),
            "session": pl.Series(scenario.sessions, dtype=pl.Date).gather(t),
            "cash": quotes.cash[t, s],
            "bonus": scenario.bonus[t, s],
        }
    ).sort("symbol", "session")


def _instrument_frame(scenario: Scenario, quotes: _Quotes) -> pl.DataFrame:
    """Every symbol; when it lists or leaves within the sample, and for every second leaver half its last close."""
    rows, leavers = [], 0
    for s, symbol in enumerate(scenario.symbols):
        days = np.flatnonzero(scenario.listed[:, s])
        first, last = int(days[0]), int(days[-1])
        listed = scenario.sessions[first] if first else None
        delisted, cash = None, None
        if last + 1 < len(scenario.sessions):
            delisted = scenario.sessions[last + 1]
            cash = round(float(quotes.close[last, s]) / 2, 2) if leavers % 2 == 0 else None
            leavers += 1
        rows.append((symbol, f"Sample {symbol[:6]}", listed, delisted, cash))
    given = ("symbol", "name", "listed", "delisted", "delisting_cash")
    frame = pl.DataFrame(rows, schema={name: INSTRUMENTS_SCHEMA[name] for name in given}, orient="row")
    derived = {"kind": kind_expr(pl.col("symbol")), "board": board_expr(pl.col("symbol"))}
    nothing = {name: pl.lit(None, INSTRUMENTS_SCHEMA[name]) for name in ("successor", "successor_ratio")}
    return frame.with_columns(**derived, **nothing).select(*INSTRUMENTS_SCHEMA).sort("symbol")
