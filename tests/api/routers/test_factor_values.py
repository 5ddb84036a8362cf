"""Uploads of factor values: every kind of body, refusals, and the sessions that an active factor still takes."""

import io
from datetime import date, timedelta
from typing import Any

import httpx
import orjson
import polars as pl
import pyarrow as pa
import pytest

from countersign.domain.sessions import deadline
from countersign.services.factors.values import read_values
from countersign.store.home import Home
from tests.api.conftest import NINE
from tests.support.factors import (
    FILE,
    LAST,
    PARQUET,
    STREAM,
    SYMBOLS,
    as_json,
    market_of,
    open_one,
    parquet,
    send,
    submit,
    upload,
)

Headers = dict[str, str]
DAY = "2024-12-31"
ROWS = pl.DataFrame({"date": [LAST] * 3, "symbol": SYMBOLS[:3], "value": [0.5, -1.25, 3.0]})


def held(lab: Home, factor: str) -> list[tuple[Any, ...]]:
    """The values of a factor, as the platform reads them."""
    return read_values(lab.lake, [factor]).drop("factor").sort("session", "symbol").rows()


def ipc(frame: pl.DataFrame, *, stream: bool, compression: Any = "uncompressed") -> bytes:
    buffer = io.BytesIO()
    (frame.write_ipc_stream if stream else frame.write_ipc)(buffer, compression=compression)
    return buffer.getvalue()


