"""Scenario of the sample market: boards, listings, suspensions, special treatment, payments, shocks.

Only the plan; the prices that follow from it are domain.market.simulation's. Boards come in a fixed pattern, so that
ten symbols already have all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from countersign.models.enums import Universe
from countersign.models.errors import InputError

LEAST_SYMBOLS, MOST_SYMBOLS = 10, 10_000
MOST_BARS = 5_000_000  # about 2 GiB while they are drawn

# First codes of made-up listings; a pattern of twenty gives each board its share of the market.
CODES = {
    "sh": (600001, "SH"),
    "sz": (1, "SZ"),
    "chinext": (300001, "SZ"),
    "star": (688001, "SH"),
    "beijing": (920001, "BJ"),
    "fund": (510001, "SH"),
    "fund_sz": (159001, "SZ"),
}
PATTERN = (
    *("sh", "sz", "chinext", "star", "fund", "beijing", "sh", "sz", "chinext", "sh"),
    *("sz", "sh", "sh", "sz", "chinext", "star", "sh", "fund_sz", "sz", "chinext"),
)
VOLATILITY = {"chinext": 0.024, "star": 0.026, "beijing": 0.028, "fund": 0.004, "fund_sz": 0.004}

# Of the shares, by rank: the first 15 % are hs300, and so on. A universe of shares has at least one member.
SHARES_OF = {Universe.HS300: 0.15, Universe.CSI500: 0.25, Universe.CSI1000: 0.30, Universe.CSI2000: 0.30}

SUSPENSIONS_A_SESSION = 1 / 400
SHOCKS_A_SESSION = 1 / 150
MISTAKES_A_SESSION = 1 / 5_000
YEAR = 250

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """Plan of the market. Two-dimensional arrays are sessions × symbols; `group` is a symbol's number in `Universe`."""

    sessions: list[date]
    symbols: pl.Series
    group: NDArray[np.intp]
    issue_price: Floats
    beta: Floats
    volatility: Floats
    own_limits: Flags
    recorded: Flags
    listed: Flags
    suspended: Flags
    silent: Flags
    special: Flags
    mistaken: Flags
    shock: Floats
    pay_rate: Floats
    bonus: Floats
    members: dict[Universe, Flags]


def draw_scenario(symbols: int, sessions: Sequence[date], rng: np.random.Generator) -> Scenario:
    """Draw the plan; raises InputError for a size or an order of sessions that makes no market."""
    if not LEAST_SYMBOLS <= symbols <= MOST_SYMBOLS:
        raise InputError("symbols", f"{LEAST_SYMBOLS} to {MOST_SYMBOLS}", symbols)
    days = list(sessions)
    if not days or days != sorted(set(days)):
        raise InputError("sessions", "at least one session, ascending, each once", f"{len(days)} sessions")
    if symbols * len(days) > MOST_BARS:
        raise InputError("sessions", f"at most {MOST_BARS // symbols} with {symbols} symbols", len(days))
    names, boards = _name_symbols(symbols)
    shape = (len(days), symbols)
    fund = np.isin(boards, ["fund", "fund_sz"])
    main = np.isin(boards, ["sh", "sz"])
    group = _draw_groups(fund, rng)
    listed = _draw_listings(shape, fund, rng)
    suspended, silent = _draw_suspensions(listed, fund, rng)
    own_limits = rng.random(symbols) < 0.5
    special = _draw_special(shape, main, rng)
    pay_rate, bonus = _draw_payments(shape, fund, rng)
    shock = np.where(rng.random(shape) < SHOCKS_A_SESSION, rng.choice([-0.4, 0.4], shape), 0.0)
    return Scenario(
        sessions=days,
        symbols=names,
        group=group,
        issue_price=_draw_issue_prices(fund, rng),
        beta=np.where(fund, 1.0, rng.uniform(0.6, 1.4, symbols)),
        volatility=np.array([VOLATILITY.get(board, 0.018) for board in boards]),
        own_limits=own_limits,
        recorded=rng.random(symbols) < 2 / 3,
        listed=listed,
        suspended=suspended,
        silent=silent,
        special=special,
        # A wrong factor must not move a limit that is computed from it, so only symbols with limits of their own err.
        mistaken=(rng.random(shape) < MISTAKES_A_SESSION) & own_limits,
        shock=np.where(fund, 0.0, shock),
        pay_rate=pay_rate,
        bonus=bonus,
        members=_draw_members(group, listed, rng),
    )


def _name_symbols(count: int) -> tuple[pl.Series, NDArray[np.str_]]:
    boards = [PATTERN[i % len(PATTERN)] for i in range(count)]
    used = dict.fromkeys(CODES, 0)
    names = []
    for board in boards:
        first, exchange = CODES[board]
        names.append(f"{first + used[board]:06d}.{exchange}")
        used[board] += 1
    order = np.argsort(names)
    return pl.Series("symbol", sorted(names)), np.array(boards)[order]


