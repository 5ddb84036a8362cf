"""Tables handed in: forms that are accepted, and refusals with the name of the field."""

import math
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.market.bars import (
    BAR_TABLE,
    INDEX_TABLE,
    chain_factors,
    fund_level,
    normalise_actions,
    normalise_bars,
    normalise_index_levels,
    normalise_universe,
)
from countersign.models.datasets import BARS, INDEX_LEVELS, MARKS
from countersign.models.errors import InputError

THURSDAY, FRIDAY, SATURDAY = date(2025, 1, 2), date(2025, 1, 3), date(2025, 1, 4)
SESSIONS = {THURSDAY, FRIDAY}


def bars(**columns: object) -> pl.DataFrame:
    """Two good bars of one session, in no order, with columns replaced or (None) left out."""
    base: dict[str, object] = {
        "symbol": ["600519.SH", "000001.SZ"],
        "session": [THURSDAY, THURSDAY],
        "open": [1500.0, 11.0],
        "high": [1510.0, 11.5],
        "low": [1490.0, 10.9],
        "close": [1505.0, 11.2],
        "volume": [10_000, 2_000_000],
    }
    return pl.DataFrame({name: values for name, values in (base | columns).items() if values is not None})


def refusal(frame: pl.DataFrame) -> InputError:
    with pytest.raises(InputError) as caught:
        normalise_bars(frame, SESSIONS)
    return caught.value


def test_the_table_is_the_dataset() -> None:
    assert normalise_bars(bars(), SESSIONS).schema == pl.Schema(BARS.schema)
    levels = pl.DataFrame({"index": ["hs300"], "date": ["2025-01-02"], "close": [3900]})
    assert normalise_index_levels(levels, SESSIONS).schema == pl.Schema(INDEX_LEVELS.schema)
    assert list(BAR_TABLE.columns) == list(BARS.schema)
    assert list(INDEX_TABLE.columns) == list(INDEX_LEVELS.schema)


def test_unsorted_bars_are_sorted_and_absent_columns_are_null() -> None:
    clean = normalise_bars(bars(), SESSIONS)
    assert clean["symbol"].to_list() == ["000001.SZ", "600519.SH"]
    assert clean["volume"].to_list() == [2_000_000.0, 10_000.0]
    assert clean["adj_factor"].null_count() == clean["suspended"].null_count() == clean["limit_up"].null_count() == 2


@pytest.mark.parametrize(
    "days",
    [
        ["2025-01-02", "2025-01-03"],
        ["20250102", "20250103"],
        [20250102, 20250103],
        [THURSDAY, FRIDAY],
        [datetime(2025, 1, 2), datetime(2025, 1, 3)],  # noqa: DTZ001 - as files have them
    ],
)
def test_date_is_read_as_session_in_every_form(days: list[object]) -> None:
    clean = normalise_bars(bars(session=None, date=days), SESSIONS)
    assert clean["session"].to_list() == [THURSDAY, FRIDAY]


def test_text_is_read_as_a_csv_file_has_it() -> None:
    frame = bars().with_columns(pl.lit("True").alias("suspended"), pl.lit("0").alias("is_st")).cast(pl.String)
    clean = normalise_bars(frame, SESSIONS)
    assert clean["close"].to_list() == [11.2, 1505.0]
    assert clean["suspended"].to_list() == [True, True]
    assert clean["is_st"].to_list() == [False, False]


def test_other_types_of_the_same_meaning_are_taken() -> None:
    types: dict[str, Any] = {
        "symbol": pl.Categorical(),
        "close": pl.Decimal(18, 2),
        "open": pl.Float32,
        "volume": pl.UInt32,
    }
    stamped = pl.Series("session", [datetime(2025, 1, 2)] * 2).dt.replace_time_zone("Asia/Shanghai")  # noqa: DTZ001
    clean = normalise_bars(bars().cast(types).with_columns(stamped), SESSIONS)
    assert clean.drop("open").equals(normalise_bars(bars(), SESSIONS).drop("open"))


