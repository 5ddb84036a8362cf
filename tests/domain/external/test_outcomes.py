"""Outcomes of signals: worked by hand on a few bars, against a slow reader of the rules, and by laws."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from countersign.domain.external.outcomes import KLINES_SCHEMA, OUTCOMES_SCHEMA, SIGNALS_SCHEMA, judge
from countersign.domain.external.shares import wilson
from countersign.models.errors import InputError
from tests.support.shared import shared

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(hours=1)
Case = tuple[dict[str, Any], list[tuple[float, float, float, float]]]
LONG = {"direction": "LONG", "entry_low": 100.0, "entry_high": 102.0, "stop_loss": 95.0, "target1": 110.0}
THREE = LONG | {"target2": 120.0, "target3": 130.0}


def klines(*bars: tuple[float, float, float, float]) -> pl.DataFrame:
    """Hourly bars (open, high, low, close) from START on."""
    rows = [(START + n * STEP, *bar) for n, bar in enumerate(bars)]
    return pl.DataFrame(rows, schema=KLINES_SCHEMA, orient="row")


def signals(*given: dict[str, Any], at: datetime = START) -> pl.DataFrame:
    empty: dict[str, Any] = dict.fromkeys(SIGNALS_SCHEMA)
    return pl.DataFrame([empty | {"known_at": at} | each for each in given], schema=SIGNALS_SCHEMA, orient="row")


def outcome(signal: dict[str, Any], *bars: tuple[float, float, float, float], at: datetime = START) -> dict[str, Any]:
    return judge(signals(signal, at=at), klines(*bars), STEP).row(0, named=True)


INSIDE = (101.0, 101.5, 100.5, 101.0)


def test_stop_and_target_in_one_bar_is_a_stop() -> None:
    found = outcome(LONG, INSIDE, (101.0, 111.0, 94.0, 105.0))
    assert (found["outcome"], found["stopped_at"], found["target1_at"]) == ("stopped", START + STEP, None)
    assert found["r_multiple"] == pytest.approx(-1.0)


def test_three_targets_take_a_third_each() -> None:
    found = outcome(THREE, INSIDE, (101.0, 111.0, 100.0, 110.0), (110.0, 121.0, 109.0, 120.0), (120.0, 131.0, 119.0, 1))
    # Entered at the open, 101; risk 6; gains 9, 19, 29.
    assert found["outcome"] == "target3"
    assert found["r_multiple"] == pytest.approx((9 + 19 + 29) / 3 / 6)
    assert [found[f"target{k}_at"] for k in (1, 2, 3)] == [START + STEP, START + 2 * STEP, START + 3 * STEP]
    assert found["closed_at"] == START + 3 * STEP


def test_the_rest_of_a_position_leaves_at_the_stop() -> None:
    found = outcome(THREE, INSIDE, (101.0, 111.0, 100.0, 110.0), (96.0, 97.0, 90.0, 91.0))
    assert (found["outcome"], found["closed_at"]) == ("target1", START + 2 * STEP)
    assert found["r_multiple"] == pytest.approx((9 - 6 - 6) / 3 / 6)


def test_a_bar_that_opens_beyond_the_stop_fills_at_its_open() -> None:
    found = outcome(LONG, INSIDE, (92.0, 93.0, 91.0, 92.0))
    assert found["r_multiple"] == pytest.approx((92 - 101) / 6)


def test_falling_into_the_zone_its_high_came_first() -> None:
    found = outcome(LONG, (111.0, 112.0, 101.0, 101.5))
    assert (found["outcome"], found["entered_at"], found["target1_at"]) == ("open", START, None)
    found = outcome(LONG, (111.0, 112.0, 101.0, 101.5), (101.5, 110.0, 101.0, 109.0))
    assert found["r_multiple"] == pytest.approx((110 - 102) / (102 - 95))  # entered at the zone's upper end


def test_rising_into_the_zone_its_high_came_after() -> None:
    found = outcome(LONG, (99.0, 110.0, 98.0, 109.0))
    assert (found["outcome"], found["r_multiple"]) == ("target1", pytest.approx((110 - 100) / (100 - 95)))


def test_a_gap_over_the_zone_is_no_entry() -> None:
    found = outcome(LONG, (105.0, 106.0, 104.0, 105.0), (98.0, 99.0, 96.0, 97.0))
    assert (found["outcome"], found["entered_at"]) == ("pending", None)


def test_a_day_without_entry_expires() -> None:
    away = (105.0, 106.0, 104.0, 105.0)
    assert outcome(LONG, *[away] * 24)["outcome"] == "pending"  # the bar that opens after 24 hours may trade at once
    assert outcome(LONG, *[away] * 25)["outcome"] == "expired"
    assert outcome(LONG, *[away] * 24, INSIDE)["outcome"] == "open"  # exactly 24 hours later
    assert outcome(LONG, *[away] * 25, INSIDE)["outcome"] == "expired"


def test_bars_from_before_the_publication_say_nothing() -> None:
    at = START + timedelta(minutes=20)
    found = outcome(LONG, (101.0, 101.0, 94.0, 94.0), (101.0, 111.0, 100.0, 111.0), at=at)
    assert (found["outcome"], found["entered_at"]) == ("target1", START + STEP)


def test_bars_that_do_not_cover_the_publication_give_no_verdict() -> None:
    assert outcome(LONG, INSIDE, at=START - STEP)["outcome"] == "pending"
    assert outcome(LONG, INSIDE, at=START + STEP)["outcome"] == "pending"
    assert judge(signals(LONG), klines(), STEP).row(0, named=True)["outcome"] == "pending"


def test_a_hole_in_the_bars_decides_nothing() -> None:
    whole = klines(INSIDE, INSIDE, (101.0, 111.0, 100.0, 110.0))
    assert judge(signals(LONG), whole, STEP)["outcome"].item() == "target1"
    assert judge(signals(LONG), whole[[0, 2]], STEP)["outcome"].item() == "open"
    # A hole beyond the 24 hours too: it may hold the entry.
    assert judge(signals(LONG), klines((90.0, 91.0, 89.0, 90.0), *[INSIDE] * 40)[[0, 40]], STEP)["outcome"].item() == (
        "pending"
    )


def test_a_short_signal_is_the_mirror_image() -> None:
    short = {"direction": "SHORT", "entry_low": 98.0, "entry_high": 100.0, "stop_loss": 105.0, "target1": 90.0}
    found = outcome(short, (99.0, 99.5, 98.5, 99.0), (99.0, 100.0, 89.0, 90.0))
    assert (found["outcome"], found["r_multiple"]) == ("target1", pytest.approx(9 / 6))
    found = outcome(short, (99.0, 99.5, 98.5, 99.0), (108.0, 109.0, 107.0, 108.0))
    assert (found["outcome"], found["r_multiple"]) == ("stopped", pytest.approx(-9 / 6))


@pytest.mark.parametrize(
    "change",
    [
        {"direction": "UP"},
        {"direction": None},
        {"entry_low": None},
        {"stop_loss": None},
        {"stop_loss": 100.0},
        {"target1": 102.0},
        {"target2": 109.0},
        {"target1": None, "target2": 120.0, "target3": 119.0},
    ],
)
def test_a_senseless_signal_is_invalid(change: dict[str, Any]) -> None:
    assert outcome(LONG | change, INSIDE)["outcome"] == "invalid"


def test_a_zone_written_the_other_way_round_is_the_same_zone() -> None:
    turned = LONG | {"entry_low": 102.0, "entry_high": 100.0}
    assert outcome(turned, (99.0, 110.0, 98.0, 109.0)) == outcome(LONG, (99.0, 110.0, 98.0, 109.0))


def test_no_signals_give_no_rows() -> None:
    assert judge(signals(), klines(INSIDE), STEP).schema == pl.Schema(OUTCOMES_SCHEMA)


def slow(signal: dict[str, Any], bars: list[dict[str, Any]], step: timedelta) -> tuple[str, float | None]:  # noqa: C901 - the rules, in a row
    """The rules read again, one signal and one bar at a time, on prices as they are."""
    rising = signal["direction"] == "LONG"
    low, high = sorted((signal["entry_low"], signal["entry_high"]))
    stop = signal["stop_loss"]
    targets = [signal[f"target{k}"] for k in (1, 2, 3) if signal[f"target{k}"] is not None]
    after = [bar for bar in bars if bar["opened_at"] >= signal["known_at"]]
    if not after or after[0]["opened_at"] - signal["known_at"] >= step:
        return "pending", None
    until, entry, hit = signal["known_at"] + timedelta(hours=24), None, 0
    for bar in after:
        first = entry is None
        if entry is None:
            if bar["opened_at"] > until:
                return "expired", None
            if bar["high"] < low or bar["low"] > high:
                continue
            entry = low if bar["open"] < low else min(bar["open"], high)
        worst, best = (bar["low"], bar["high"]) if rising else (bar["high"], bar["low"])
        if (worst <= stop) if rising else (worst >= stop):
            gapped = not first and ((bar["open"] < stop) if rising else (bar["open"] > stop))
            out = bar["open"] if gapped else stop
            paid = [t - entry for t in targets[:hit]] + [out - entry] * (max(len(targets), 1) - hit)
            return (f"target{hit}" if hit else "stopped"), sum(paid) / len(paid) / (entry - stop)
        if first and ((bar["open"] > high) if rising else (bar["open"] < low)):
            continue
        while hit < len(targets) and ((best >= targets[hit]) if rising else (best <= targets[hit])):
            hit += 1
        if targets and hit == len(targets):
            return f"target{hit}", sum(t - entry for t in targets) / hit / (entry - stop)
    if entry is not None:
        return (f"target{hit}" if hit else "open"), None
    return ("expired" if after[-1]["opened_at"] + step > until else "pending"), None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A signal in half points around 100, and a random walk of up to 40 bars."""
    sign = draw(st.sampled_from([1, -1]))
    cuts = [100.0 + sign * 0.5 * n for n in sorted(draw(st.sets(st.integers(-12, 12), min_size=4, max_size=6)))]
    signal: dict[str, Any] = {"direction": "LONG" if sign > 0 else "SHORT", "stop_loss": cuts[0]}
    signal["entry_low"], signal["entry_high"] = sorted(cuts[1:3])
    signal |= {f"target{k + 1}": cut for k, cut in enumerate(cuts[3:])}
    bars, price = [], 100.0
    for step in draw(st.lists(st.tuples(*[st.integers(-6, 6)] * 2, *[st.integers(0, 6)] * 2), min_size=1, max_size=40)):
        opened = price + 0.5 * step[0]
        price = opened + 0.5 * step[1]
        bars.append((opened, max(opened, price) + 0.5 * step[2], min(opened, price) - 0.5 * step[3], price))
    return signal, bars


