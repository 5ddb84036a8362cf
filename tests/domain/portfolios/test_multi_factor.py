"""Portfolios of factors against a slow one in plain Python, by hand, and by their laws."""

import math
import statistics
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.portfolios.multi_factor import Combined, combine
from countersign.models.errors import InputError
from tests.support.factor_worlds import calendar

DAYS = calendar(12)
TODAY, NEWEST = DAYS[10], DAYS[9]
Values = dict[str, float]


def frames(
    portfolios: dict[str, tuple[str, int, list[str]]],
    factors: dict[str, tuple[float | None, float | None]],
    values: dict[str, tuple[date, Values]],
) -> dict[str, Any]:
    rows = [(name, weighting, top_n) for name, (weighting, top_n, _) in portfolios.items()]
    members = [(name, member) for name, (_, _, own) in portfolios.items() for member in own]
    cells = [(name, day, symbol, value) for name, (day, own) in values.items() for symbol, value in own.items()]
    schemas = {"factor": pl.String, "session": pl.Date, "symbol": pl.String, "value": pl.Float64}
    strength = {"factor": pl.String, "ic_mean": pl.Float64, "ic_ir": pl.Float64}
    return {
        "portfolios": pl.DataFrame(rows, ["portfolio", "weighting", "top_n"], orient="row"),
        "members": pl.DataFrame(members, {"portfolio": pl.String, "factor": pl.String}, orient="row"),
        "factors": pl.DataFrame([(name, *figures) for name, figures in factors.items()], strength, orient="row"),
        "values": pl.DataFrame(cells, schemas, orient="row"),
        "sessions": DAYS,
    }


def slow_choice(
    weighting: str, top_n: int, figures: list[tuple[float, float]], values: list[Values]
) -> dict[str, float]:
    """The rules of a portfolio's signal, one after another."""
    z = []
    for own in values:
        mean, flat = statistics.fmean(own.values()), len(set(own.values())) == 1
        z.append({s: 0.0 if flat else (v - mean) / statistics.stdev(own.values()) for s, v in own.items()})
    share = [abs(ir) for _, ir in figures] if weighting == "ic_weighted" else [1.0] * len(figures)
    common = set.intersection(*(set(own) for own in values))
    parts = [ratio / sum(share) * math.copysign(1, mean) for ratio, (mean, _) in zip(share, figures, strict=True)]
    score = {s: round(sum(part * own[s] for part, own in zip(parts, z, strict=True)), 10) for s in common}
    best = sorted(common, key=lambda s: (-score[s], s))[:top_n]
    return dict.fromkeys(sorted(best), 1 / top_n)


def chosen(combined: Combined, portfolio: str) -> dict[str, float]:
    return dict(combined.weights.filter(pl.col("portfolio") == portfolio).select("symbol", "weight").iter_rows())


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_signals_are_those_of_the_rules_one_after_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"{i:06}.SZ" for i in range(30)]
    figures, values = {}, {}
    for i in range(6):
        own = rng.choice(names, 24, replace=False)
        cells = np.round(rng.normal(size=24), int(rng.integers(0, 3))) if i else np.full(24, 7.3)
        figures[f"f{i}"] = (float(rng.normal()), float(rng.normal()))
        values[f"f{i}"] = (DAYS[int(rng.integers(5, 10))], dict(zip(own.tolist(), cells.tolist(), strict=True)))
    portfolios = {}
    for p in range(4):
        own = rng.choice(list(values), int(rng.integers(2, 5)), replace=False).tolist()
        portfolios[f"p{p}"] = (["equal", "ic_weighted"][p % 2], int(rng.integers(1, 40)), own)
    given_frames = frames(portfolios, figures, values)
    combined = combine(TODAY, **given_frames)
    assert combined.failures.is_empty()
    for name, (weighting, top_n, own) in portfolios.items():
        members = sorted(own)
        expected = slow_choice(weighting, top_n, [figures[f] for f in members], [values[f][1] for f in members])
        assert chosen(combined, name) == pytest.approx(expected)
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=seed) if isinstance(frame, pl.DataFrame) else frame
        for name, frame in given_frames.items()
    }
    again = combine(TODAY, **shuffled)
    assert again.weights.equals(combined.weights)


def test_a_factor_with_a_negative_ic_is_bought_the_right_way_up() -> None:
    falling = {f"{i:06}.SZ": float(i) for i in range(20)}
    good = {"a": (-0.05, -0.4), "b": (-0.02, -0.2)}
    both = dict.fromkeys(good, (NEWEST, falling))
    best = chosen(combine(TODAY, **frames({"p": ("equal", 5, ["a", "b"])}, good, both)), "p")
    assert best == {f"{i:06}.SZ": 0.2 for i in range(5)}
    upright = {"a": (0.05, 0.4), "b": (0.02, 0.2)}
    best = chosen(combine(TODAY, **frames({"p": ("equal", 5, ["a", "b"])}, upright, both)), "p")
    assert best == {f"{i:06}.SZ": 0.2 for i in range(15, 20)}
    # Opposed and of one size, they leave no order but that of the symbols; the larger ratio decides where it counts.
    opposed = {"a": (0.05, 0.4), "b": (-0.02, -0.8)}
    portfolios = {"p": ("equal", 5, ["a", "b"]), "q": ("ic_weighted", 5, ["a", "b"])}
    combined = combine(TODAY, **frames(portfolios, opposed, both))
    assert chosen(combined, "p") == chosen(combined, "q") == {f"{i:06}.SZ": 0.2 for i in range(5)}
    opposed["a"] = (0.05, 0.9)
    assert min(chosen(combine(TODAY, **frames(portfolios, opposed, both)), "q")) == "000015.SZ"


