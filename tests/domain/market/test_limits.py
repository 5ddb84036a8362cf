"""Price limits: reference prices and limits by hand from the exchanges' rules, and their laws."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.market.limits import Before, limit_prices, reference_price
from countersign.domain.market.quotes import consolidations

NAN = float("nan")


def arrays(*values: float) -> list[np.ndarray]:
    return [np.array([value]) for value in values]


def reference(
    close: float, *, factors: tuple[float, float] = (1.0, 1.0), cash: float = NAN, bonus: float = NAN, decimals: int = 2
) -> float:
    before = Before(*arrays(close, factors[0], cash, bonus))
    return float(reference_price(before, np.array([factors[1]]), np.array([decimals]))[0])


def limits(price: float, fraction: float, *, decimals: int = 2, inward: bool = False) -> tuple[float, float]:
    up, down = limit_prices(*arrays(price, fraction), np.array([decimals]), np.array([inward]))
    return float(up[0]), float(down[0])


@pytest.mark.parametrize(
    ("close", "known", "expected"),
    [
        (9.87, {"cash": 0.123, "bonus": 0.0}, 9.75),  # 9.747
        (9.87, {"cash": 0.126, "bonus": 0.0}, 9.74),  # 9.744
        (10.0, {"cash": 0.5, "bonus": 0.3}, 7.31),  # 9.5 / 1.3 = 7.3077
        (0.5, {"cash": 0.0, "bonus": -0.5, "decimals": 3}, 1.0),
        (11.5, {"factors": (1.0, 1.0132158)}, 11.35),  # 11.349999… by a factor that was cut
        (10.0, {"cash": 0.5, "bonus": 0.0, "factors": (1.0, 2.0)}, 9.5),  # the action wins
        (10.0, {"factors": (NAN, 2.0)}, 10.0),
        (0.004, {"cash": 0.0, "bonus": 0.0}, 0.01),  # one tick at least
        (NAN, {"cash": 0.1, "bonus": 0.0}, NAN),
    ],
)
def test_a_reference_price_equals_the_one_by_hand(close: float, known: dict[str, float], expected: float) -> None:
    assert reference(close, **known) == pytest.approx(expected, abs=1e-12, nan_ok=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("price", "fraction", "kind", "expected"),
    [
        (9.75, 0.1, {}, (10.73, 8.78)),  # 10.725 and 8.775, half up
        (9.74, 0.1, {}, (10.71, 8.77)),
        (11.35, 0.1, {}, (12.49, 10.22)),  # 12.485; 10.215
        (1.0, 0.2, {"decimals": 3}, (1.2, 0.8)),
        # Beijing, towards the reference price, as measured on its own bars: 110.019 and 3.705.
        (84.63, 0.3, {"inward": True}, (110.01, 59.25)),
        (2.85, 0.3, {"inward": True}, (3.7, 2.0)),
        (10.05, 0.3, {"inward": True}, (13.06, 7.04)),
        # Under five ticks 10 % are less than half a tick: one tick at least.
        (0.04, 0.1, {}, (0.05, 0.03)),
        (0.02, 0.05, {}, (0.03, 0.01)),
        (0.01, 0.1, {}, (0.02, 0.0)),
    ],
)
def test_the_limits_of_a_price_equal_those_by_hand(
    price: float, fraction: float, kind: dict[str, int], expected: tuple[float, float]
) -> None:
    assert limits(price, fraction, **kind) == expected  # type: ignore[arg-type]


@given(st.integers(1, 500_000), st.sampled_from(["0.05", "0.1", "0.2", "0.3"]), st.sampled_from([2, 3]), st.booleans())
def test_limits_are_those_of_decimal_arithmetic(ticks: int, fraction: str, decimals: int, inward: bool) -> None:
    tick = Decimal(1).scaleb(-decimals)
    price, part = ticks * tick, Decimal(fraction)
    up = (price * (1 + part)).quantize(tick, ROUND_FLOOR if inward else ROUND_HALF_UP)
    down = (price * (1 - part)).quantize(tick, ROUND_CEILING if inward else ROUND_HALF_UP)
    expected = (float(max(up, price + tick)), float(min(down, price - tick)))
    assert limits(float(price), float(fraction), decimals=decimals, inward=inward) == expected


@pytest.mark.parametrize(
    ("opened", "close", "factors", "ratio"),
    [
        (1.0, 0.5, (1.0, 0.5), 0.5),  # two units into one: price and factor move against each other
        (0.5, 0.5, (1.0, 0.5), 1.0),  # the price is where it was: the vendor's mistake
        (10.1, 10.0, (1.0, 0.97), 1.0),
        (1.05, 1.0, (1.0, 0.95), 0.95),
        (1.02, 1.0, (1.0, 0.95), 1.0),  # half-way is not borne out
        (5.0, 10.0, (1.0, 2.0), 1.0),  # a factor that rises is none
        (1.0, 0.5, (NAN, 0.5), 1.0),
        (NAN, 0.5, (1.0, 0.5), 1.0),
    ],
)
def test_a_factor_that_falls_counts_only_if_the_price_bears_it_out(
    opened: float, close: float, factors: tuple[float, float], ratio: float
) -> None:
    before = Before(*arrays(close, factors[0], NAN, NAN))
    assert consolidations(np.array([opened]), np.array([factors[1]]), before).tolist() == [ratio]