@settings(max_examples=150)
@given(cases())
def test_every_walk_ends_as_the_letter_says(
    case: tuple[dict[str, Any], list[tuple[float, float, float, float]]],
) -> None:
    signal, bars = case
    given_signals, given_bars = signals(signal), klines(*bars)
    word, multiple = slow(given_signals.row(0, named=True), given_bars.to_dicts(), STEP)
    found = judge(given_signals, given_bars, STEP)
    assert found["outcome"].item() == word
    assert found["r_multiple"].item() == (None if multiple is None else pytest.approx(multiple))
    # More bars never change a closed signal.
    if multiple is not None:
        later = klines(*bars, (50.0, 150.0, 50.0, 100.0))
        assert judge(given_signals, later, STEP).equals(found)


def test_real_bars_end_as_the_letter_says() -> None:
    """400 signals drawn over 17 months of BTC-USDT."""
    bars = pl.read_parquet(shared("reference/dolphindb-DolphinDBModules/BTC-USDT-SWAP_15min.parquet")).select(
        pl.col("date").alias("opened_at"),
        pl.col("openPrice").alias("open"),
        pl.col("highestPrice").alias("high"),
        pl.col("lowestPrice").alias("low"),
        pl.col("closePrice").alias("close"),
    )
    rng = np.random.default_rng(11)
    step, drawn = timedelta(minutes=15), []
    for n in rng.integers(0, bars.height - 2_000, 400):
        at, close = bars["opened_at"][int(n)], bars["close"][int(n)]
        sign = rng.choice([1, -1])
        stop, low, high, *targets = close * (1 + sign * np.array([-0.02, -0.004, 0.002, 0.01, 0.02, 0.04]))
        drawn.append(
            {
                "known_at": at + timedelta(seconds=int(rng.integers(0, 900))),
                "direction": "LONG" if sign > 0 else "SHORT",
                "entry_low": min(low, high),
                "entry_high": max(low, high),
                "stop_loss": stop,
                **{f"target{k + 1}": targets[k] for k in range(rng.integers(1, 4))},
            }
        )
    given_signals = signals(*drawn)
    found = judge(given_signals, bars, step)
    for n, signal in enumerate(given_signals.iter_rows(named=True)):
        near = bars.filter(pl.col("opened_at").is_between(signal["known_at"], signal["known_at"] + 1_500 * step))
        word, multiple = slow(signal, near.to_dicts(), step)
        assert found["outcome"][n] == word
        assert found["r_multiple"][n] == (None if multiple is None else pytest.approx(multiple))
    assert set(found["outcome"].to_list()) >= {"stopped", "target1", "target2", "target3"}


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (3, 10), (10, 10), (417, 1000)])
def test_wilsons_interval_is_scipys(hits: int, of: int) -> None:
    expected = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    assert wilson(hits, of) == pytest.approx((expected.low, expected.high))


def test_no_outcomes_have_no_interval() -> None:
    assert wilson(0, 0) is None
    with pytest.raises(InputError, match="hits"):
        wilson(2, 1)
