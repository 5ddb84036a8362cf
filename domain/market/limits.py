"""Price limits: the reference price of a session and the highest and lowest price that the exchange lets trade.

Pure arithmetic on arrays, one element a symbol; the fractions and decimals are domain.market.rules'. Everything is
rounded to the tick, as the exchanges print it, so that the last bit of a float never decides.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countersign.domain.arrays import Flags, Floats
from countersign.domain.market.rules import Book

# Exact, where a power of an array need not be.
TENS = np.array([1.0, 10.0, 100.0, 1000.0])
# Loss of binary fractions on a price in ticks, and no more than that.
FORGIVEN = 1e-6
FUND_FRACTION, LARGER_FUND_FRACTION = 0.10, 0.20


class Before(NamedTuple):
    """Facts from before the session: the last close in CNY with its factor, and the session's action, nan: none."""

    close: Floats
    factor: Floats
    cash: Floats
    bonus: Floats


def reference_price(before: Before, factor: Floats, decimals: NDArray[Any], book: Book = Book.CURRENT) -> Floats:
    """Reference price of the limits, in CNY: the last close, on an ex-day less the payment.

    (close − cash) / (1 + bonus) where there is an action, else close × its factor / today's `factor`; where either
    factor is unknown they are taken as equal. Rounded to the tick, one tick at least; nan without a close.
    """
    adjusted = _or(before.close * before.factor / factor, before.close)
    if book is Book.FIRST:
        return adjusted
    scale: Floats = TENS[decimals]
    acted = (before.close - before.cash) / (1.0 + before.bonus)
    ticks = np.floor(_or(acted, adjusted) * scale + 0.5 + FORGIVEN)
    reference: Floats = np.maximum(ticks, 1.0) / scale
    return np.where(np.isnan(adjusted), np.nan, reference)


def limit_prices(
    reference: Floats, fraction: Floats, decimals: NDArray[Any], inward: Flags, book: Book = Book.CURRENT
) -> tuple[Floats, Floats]:
    """The highest and the lowest price, `fraction` away from the reference price, in CNY.

    Half up to the tick, or towards the reference price where `inward`; at least one tick away from it. The lowest may
    be 0, which nothing trades at.
    """
    scale: Floats = TENS[decimals]
    up, down = reference * (1.0 + fraction) * scale, reference * (1.0 - fraction) * scale
    near_up, near_down = np.floor(up + 0.5 + FORGIVEN), np.floor(down + 0.5 + FORGIVEN)
    if book is Book.FIRST:
        return near_up / scale, near_down / scale
    near_up = np.where(inward, np.floor(up + FORGIVEN), near_up)
    near_down = np.where(inward, np.ceil(down - FORGIVEN), near_down)
    ticks = np.round(reference * scale)
    return np.maximum(near_up, ticks + 1.0) / scale, np.minimum(near_down, ticks - 1.0) / scale


def printed_fraction(fraction: Floats, reference: Floats, high: Floats, low: Floats, is_fund: Flags) -> Floats:
    """The price limits of funds as their own bars prove them.

    Funds have one of two limits, and which does not show in a code. A fund that trades beyond the smaller one, by more
    than a tick, has the larger one. For new funds that the rule book does not list yet.
    """
    tick = 0.001 * (1 + FORGIVEN)
    beyond = (high > reference * (1.0 + FUND_FRACTION) + tick) | (low < reference * (1.0 - FUND_FRACTION) - tick)
    return np.where(is_fund & (fraction == FUND_FRACTION) & beyond, LARGER_FUND_FRACTION, fraction)


def _or(first: Floats, other: Floats) -> Floats:
    """The first where it is known, else the other."""
    return np.where(np.isnan(first), other, first)
