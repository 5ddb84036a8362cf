"""Moments in every unit and spelling that feeds use, and none that could be meant in two ways."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.moments import EARLIEST, LATEST, from_number, from_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 2026-05-24 14:32:05 UTC is the second 1779633125: `date -u -d '2026-05-24 14:32:05' +%s`.
SECOND = datetime(2026, 5, 24, 14, 32, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "microseconds"),
    [
        (1779633125, 0),
        (1779633125000, 0),
        (1779633125123, 123_000),
        (1779633125123456, 123_456),
        (1779633125123456789, 123_456),
        (Decimal("1779633125.123456789"), 123_456),
        (Decimal("1779633125.999999999999999999999999999999999999"), 999_999),
        (Decimal("1779633125123.5"), 123_500),
        (Decimal("1.779633125e9"), 0),
    ],
)
def test_the_size_of_a_number_tells_its_unit(number: int | Decimal, microseconds: int) -> None:
    assert from_number(number) == SECOND.replace(microsecond=microseconds)


@given(st.integers(0, (LATEST - EARLIEST) // timedelta(microseconds=1) - 1))
def test_every_microsecond_of_the_century_comes_back_from_every_unit_that_can_say_it(after: int) -> None:
    moment = EARLIEST + timedelta(microseconds=after)
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    assert from_number(microseconds) == moment
    assert from_number(microseconds * 1000 + 999) == moment
    assert from_number(Decimal(microseconds).scaleb(-3)) == moment
    assert from_number(Decimal(microseconds).scaleb(-6)) == moment


@pytest.mark.parametrize(
    "number",
    [0, -1, 946_684_799, 4_102_444_800, 4_102_444_800_000, 10**18 * 5, 10**30, 20260524, 20260524143205]
    + [Decimal(text) for text in ("NaN", "sNaN", "Infinity", "1e999999999", "1e-999999999", "-1779633125")],
)
def test_numbers_outside_the_century_are_no_moments(number: int | Decimal) -> None:
    assert from_number(number) is None


def test_the_century_begins_and_ends_where_it_says() -> None:
    assert from_number(946_684_800) == EARLIEST
    assert from_number(4_102_444_799_999_999_999) == LATEST - timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-24 14:32:05",
        " 2026-05-24T14:32:05 ",
        "2026-05-24T14:32:05Z",
        "2026-05-24t14:32:05z",
        "2026-05-24 14:32:05 UTC",
        "2026-05-24 14:32:05 utc",
        "2026-05-24 14:32:05UTC",
        "2026-05-24 14:32:05 GMT",
        "2026-05-24 14:32:05 +0000 UTC",
        "2026-05-24T22:32:05+08:00",
        "2026-05-24 22:32:05 +0800",
        "2026-05-24 22:32:05+08",
        "2026-05-24 22:32:05 UTC+08:00",
        "2026-05-24T10:02:05-04:30",
        "20260524T14:32:05Z",
    ],
)
def test_a_second_is_read_in_all_its_spellings(text: str) -> None:
    assert from_text(text) == SECOND


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [("5", 500_000), ("25", 250_000), ("123456", 123_456), ("123456789", 123_456), ("999999999", 999_999)],
)
@pytest.mark.parametrize("zone", ["", "Z", " UTC", "+00:00"])
def test_fractions_of_a_second_are_cut_to_microseconds(fraction: str, microseconds: int, zone: str) -> None:
    for point in ".,":
        assert from_text(f"2026-05-24 14:32:05{point}{fraction}{zone}") == SECOND.replace(microsecond=microseconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-05-24",
        "2026-05-24+08:00",
        "24/05/2026 14:32",
        "05-24-2026 14:32:05",
        "2026-13-24 14:32:05",
        "2026-05-24 25:00:00",
        "2026-05-24 14:32:05 EST",
        "2026-05-24 14:32:05 +0800 UTC",
        "2026-05-24 14:32:05+99:00",
        "1999-12-31 23:59:59",
        "2100-01-01 00:00:00",
        "1999-12-31T23:59:59Z\n2026",
        "0001-01-01 00:00:00+14:00",
    ],
)
def test_texts_that_are_no_moment_or_more_than_one(text: str) -> None:
    assert from_text(text) is None


def test_the_century_is_that_of_utc() -> None:
    assert from_text("1999-12-31 23:00:00-01:00") == EARLIEST
    assert from_text("2100-01-01 01:00:00+02:00") == LATEST - timedelta(hours=1)
