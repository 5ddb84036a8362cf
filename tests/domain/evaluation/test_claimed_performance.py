"""Figures of a claimed performance by its own records."""

from math import sqrt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.evaluation.claimed_performance import lay_out, read_records, summarise, tabulate, write_records
from tests.support.evaluation import day

NAVS = st.lists(st.floats(5e-324, 1e10), min_size=2, max_size=20)


def test_figures_of_a_claim_equal_those_worked_by_hand() -> None:
    records = read_records(write_records((day(n), nav) for n, nav in enumerate((200.0, 220.0, 198.0, 237.6))))
    found = summarise(records)
    # Returns 10 %, −10 %, 20 %: mean 1/15, squared deviations 1/900, 1/36, 4/225.
    assert (found.start_date, found.end_date, found.data_points) == (day(0), day(3), 4)
    assert found.total_return == pytest.approx(0.188)
    assert found.sharpe == pytest.approx((1 / 15) / sqrt((1 / 900 + 1 / 36 + 4 / 225) / 2) * sqrt(252))
    assert found.max_drawdown == pytest.approx(0.1)
    shown = lay_out(records, day(2)).to_dict(as_series=False)
    assert shown["nav"] == pytest.approx([1.0, 1.1, 0.99, 1.188])
    assert shown["daily_return"] == [None, *map(pytest.approx, (0.1, -0.1, 0.2))]
    assert shown["cumulative_return"] == pytest.approx([0.0, 0.1, -0.01, 0.188])
    assert shown["drawdown"] == pytest.approx([0.0, 0.0, 0.1, 0.0])
    assert shown["after_activation"] == [False, False, True, True]


def test_of_two_records_there_is_no_sharpe_ratio() -> None:
    found = summarise(read_records(write_records([(day(0), 2.0), (day(1), 1.0)])))
    assert (found.total_return, found.sharpe, found.max_drawdown) == (-0.5, None, 0.5)


@given(NAVS)
def test_numbers_come_back_to_the_bit_and_nothing_undefined_gets_out(navs: list[float]) -> None:
    text = write_records((day(n), nav) for n, nav in enumerate(navs))
    records = read_records(text)
    assert records.rows() == [(day(n), nav) for n, nav in enumerate(navs)]
    shown = lay_out(records, day(1))
    assert not any(shown.select((pl.col(pl.Float64).is_nan() | pl.col(pl.Float64).is_infinite()).any()).row(0))
    summary = summarise(records)
    assert all(value is None or abs(value) < float("inf") for value in (summary.total_return, summary.sharpe))


def test_the_lens_has_each_from_one() -> None:
    uploads = pl.DataFrame(
        {
            "strategy": ["a", "b"],
            "activated_on": [day(1), day(9)],
            "records": [write_records([(day(0), 4.0), (day(1), 5.0)]), write_records([(day(3), 10.0), (day(4), 9.0)])],
        }
    )
    assert tabulate(uploads).rows() == [
        ("a", day(0), 1.0, False),
        ("a", day(1), 1.25, True),
        ("b", day(3), 1.0, False),
        ("b", day(4), 0.9, False),
    ]
    assert tabulate(uploads.clear()).rows() == []
