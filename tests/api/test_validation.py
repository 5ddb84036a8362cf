"""Validation measures sessions that have closed, on the universe as it was on each of them."""

from datetime import date

import httpx
import polars as pl
import pytest
import sqlalchemy as sa
from sqlmodel import col

from countersign.models.tables.market import UniverseMember
from countersign.services.factors.tracking import read_in_time
from countersign.store.home import Home
from tests.support.factors import LAST, SYMBOLS, market_of, open_one, submit, upload
from tests.support.serving import join

Headers = dict[str, str]


def ahead_of(lab: Home, values: pl.DataFrame, days: list[date]) -> pl.DataFrame:
    """Values, and those of their last day again for sessions to come."""
    last = values.filter(pl.col("date") == values["date"].max())
    return pl.concat([values, *(last.with_columns(date=pl.lit(day)) for day in days)])


def test_values_of_sessions_to_come_pass_no_check(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    noise, to_come = market_of(lab).values["noise"], lab.sessions.between(date(2025, 1, 2), date(2026, 12, 31))
    begin = sorted(noise["date"].unique())[26]
    found = submit(lab_web, researcher, "padded", ahead_of(lab, noise.filter(pl.col("date") >= begin), to_come))
    checks = {check["name"]: (check["passed"], check["value"]) for check in found["checks"]}
    assert (found["status"], found["is"]["data_days"]) == ("rejected", 100)
    assert checks["DATA_COVERAGE"] == (False, 100)
    assert (checks["HIGH_TURNOVER"][0], found["is"]["turnover"] > 0.7) == (False, True)
    assert {row["date"] for row in found["ic_series"]} <= {str(day) for day in noise["date"]}
    # With nothing but such values there is nothing to measure: today's session has not closed either.
    factor = open_one(lab_web, researcher)
    only_ahead = ahead_of(lab, noise, to_come).filter(pl.col("date") > LAST)
    assert upload(lab_web, researcher, factor, only_ahead).json()["status"] == "ready"
    refused = lab_web.post(f"/factors/{factor}/submit", headers=researcher)
    words = "values: expected some of sessions up to 2024-12-31; those of alpha begin 2025-01-02"
    assert (refused.status_code, refused.json()) == (400, {"detail": words})
    assert lab_web.get(f"/factors/{factor}", headers=researcher).json()["status"] == "ready"


def test_values_uploaded_ahead_are_out_of_sample(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    values, first, horizon = market_of(lab).values["first"], date(2025, 1, 2), lab.sessions.days[-1]
    plain = submit(lab_web, join(lab, lab_web), "plain", values)
    found = submit(lab_web, researcher, "ahead", ahead_of(lab, values, [first, date(2025, 6, 3), horizon]))
    assert (found["status"], found["os"]["start_date"]) == ("active", str(first))
    assert [found[name] for name in ("is", "ic_series")] == [plain[name] for name in ("is", "ic_series")]
    with lab.ledger.read() as db:
        in_time = read_in_time(db, lab.sessions, first).filter(pl.col("factor") == found["id"])
    assert in_time.rows() == [(found["id"], first, True)]
    # It was not admitted with them, so they can be replaced until their outcome begins to be known.
    others = ahead_of(lab, values, [first, horizon]).filter(pl.col("date") > LAST).with_columns(pl.col("value") + 1)
    assert upload(lab_web, researcher, found["id"], others).json()["changed"] == 2


def test_coverage_is_of_the_members_on_each_day(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    values = market_of(lab).values["first"].filter(pl.col("symbol") != SYMBOLS[0])
    days = sorted(values["date"].unique())
    stretches = [
        (SYMBOLS[0], days[0], None),  # has no value
        (SYMBOLS[1], days[0], days[62]),
        (SYMBOLS[2], days[63], None),
        ("300001.SZ", days[0], days[62]),  # nor has this one
        (SYMBOLS[3], date(1999, 1, 4), days[0]),
    ]
    with lab.ledger.write() as db:
        for symbol, since, until in stretches:
            db.add(UniverseMember(universe="csi1000", symbol=symbol, since=since, until=until))
    try:
        found = submit(lab_web, researcher, "covering", values, universe="csi1000")
        elsewhere = submit(lab_web, join(lab, lab_web), "elsewhere", values, universe="csi500")
    finally:
        with lab.ledger.write() as db:
            db.execute(sa.delete(UniverseMember).where(col(UniverseMember.universe) == "csi1000"))
    assert len(days) == 126
    assert found["is"]["coverage"] == pytest.approx((2 / 4 + 62 * 1 / 3 + 63 * 1 / 2) / 126)
    assert elsewhere["is"]["coverage"] is None