@pytest.mark.parametrize(
    ("frame", "field", "said"),
    [
        (bars(colour=["red", "red"]), "colour", "an unknown column"),
        (bars(close=None), "close", "a column of bars"),
        (bars(date=[THURSDAY, THURSDAY]), "date", "both session and date"),
        (bars().clear(), "bars", "at least one row"),
        (pl.DataFrame(), "symbol", "a column of bars"),
        (bars(symbol=["600519", "000001.SZ"]), "symbol", "'600519' in row 1"),
        (bars(symbol=["600519.SH", None]), "symbol", "null in row 2"),
        (bars(symbol=["600519.SH", "600519.XX"]), "symbol", "'600519.XX' in row 2"),
        (bars(symbol=["600519.SH", "000001.SZ\n"]), "symbol", "in row 2"),
        (bars(symbol=[600519, 1]), "symbol", "a column of Int64"),
        (bars(session=["2025-01-02", "soon"]), "session", "'soon' in row 2"),
        (bars(session=["2025-02-30", "2025-01-02"]), "session", "'2025-02-30' in row 1"),
        (bars(session=[THURSDAY, None]), "session", "null in row 2"),
        (bars(session=[1.5, 2.5]), "session", "1.5 in row 1"),
        (bars(session=[datetime(2025, 1, 2, 15), datetime(2025, 1, 2)]), "session", "in row 1"),  # noqa: DTZ001
        (bars(session=[THURSDAY, SATURDAY]), "session", "2025-01-04"),
        (bars(session=None, date=[THURSDAY, SATURDAY]), "date", "2025-01-04"),
        (bars(close=[math.nan, 11.2]), "close", "nan in row 1"),
        (bars(volume=[math.nan, 1.0]), "volume", "nan in row 1"),
        (bars(volume=[None, 1.0]), "volume", "null in row 1"),
        (bars(low=[1490.0, -10.9]), "low", "-10.9 in row 2"),
        (bars(volume=[-1, 5]), "volume", "-1 in row 1"),
        (bars(high=[math.inf, 11.5]), "high", "inf in row 1"),
        (bars(amount=[1.0, math.inf]), "amount", "inf in row 2"),
        (bars(close=[1e300, 11.2]), "close", "1e+300 in row 1"),
        (bars(volume=[10**18, 1]), "volume", "in row 1"),
        (bars(adj_factor=[1.0, 0.0]), "adj_factor", "0.0 in row 2"),
        (bars(limit_up=[-1.0, None]), "limit_up", "-1.0 in row 1"),
        (bars(close=["much", "11.2"]), "close", "'much' in row 1"),
        (bars(close=[True, False]), "close", "a column of Boolean"),
        (bars(close=[[1.0], [2.0]]), "close", "a column of List"),
        (bars(suspended=["perhaps", "false"]), "suspended", "'perhaps' in row 1"),
        (bars(is_st=[2, 0]), "is_st", "2 in row 1"),
        (bars(symbol=["600519.SH", "600519.SH"]), "symbol", "several of 2025-01-02, 600519.SH"),
    ],
)
def test_a_fault_is_named_by_column_and_row(frame: pl.DataFrame, field: str, said: str) -> None:
    error = refusal(frame)
    assert error.field == field
    assert said in str(error)


def test_an_error_counts_the_faulty_rows() -> None:
    assert str(refusal(bars(close=[-1.0, -2.0]))).endswith("-1.0 in row 1 (and in 1 more)")


@pytest.mark.parametrize("nothing", [None, "", " "])
@pytest.mark.parametrize("flag", [True, 1, "1", "true"])
def test_a_suspended_bar_may_leave_its_volume_empty(nothing: Any, flag: Any) -> None:
    volumes = pl.Series("volume", [nothing, "5"]).cast(pl.String)
    suspended = pl.Series("suspended", [flag, None])
    clean = normalise_bars(bars().with_columns(volumes, suspended), SESSIONS)
    assert dict(clean.select("symbol", "volume").iter_rows()) == {"600519.SH": 0.0, "000001.SZ": 5.0}
    words = "volume: expected a number from 0 to 1e\\+13, or nothing where suspended is true, got .* in row 2"
    for flags in ([True, False], [True, None]):
        with pytest.raises(InputError, match=words):
            normalise_bars(bars(volume=[None, None], suspended=flags), SESSIONS)
    with pytest.raises(InputError, match="nan in row 1"):
        normalise_bars(bars(volume=[math.nan, 1.0], suspended=[True, True]), SESSIONS)


