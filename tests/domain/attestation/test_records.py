"""Records byte for byte, against bytes written by hand and an independent RFC 8785 program."""

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation import records as a
from countersign.domain.provenance import frame_sha256

DAY = date(2026, 5, 14)
RECEIVED = datetime(2026, 5, 14, 1, 10, 0, 120000, tzinfo=UTC)
NINE_FIFTEEN = datetime(2026, 5, 14, 1, 15, tzinfo=UTC)
THREE = datetime(2026, 5, 14, 7, 0, tzinfo=UTC)
SEAL: dict[str, Any] = {
    "strategy": "alpha",
    "session": DAY,
    "revision": 2,
    "signal_hash": "ab" * 32,
    "symbols_count": 3,
    "universe": "hs300",
    "execution_price": "open",
    "received_at": RECEIVED,
    "deadline": NINE_FIFTEEN,
    "previous": "",
    "simulated": False,
}


def test_a_seal_equals_the_one_written_by_hand() -> None:
    assert a.seal_record(**SEAL) == (
        b'{"deadline":"2026-05-14T01:15:00.000000Z","execution_price":"open","previous":"",'
        b'"received_at":"2026-05-14T01:10:00.120000Z","revision":2,"schema":"countersign/seal/v1",'
        b'"session":"2026-05-14","signal_hash":"' + b"ab" * 32 + b'","simulated":false,"strategy":"alpha",'
        b'"symbols_count":3,"universe":"hs300"}\n'
    )


def test_every_record_is_canonical() -> None:
    terms = a.terms_record(
        strategy="alpha",
        universe="etf_all",
        execution_price="close",
        holding_period=10,
        initial_capital=1_000_000,
        commission_rate=0.0003,
        slippage_rate=0.002,
        created_at=RECEIVED,
    )
    payload = {"revision": 1, "salt": "00", "session": "2026-05-14", "signals": [], "strategy": "alpha"}
    reveal = a.reveal_record(rfc8785.dumps(payload), "cd" * 32)
    for record in (a.seal_record(**SEAL), terms, reveal):
        assert record == rfc8785.dumps(json.loads(record)) + b"\n"
    assert json.loads(terms)["commission_rate"] == "0.0003"
    assert json.loads(reveal)["payload"] == payload


def test_a_record_has_the_path_written_by_hand() -> None:
    shard = hashlib.sha256(b"alpha").hexdigest()[:2]
    assert a.seal_path("alpha", DAY, 2) == f"attestations/2026/2026-05-14/{shard}/alpha.2.json"
    assert a.reveal_path("alpha", DAY, 2) == f"reveals/2026/2026-05-14/{shard}/alpha.2.json"
    assert a.terms_path("alpha") == f"strategies/{shard}/alpha.json"
    assert a.settled_path(DAY, 1) == "settlements/2026/2026-05-14.1.json"
    assert a.timestamp_path("e3" + "0" * 38, "tsa.example") == f"timestamps/e3/e3{'0' * 38}.tsa.example.tsr"
    assert a.authority_name("https://TSA.example/tsr") == "tsa.example"
    assert a.authority_name("http://127.0.0.1:8000/") == "127.0.0.1-8000"


instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants)
def test_an_instant_reads_back(moment: datetime) -> None:
    assert a.parse_instant(a.instant(moment)) == moment


@given(st.floats(0, 1e8, allow_subnormal=False))
def test_a_decimal_is_plain_and_exact(number: float) -> None:
    text = a.decimal(number)
    assert "e" not in text.lower()
    assert float(text) == number
    assert Decimal(text) == Decimal(repr(number))


rows = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.floats(allow_nan=False), st.integers()), max_size=30)


@given(rows)
def test_a_strategys_hash_is_that_of_its_rows_alone(found: list[tuple[str, float | None, int]]) -> None:
    schema = {"strategy": pl.String, "price": pl.Float64, "n": pl.Int64}
    frame = pl.DataFrame([(s, p, n % 2**60) for s, p, n in found], schema=schema, orient="row")
    assert a.strategy_sha256(frame, list("abcde")) == {
        slug: frame_sha256(frame.filter(pl.col("strategy") == slug)) for slug in "abcde"
    }