def test_fewer_common_symbols_than_top_n_leave_cash() -> None:
    values = {"a": (NEWEST, {"x": 1.0, "y": 2.0, "z": 3.0}), "b": (NEWEST, {"y": 5.0, "z": 5.0, "w": 5.0})}
    combined = combine(TODAY, **frames({"p": ("equal", 4, ["a", "b"])}, {"a": (0.1, 1.0), "b": (0.1, 1.0)}, values))
    assert combined.weights.rows() == [("p", "y", 0.25), ("p", "z", 0.25)]


def test_huge_and_tiny_values_have_scores() -> None:
    for size in (1e308, 1e-308):
        values = {name: (NEWEST, {"x": -size, "y": size, "z": 0.0}) for name in ("a", "b")}
        combined = combine(TODAY, **frames({"p": ("equal", 1, ["a", "b"])}, {"a": (0.1, 1), "b": (0.1, 1)}, values))
        assert combined.weights.rows() == [("p", "y", 1.0)]


def test_why_there_is_no_signal_is_data() -> None:
    figures = {
        "fresh": (0.1, 1.0),
        "five_old": (0.1, 1.0),
        "six_old": (0.1, 1.0),
        "empty": (0.1, 1.0),
        "elsewhere": (0.1, 1.0),
        "aimless": (None, 0.0),
        "weightless": (0.1, None),
    }
    cells = {"x": 1.0, "y": 2.0}
    values = dict.fromkeys(("fresh", "aimless", "weightless"), (NEWEST, cells))
    values |= {"five_old": (DAYS[5], cells), "six_old": (DAYS[4], cells), "elsewhere": (NEWEST, {"u": 1.0, "v": 2.0})}
    pairs = {name: ("equal", 2, ["fresh", name]) for name in figures if name != "fresh"}
    portfolios = {**pairs, "both": ("equal", 2, ["six_old", "empty"]), "none": ("equal", 2, [])}
    portfolios["weighted"] = ("ic_weighted", 2, ["fresh", "weightless"])
    combined = combine(TODAY, **frames(portfolios, figures, values))
    assert combined.failures.rows() == [
        ("aimless", "NO_DIRECTION", ["aimless"]),
        ("both", "NO_VALUES", ["empty"]),
        ("elsewhere", "NO_COMMON_SYMBOL", ["elsewhere", "fresh"]),
        ("empty", "NO_VALUES", ["empty"]),
        ("none", "NO_FACTORS", []),
        ("six_old", "STALE_VALUES", ["six_old"]),
        ("weighted", "NO_DIRECTION", ["weightless"]),
    ]
    assert combined.weights["portfolio"].unique().sort().to_list() == ["five_old", "weightless"]
    nothing = combine(TODAY, **frames(portfolios, figures, {}))
    assert nothing.weights.is_empty()
    assert set(nothing.failures["reason"]) == {"NO_VALUES", "NO_FACTORS"}


BAD = {
    "portfolios": {"portfolios": pl.DataFrame({"portfolio": ["p", "p"], "weighting": ["equal"] * 2, "top_n": [5, 5]})},
    "portfolios.weighting": {"portfolios": pl.DataFrame({"portfolio": ["p"], "weighting": ["best"], "top_n": [5]})},
    "portfolios.top_n": {"portfolios": pl.DataFrame({"portfolio": ["p"], "weighting": ["equal"], "top_n": [0]})},
    "members.factor": {"members": pl.DataFrame({"portfolio": ["p"], "factor": ["c"]})},
    "members.portfolio": {"members": pl.DataFrame({"portfolio": ["q"], "factor": ["a"]})},
    "members": {"members": pl.DataFrame({"portfolio": ["p", "p"], "factor": ["a", "a"]})},
    "factors": {"factors": pl.DataFrame({"factor": ["a", "a"], "ic_mean": [0.1] * 2, "ic_ir": [0.1] * 2})},
    "sessions": {"sessions": DAYS[10:]},
}


@pytest.mark.parametrize("field", BAD)
def test_bad_frames_are_refused_by_name(field: str) -> None:
    sound = frames({"p": ("equal", 5, ["a"])}, {"a": (0.1, 1.0)}, {"a": (NEWEST, {"x": 1.0})})
    with pytest.raises(InputError) as error:
        combine(TODAY, **sound | BAD[field])
    assert error.value.field == field


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"session": [TODAY, TODAY]}, "sessions before"),
        ({"session": [NEWEST, DAYS[8]]}, "one session a factor"),
        ({"value": [1.0, math.nan]}, "finite"),
        ({"symbol": ["x", "x"]}, "one value a symbol"),
    ],
)
def test_bad_values_are_refused(change: dict[str, Any], message: str) -> None:
    sound = frames({"p": ("equal", 5, ["a"])}, {"a": (0.1, 1.0)}, {"a": (NEWEST, {"x": 1.0, "y": 2.0})})
    values = sound["values"].with_columns(pl.Series(name, column) for name, column in change.items())
    with pytest.raises(InputError, match=message):
        combine(TODAY, **sound | {"values": values})
