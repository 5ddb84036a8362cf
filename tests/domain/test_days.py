"""Days in every form that files have, and texts that are none. Expected values are of Python's calendar and zones."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.days import read_days
from countersign.domain.tables import Day, Table, clean
from countersign.models.errors import RowError

DAY = date(2024, 3, 6)
SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
NAIVE = datetime(2024, 3, 6)  # noqa: DTZ001 - as files have them


def read(*values: Any, dtype: Any = None) -> list[date | None] | None:
    days = read_days(pl.Series("session", values, dtype=dtype))
    return None if days is None else days.to_list()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (DAY, pl.Date),
        *((text, pl.String) for text in ("2024-03-06", " 2024-03-06 ", "20240306", "20240306.0")),
        *((f"2024-03-06{time}", pl.String) for time in ("T00:00", " 00:00:00", "T00:00:00", " 00:00:00.000000")),
        *((f"2024-03-06{time}", pl.String) for time in ("T00:00:00+08:00", " 00:00:00+08:00", "T00:00:00.000+0800")),
        ("2024-03-06", pl.Categorical),
        *((20240306, dtype) for dtype in (pl.Int32, pl.Int64, pl.UInt32, pl.UInt64, pl.Float64, pl.Decimal(12, 2))),
        *((NAIVE, pl.Datetime(unit)) for unit in ("ms", "us", "ns")),
        *((NAIVE.replace(tzinfo=SHANGHAI), pl.Datetime(unit, "Asia/Shanghai")) for unit in ("ms", "us", "ns")),
    ],
)
def test_a_day_is_read_in_every_form(value: Any, dtype: Any) -> None:
    assert read(value, None, dtype=dtype) == [DAY, None]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *(
            (text, pl.String)
            for text in ("", "soon", "2024-3-6", "24-03-06", "2024-02-30", "2024/03/06", "Mar 6, 2024")
        ),
        *((text, pl.String) for text in ("2024-03-06T15:00:00", "2024-03-06 00:00:01", "2024-03-06T00:00:00.000001")),
        *((text, pl.String) for text in ("2024-03-06T00:00:00Z", "2024-03-05T16:00:00Z", "2024-03-06 00:00:00+00:00")),
        *((text, pl.String) for text in ("0000-01-01", "00000101", "２０２４-０３-０６", "1709654400", "20240306.5")),
        *((number, pl.Int64) for number in (0, 1, 19787, -20240306, 20240230, 1709654400, 2**62)),
        *((number, pl.Float64) for number in (1.5, 20240306.5, 1e300, float("inf"), float("nan"))),
        (2**63, pl.UInt64),
        (NAIVE + timedelta(hours=15), pl.Datetime("us")),
        (NAIVE + timedelta(microseconds=1), pl.Datetime("us")),
        # Midnight in Shanghai, and midnight in Greenwich.
        (datetime(2024, 3, 5, 16, tzinfo=UTC), pl.Datetime("us", "UTC")),
        (datetime(2024, 3, 6, tzinfo=UTC), pl.Datetime("us", "UTC")),
        (datetime(2024, 3, 6, tzinfo=ZoneInfo("Asia/Tokyo")), pl.Datetime("us", "Asia/Tokyo")),
        (datetime(2024, 3, 6, 15, tzinfo=SHANGHAI), pl.Datetime("us", "Asia/Shanghai")),
    ],
)
def test_a_value_that_is_no_day_is_null(value: Any, dtype: Any) -> None:
    assert read(value, dtype=dtype) == [None]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([20240307.0], dtype=pl.Float32),  # which it cannot hold
        pl.Series([True]),
        pl.Series([[20240306]]),
        pl.Series([timedelta(1)]),
        pl.Series([b"20240306"]),
    ],
)
def test_a_column_of_another_type_holds_no_days(values: pl.Series) -> None:
    assert read_days(values) is None


def test_dates_past_every_calendar_are_none() -> None:
    assert read_days(pl.Series([-1_000_000, 10_000_000], dtype=pl.Int32).cast(pl.Date)).to_list() == [None, None]  # type: ignore[union-attr]


@given(st.lists(DAYS, min_size=1))
def test_days_are_the_same_in_every_form(days: list[date]) -> None:
    assert read(*map(str, days)) == days
    assert read(*(f"{day}T00:00:00+08:00" for day in days)) == days
    assert read(*(day.strftime("%Y%m%d").zfill(8) for day in days)) == days
    assert read(*(int(day.strftime("%Y%m%d")) for day in days if day.year >= 1000)) == [
        day for day in days if day.year >= 1000
    ]
    naive = pl.Series(days, dtype=pl.Date).cast(pl.Datetime("us"))
    assert read_days(naive).to_list() == days  # type: ignore[union-attr]


@given(
    st.datetimes(NAIVE - timedelta(days=11_000), NAIVE + timedelta(days=11_000)),
    st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Tokyo"]),
)
def test_an_aware_time_is_a_day_at_midnight_in_the_exchanges_zone_alone(wall: datetime, zone: str) -> None:
    for moment in (wall, wall.replace(hour=0, minute=0, second=0, microsecond=0)):
        aware = moment.replace(tzinfo=ZoneInfo(zone))
        there = aware.astimezone(SHANGHAI)
        midnight = there.replace(tzinfo=None) == moment and not moment.time().isoformat().strip("0:.")
        assert read(aware, dtype=pl.Datetime("us", zone)) == [there.date() if midnight else None]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pl.Series([NAIVE, NAIVE + timedelta(hours=15)]), "got 2024-03-06 15:00 in row 2"),
        (
            pl.Series([datetime(2024, 3, 5, 16, tzinfo=UTC)] * 3),
            "got 2024-03-05 16:00 UTC in row 1 (and in 2 more)",
        ),
        (pl.Series([NAIVE + timedelta(seconds=61)]), "got 2024-03-06 00:01:01 in row 1"),
        (pl.Series([20240306, 19787]), "got 19787 in row 2"),
        (pl.Series(["2024-03-06", "x" * 1000]), f"got '{'x' * 78}… in row 2"),
        (pl.Series([DAY, None]), "got null in row 2"),
    ],
)
def test_a_fault_names_its_row(values: pl.Series, said: str) -> None:
    with pytest.raises(RowError) as caught:
        clean(values.to_frame("session"), Table("signals", {"session": Day()}, key=("session",)))
    assert str(caught.value) == f"session: expected a date, YYYY-MM-DD without a time, {said}"