def test_nan_in_an_optional_column_is_null_and_faults_of_meaning_pass() -> None:
    frame = bars(amount=[math.nan, 1.0], open=[0.0, None], high=[1.0, 2.0])
    clean = normalise_bars(frame, SESSIONS)
    assert clean["amount"].to_list() == [1.0, None]
    assert clean["open"].to_list() == [None, 0.0]


@given(st.permutations(range(6)))
def test_the_order_of_rows_never_matters(order: list[int]) -> None:
    frame = pl.concat([bars(), bars(session=[FRIDAY] * 2), bars(symbol=["300750.SZ", "920001.BJ"])])
    assert normalise_bars(frame[order], SESSIONS).equals(normalise_bars(frame, SESSIONS))


@given(
    st.dictionaries(
        st.sampled_from([*BARS.schema, "date", "colour"]),
        st.lists(
            st.one_of(st.none(), st.text(max_size=4), st.integers(), st.floats(), st.booleans(), st.dates()),
            min_size=2,
            max_size=2,
        ),
        max_size=3,
    )
)
def test_any_table_is_clean_or_refused(columns: dict[str, list[object]]) -> None:
    frame = pl.DataFrame(bars(**dict.fromkeys(columns)).to_dict(as_series=False))
    frame = frame.with_columns(pl.Series(name, values, strict=False) for name, values in columns.items())
    try:
        clean = normalise_bars(frame, SESSIONS)
    except InputError:
        return
    assert clean.schema == pl.Schema(BARS.schema)
    assert clean["volume"].is_finite().all()
    assert normalise_bars(clean, SESSIONS).equals(clean)


def test_index_levels_are_of_known_indices_and_above_zero() -> None:
    for column, value in (("index", "sp500"), ("close", 0.0), ("close", None), ("session", "2025-01-04")):
        row = {"index": "hs300", "session": "2025-01-02", "close": 3900.0} | {column: value}
        with pytest.raises(InputError) as caught:
            normalise_index_levels(pl.DataFrame([row]), SESSIONS)
        assert caught.value.field == column


def members(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["universe", "symbol", "since", "until"], orient="row")


def test_members_may_come_back_but_not_overlap() -> None:
    first = ("hs300", "600519.SH", "2020-01-01", "2021-01-01")
    clean = normalise_universe(members(("hs300", "600519.SH", "2022-01-01", None), first))
    assert clean["since"].to_list() == [date(2020, 1, 1), date(2022, 1, 1)]
    for second, field in (
        (("hs300", "600519.SH", "2021-01-01", None), "since"),
        (("hs300", "000001.SZ", "2021-01-01", "2020-12-31"), "until"),
        (("nasdaq", "000001.SZ", "2021-01-01", None), "universe"),
    ):
        with pytest.raises(InputError) as caught:
            normalise_universe(members(first, second))
        assert caught.value.field == field
    with pytest.raises(InputError, match="since"):
        normalise_universe(
            members(("hs300", "600519.SH", "2020-01-01", None), ("hs300", "600519.SH", "2022-01-01", None))
        )


def test_a_symbol_of_no_share_or_fund_is_refused_by_name_and_row_of_the_file() -> None:
    for symbol, words in (
        ("113999.SH", "113999.SH, a convertible bond in row 2"),
        ("204001.SH", "204001.SH, a repo in row 2"),
        ("000300.SH", "000300.SH, an index in row 2"),
        ("900901.SH", "900901.SH, a B share in row 2"),
        ("200011.SZ", "200011.SZ, a B share in row 2"),
    ):
        error = refusal(bars(symbol=["600519.SH", symbol]))
        assert error.field == "symbol"
        assert words in str(error)
        with pytest.raises(InputError, match="row 1") as caught:
            normalise_universe(members(("hs300", symbol, "2022-01-01", None)))
        assert caught.value.field == "symbol"
        with pytest.raises(InputError, match="row 1") as caught:
            normalise_actions(
                pl.DataFrame([{"symbol": symbol, "session": "2025-01-02", "cash": 1.0, "bonus": 0}]), SESSIONS
            )
        assert caught.value.field == "symbol"