def arrow(kind: str, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_file if kind == FILE else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_every_kind_of_body_holds_the_same(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    expected = ROWS.sort("symbol").rows()
    as_session = ROWS.rename({"date": "session"})
    table = ROWS.to_arrow()
    at_midnight = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai")
    bodies = [
        ("application/json; charset=utf-8", orjson.dumps(as_json(ROWS))),
        (PARQUET, parquet(ROWS)),
        (PARQUET, parquet(as_session.select("value", "symbol", "session"))),
        (PARQUET, parquet(ROWS.cast({"symbol": pl.Categorical, "date": pl.Datetime("ms"), "value": pl.Float32}))),
        (PARQUET, parquet(ROWS.with_columns(date=pl.lit(DAY)))),
        (PARQUET, parquet(ROWS.with_columns(date=pl.lit(20241231)))),
        (PARQUET, parquet(ROWS.with_columns(date=pl.lit(20241231.0)))),
        (STREAM, ipc(ROWS.with_columns(date=at_midnight), stream=True)),
        (FILE, ipc(ROWS, stream=False)),
        (STREAM, ipc(as_session.cast({"symbol": pl.Categorical}), stream=True)),
        (FILE, arrow(FILE, table)),
        (STREAM, arrow(STREAM, table.set_column(1, "symbol", table["symbol"].cast(pa.string()).dictionary_encode()))),
    ]
    for kind, body in bodies:
        factor = open_one(lab_web, researcher)
        answer = send(lab_web, researcher, factor, body, kind)
        assert answer.json() == {"uploaded": 1, "changed": 1, "skipped": 0, "total_days": 1, "status": "draft"}, kind
        assert held(lab, factor) == expected, kind


def test_dates_that_are_no_sessions_are_skipped_and_counted(
    lab: Home, lab_web: httpx.Client, researcher: Headers
) -> None:
    factor = open_one(lab_web, researcher)
    days = [date(2024, 12, 27) + timedelta(n) for n in range(5)]  # Friday to Tuesday
    frame = pl.concat([ROWS.with_columns(date=pl.lit(day)) for day in days])
    for answer in (upload(lab_web, researcher, factor, frame), _post(lab_web, researcher, factor, as_json(frame))):
        found = answer.json()
        assert [found[name] for name in ("uploaded", "skipped", "total_days")] == [3, 2, 3]
    weekend = as_json(frame.filter(pl.col("date") == days[1]))
    assert _post(lab_web, researcher, factor, weekend).json()["uploaded"] == 0


def _post(web: httpx.Client, headers: Headers, factor: str, body: Any) -> httpx.Response:
    return send(web, headers, factor, body if isinstance(body, bytes) else orjson.dumps(body), "application/json")


def entry(values: Any, day: Any = DAY) -> dict[str, Any]:
    return {"data": [{"date": day, "values": values}]}


@pytest.mark.parametrize(
    ("body", "where", "words"),
    [
        (b'{"data": [{"date": "2024-12-31", "values": {"600000.SH": NaN}}]}', [], "JSON"),
        (b'{"data": [{"date": "2024-12-31", "values": {"600000.SH": Infinity}}]}', [], "JSON"),
        (b'{"data": [{"date": "2024-12-31", "values": {"600000.SH": 1e999}}]}', [], ""),
        (
            b'{"data": [{"date": "2024-12-31", "values": {"600000.SH": 1, "600000.SH": 2}}]}',
            ["data"],
            "'600000.SH' twice",
        ),
        (b'{"data": [], "data": [{"date": "2024-12-31", "values": {"600000.SH": 1}}]}', ["data"], "'data' twice"),
        (
            b'{"data": ['
            + b"[" * 1000
            + b"]" * 1000
            + b'], "data": [{"date": "2024-12-31", "values": {"600000.SH": 1}}]}',
            ["data"],
            "each name once",
        ),
        (entry({}), ["data", 0, "values"], "at least one"),
        (entry({"600000.SH": "1.5"}), ["data", 0, "values", "600000.SH"], "number"),
        (entry({"600000.SH": None}), ["data", 0, "values", "600000.SH"], "number"),
        (entry({"600000.SH": True}), ["data", 0, "values", "600000.SH"], "number"),
        (entry([1.0]), ["data", 0, "values"], "symbol"),
        (
            {
                "data": [
                    *entry({"000001.SZ": 1.0}, "2024-12-30")["data"],
                    *entry({"000001.SZ": 1.0, "600000": 2.0})["data"],
                ]
            },
            ["data", 1, "values", "600000"],
            "six digits",
        ),
        (entry({"600000.SH\n": 1.0}), ["data", 0, "values", "600000.SH\n"], "six digits"),
        (entry({"60:000.SH": 1.0}), ["data", 0, "values", "60:000.SH"], "six digits"),
        (entry({"": 1.0}), ["data", 0, "values", ""], "six digits"),
        (entry({"600000.SH": 1.0}, "1989-12-29"), ["data", 0, "date"], "from 1990-12"),
        (entry({"600000.SH": 1.0}, "9999-12-31"), ["data", 0, "date"], "from 1990-12"),
        (entry({"600000.SH": 1.0}, "31.12.2024"), ["data", 0, "date"], "2026-05-14"),
        (entry({"600000.SH": 1.0}, "2024-02-30"), ["data", 0, "date"], "day"),
        (entry({"600000.SH": 1.0}, 20241231), ["data", 0, "date"], "date"),
        ({"data": entry({"600000.SH": 1.0})["data"] * 2}, ["data", 1, "date"], "once"),
        ({"data": []}, ["data"], "1 to 500"),
        ({"data": [{"date": DAY, "values": {"600000.SH": 1}}] * 501}, ["data"], "got 501"),
        ({"data": [{"date": DAY}]}, ["data", 0], "values"),
        ({"data": [{"date": DAY, "values": {"600000.SH": 1}, "more": 1}]}, ["data", 0], "nothing else"),
        ({"data": {"date": DAY}}, ["data"], "list"),
        ({"data": [], "more": 1}, ["more"], "nothing but data"),
        ([], ["data"], "list"),
        (b"", [], "JSON"),
        (b"\xff\xfe", [], "JSON"),
        (b"[" * 100_000, [], "JSON"),
    ],
)
def test_faulty_json_is_refused_whole(
    lab: Home, lab_web: httpx.Client, researcher: Headers, body: Any, where: list[Any], words: str
) -> None:
    factor = open_one(lab_web, researcher)
    answer = _post(lab_web, researcher, factor, body)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["detail"]
    assert fault["loc"][: 1 + len(where)] == ["body", *where]
    assert words in fault["msg"]
    assert held(lab, factor) == []


ONE = ROWS.head(1)


@pytest.mark.parametrize(
    ("frame", "field", "words"),
    [
        (ONE.with_columns(value=pl.lit(float("nan"))), "value", "600000.SH on 2024-12-31"),
        (ONE.with_columns(value=pl.lit(float("-inf"))), "value", "finite"),
        (ONE.with_columns(value=pl.lit(None, pl.Float64)), "value", "finite"),
        (ONE.with_columns(symbol=pl.lit(None, pl.String)), "symbol", "six digits"),
        (ONE.with_columns(symbol=pl.lit("113999.SH")), "symbol", "113999.SH, a convertible bond"),
        (ONE.with_columns(date=pl.lit(None, pl.Date)), "date", "from 1990-12"),
        (ONE.with_columns(date=pl.lit(date(1, 1, 1))), "date", "from 1990-12"),
        (ONE.select("symbol", "value", session=pl.lit(date(1, 1, 1))), "session", "got '0001-01-01' (600000.SH on"),
        (pl.concat([ROWS, ONE]), "symbol", "each symbol once"),
        (ONE.with_columns(value=pl.lit("1")), "value", "numbers"),
        (ONE.with_columns(value=pl.lit(value=True)), "value", "numbers"),
        (ONE.with_columns(symbol=pl.lit(600000)), "symbol", "texts"),
        (ONE.with_columns(date=pl.lit("31.12.2024")), "date", "got '31.12.2024' in row 1"),
        (ONE.with_columns(date=pl.lit(20088)), "date", "got 20088 in row 1"),  # days since 1970
        (ONE.with_columns(date=pl.lit(1.0, pl.Float32)), "date", "dates"),
        (ONE.with_columns(date=pl.lit(LAST).cast(pl.Datetime("us", "UTC"))), "date", "got 2024-12-31 00:00 UTC in row"),
        (ONE.with_columns(date=pl.lit(LAST).cast(pl.Datetime("us")) + timedelta(hours=15)), "date", "time of day"),
        (ONE.drop("value"), None, "the columns"),
        (ONE.with_columns(more=1), None, "the columns"),
        (ONE.with_columns(session="date"), None, "the columns"),
        (ONE.with_columns(value=pl.concat_list("value")), "value", "numbers"),
        (ONE.clear(), None, "at least one"),
    ],
)
def test_faulty_columns_are_refused_whole(
    lab: Home, lab_web: httpx.Client, researcher: Headers, frame: pl.DataFrame, field: str | None, words: str
) -> None:
    factor = open_one(lab_web, researcher)
    for kind, body in ((PARQUET, parquet(frame)), (STREAM, ipc(frame, stream=True)), (FILE, ipc(frame, stream=False))):
        answer = send(lab_web, researcher, factor, body, kind)
        assert answer.status_code == 422, answer.text
        (fault,) = answer.json()["detail"]
        assert (fault["loc"], words in fault["msg"]) == (["body", field] if field else ["body"], True), fault
    assert held(lab, factor) == []


def test_the_first_and_the_last_there_may_be(lab_web: httpx.Client, researcher: Headers, lab: Home) -> None:
    factor, horizon = open_one(lab_web, researcher), lab.sessions.known_until
    day_after = _post(lab_web, researcher, factor, entry({"600000.SH": 1.0}, str(horizon + timedelta(1))))
    assert (day_after.status_code, day_after.json()["detail"][0]["loc"]) == (422, ["body", "data", 0, "date"])
    days = [str(horizon - timedelta(n)) for n in range(500)]
    body = {"data": [{"date": day, "values": {"600000.SH": 1.0}} for day in days]}
    found = _post(lab_web, researcher, factor, body).json()
    assert found["uploaded"] + found["skipped"] == 500
    assert held(lab, factor)[-1] == (lab.sessions.days[-1], "600000.SH", 1.0)


def test_broken_and_foreign_bodies_are_refused(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    factor = open_one(lab_web, researcher)
    for kind, whole in (
        (PARQUET, parquet(ROWS)),
        (STREAM, arrow(STREAM, ROWS.to_arrow())),
        (FILE, ipc(ROWS, stream=False)),
    ):
        for cut in (0, 3, len(whole) // 2, len(whole) - 9):
            answer = send(lab_web, researcher, factor, whole[:cut], kind)
            if (kind, cut) == (STREAM, len(whole) - 9):
                continue  # a stream may end without its mark
            assert answer.status_code == 422, (kind, cut)
    scribbled = bytearray(parquet(ROWS))
    scribbled[4:40] = b"\xff" * 36
    assert send(lab_web, researcher, factor, bytes(scribbled), PARQUET).status_code == 422
    for kind in ("text/csv", "application/x-www-form-urlencoded", "nonsense"):
        assert send(lab_web, researcher, factor, b"date,symbol,value", kind).status_code == 415
    for squeezed in (ipc(ROWS, stream=True, compression="zstd"), ipc(ROWS, stream=True, compression="lz4")):
        answer = send(lab_web, researcher, factor, squeezed, STREAM)
        assert (answer.status_code, "without compression" in answer.text) == (422, True)
    assert send(lab_web, researcher, factor, b"x" * (33 * 1024 * 1024), PARQUET).status_code == 413


def test_an_active_factor_takes_only_sessions_of_unknown_outcome(
    lab: Home, lab_web: httpx.Client, researcher: Headers
) -> None:
    values = market_of(lab).values["first"]
    factor = submit(lab_web, researcher, "first", values)["id"]
    before = held(lab, factor)
    tomorrow, following = date(2025, 1, 2), date(2025, 1, 3)

    def on(day: date, value: float) -> httpx.Response:
        return upload(lab_web, researcher, factor, ROWS.with_columns(date=pl.lit(day), value=pl.lit(value)))

    refused = on(LAST, 9.0)
    assert (refused.status_code, "is active" in refused.json()["detail"]) == (400, True)
    assert on(date(2020, 1, 2), 9.0).status_code == 400
    assert held(lab, factor) == before
    # The whole history again, a day longer: only that day is news.
    longer = pl.concat([values, ROWS.with_columns(date=pl.lit(tomorrow))])
    answer = upload(lab_web, researcher, factor, longer).json()
    assert answer == {"uploaded": 127, "changed": 1, "skipped": 0, "total_days": 127, "status": "active"}
    try:
        lab.clock.set(deadline(following, "close") - timedelta(microseconds=1))
        assert on(tomorrow, 1.0).json()["changed"] == 1
        lab.clock.set(deadline(following, "close"))
        late = on(tomorrow, 2.0)
        assert (late.status_code, "outcome began to be known" in late.json()["detail"]) == (400, True)
        assert on(tomorrow, 1.0).json()["changed"] == 0
        lab.clock.set(deadline(date(2025, 1, 10), "close"))
        assert on(following, 1.0).json()["changed"] == 1  # late, and kept
        assert on(following, 2.0).status_code == 400
    finally:
        lab.clock.set(NINE)