def _draw_groups(fund: Flags, rng: np.random.Generator) -> NDArray[np.intp]:
    """Each symbol's number in `Universe`; every universe gets a member."""
    order = rng.permutation(np.flatnonzero(~fund))
    bounds = np.cumsum(list(SHARES_OF.values())) * len(order)
    group = np.full(len(fund), list(Universe).index(Universe.ETF_ALL), dtype=np.intp)
    for rank, symbol in enumerate(order):
        group[symbol] = np.searchsorted(bounds[:-1], rank, side="right")
    return group


def _draw_listings(shape: tuple[int, int], fund: Flags, rng: np.random.Generator) -> Flags:
    """Spans of listing: from the first session to the last, but 8 % list later and 1 % (at least one) leave."""
    sessions, symbols = shape
    shares = rng.permutation(np.flatnonzero(~fund))
    late, gone = shares[: max(1, symbols * 8 // 100)], shares[-max(1, symbols // 100) :]
    start, end = np.zeros(symbols, dtype=int), np.full(symbols, sessions)
    start[late] = rng.integers(sessions // 10, sessions // 10 * 9 + 1, len(late))
    end[gone] = rng.integers(sessions - sessions // 2, sessions + 1, len(gone))
    day = np.arange(sessions)[:, None]
    return (day >= start) & (day < end)


def _draw_suspensions(listed: Flags, fund: Flags, rng: np.random.Generator) -> tuple[Flags, Flags]:
    """Suspended symbols and those of them without a bar: spans of a few sessions, never on the day of listing.

    Half the spans are silent, yet no more than one listed symbol in twenty is missing in a session.
    """
    suspended, silent = np.zeros_like(listed), np.zeros_like(listed)
    starts = np.argwhere(rng.random(listed.shape) < SUSPENSIONS_A_SESSION)
    lengths = rng.geometric(0.25, len(starts))
    quiet = rng.random(len(starts)) < 0.5
    for (t, s), length, hush in zip(starts, lengths, quiet, strict=True):
        if not fund[s]:
            suspended[t : t + length, s] = True
            silent[t : t + length, s] = hush
    suspended &= listed
    suspended[1:] &= listed[:-1]
    suspended[0] = False
    silent &= suspended
    room = listed.sum(axis=1, keepdims=True) // 20
    silent &= np.cumsum(silent, axis=1) <= room
    return suspended, silent


def _draw_special(shape: tuple[int, int], main: Flags, rng: np.random.Generator) -> Flags:
    """Special treatment for one main-board share in twenty (at least one), for at least a third of the sessions."""
    sessions, _ = shape
    candidates = rng.permutation(np.flatnonzero(main))
    special = np.zeros(shape, dtype=bool)
    for symbol in candidates[: max(1, len(candidates) // 20)]:
        start = int(rng.integers(0, sessions // 2 + 1))
        special[start : start + max(1, sessions // 3), symbol] = True
    return special


def _draw_payments(shape: tuple[int, int], fund: Flags, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Payments once a year or so: cash as a fraction of the close, and with one in five new shares for each held."""
    pays = (rng.random(shape) < 1 / YEAR) & ~fund
    pay_rate = np.where(pays, rng.uniform(0.004, 0.04, shape), 0.0)
    splits = pays & (rng.random(shape) < 0.2)
    bonus = np.where(splits, rng.choice([0.1, 0.2, 0.3, 0.4, 0.5, 1.0], shape), 0.0)
    return pay_rate, bonus


def _draw_issue_prices(fund: Flags, rng: np.random.Generator) -> Floats:
    """First prices: shares around 18 CNY with one at 1,500 (a lot of it is beyond small accounts), funds around 1.5."""
    price = np.where(fund, rng.uniform(0.8, 4.0, len(fund)), np.exp(rng.normal(2.9, 0.7, len(fund))))
    price[int(np.flatnonzero(~fund)[-1])] = 1500.0
    return np.maximum(price, 0.5).round(2)


def _draw_members(group: NDArray[np.intp], listed: Flags, rng: np.random.Generator) -> dict[Universe, Flags]:
    """Members by session: listed symbols of the group, and at half time one in ten changes to the next universe."""
    half = len(listed) // 2
    later = group.copy()
    shares = [number for number, universe in enumerate(Universe) if universe in SHARES_OF]
    for number, other in pairwise(shares):
        here, there = np.flatnonzero(group == number), np.flatnonzero(group == other)
        count = min(len(here), len(there)) // 10
        later[rng.choice(here, count, replace=False)] = other
        later[rng.choice(there, count, replace=False)] = number
    day = np.arange(len(listed))[:, None]
    current = np.where(day < half, group, later)
    return {universe: listed & (current == number) for number, universe in enumerate(Universe)}