def test_actions_are_of_sessions_and_leave_something() -> None:
    good = {"symbol": "600519.SH", "session": "2025-01-02", "cash": 27.673, "bonus": 0}
    assert normalise_actions(pl.DataFrame([good]), SESSIONS)["cash"].to_list() == [27.673]
    assert normalise_actions(pl.DataFrame([good | {"bonus": -0.5}]), SESSIONS)["bonus"].to_list() == [-0.5]
    for column, value in (("cash", -1.0), ("bonus", -1.0), ("bonus", -1.5), ("bonus", None), ("session", "2025-01-04")):
        with pytest.raises(InputError) as caught:
            normalise_actions(pl.DataFrame([good | {column: value}]), SESSIONS)
        assert caught.value.field == column


def marks(*rows: tuple[str, date, float, float | None]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["symbol", "bar_session", "close", "adj_factor"], orient="row")
    return frame.select("symbol", pl.lit(THURSDAY).alias("session"), "bar_session", "close", "adj_factor").cast(
        pl.Schema(MARKS.schema)
    )


def test_factors_follow_from_reference_prices() -> None:
    """A dividend of 0.50 at a close of 10.00 makes a reference of 9.50: the factor grows by 10/9.5 = 1.052632."""
    frame = bars(
        symbol=["600000.SH", "000001.SZ", "300750.SZ", "920001.BJ"],
        **{name: [10.0] * 4 for name in ("open", "high", "low", "close", "volume")},
        session=[FRIDAY] * 4,
    )
    reference = pl.DataFrame(
        {"symbol": ["600000.SH", "000001.SZ", "300750.SZ", "920001.BJ"], "pre_close": [9.5, 10.0, 9.5, 7.0]}
    )
    earlier = marks(
        ("600000.SH", THURSDAY, 10.0, 2.0),
        ("000001.SZ", THURSDAY, 10.0, None),
        ("300750.SZ", date(2024, 12, 31), 10.0, 3.0),
    )
    filled = chain_factors(normalise_bars(frame, SESSIONS), reference, earlier, THURSDAY)
    assert dict(filled.select("symbol", "adj_factor").iter_rows()) == {
        "600000.SH": 2.105263,  # 2 × 10 / 9.5
        "000001.SZ": 1.0,  # known since yesterday, without a factor
        "300750.SZ": 3.0,  # not seen yesterday: the price may have moved by itself
        "920001.BJ": 1.0,  # never seen
    }
    assert filled.schema == pl.Schema(BARS.schema)


def test_the_level_of_all_funds_is_their_mean_total_return() -> None:
    """Up 10 %, and down 4 % with a factor that grows by 1.25, which is up 20 %: the mean is 15 %."""
    frame = bars(
        symbol=["510300.SH", "159915.SZ", "161725.SZ", "600000.SH"],
        session=[FRIDAY] * 4,
        close=[1.1, 0.96, 5.0, 99.0],
        adj_factor=[1.0, 2.5, 1.0, 1.0],
        **{name: [1.0] * 4 for name in ("open", "high", "low", "volume")},
    )
    funds = normalise_bars(frame, SESSIONS)
    earlier = marks(
        ("510300.SH", THURSDAY, 1.0, 1.0),
        ("159915.SZ", THURSDAY, 1.0, 2.0),
        ("161725.SZ", date(2024, 12, 31), 1.0, 1.0),
        ("600000.SH", THURSDAY, 10.0, 1.0),
    )
    assert fund_level(funds, earlier, (THURSDAY, 2000.0)) == 2300.0
    assert fund_level(funds, earlier, None) == 1000.0
    assert fund_level(funds, earlier, (date(2024, 12, 30), 2000.0)) is None
    assert fund_level(normalise_bars(bars(), SESSIONS), earlier, (THURSDAY, 2000.0)) is None
