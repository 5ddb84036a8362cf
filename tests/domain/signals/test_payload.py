"""Portfolios: valid and refused ones, their spelling, and the bytes that get sealed."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.provenance import canonical, frame_sha256, manifest, object_sha256
from countersign.domain.signals.payload import (
    check_portfolios,
    decode_portfolios,
    encode_portfolios,
    payload,
    signal_hash,
)
from countersign.models.errors import InputError
from tests.support.frames import signals

SYMBOLS = st.builds("{:06d}.{}".format, st.integers(0, 999_999), st.sampled_from(("SH", "SZ", "BJ")))
WEIGHTS = st.floats(0, 1, exclude_min=True) | st.sampled_from((1.0, 1e-7, 5e-324, 0.1 + 0.2, 1e-5, 0.05, 1 / 3))
PORTFOLIOS = st.dictionaries(SYMBOLS, WEIGHTS, min_size=1, max_size=8)


@pytest.mark.parametrize(
    "portfolio",
    [
        {"600519.SH": 1.0},
        {"600519.SH": 5e-324},
        {"600519.SH": 0.7, "000001.SZ": 0.3 + 1e-10},
        dict.fromkeys((f"{n:06d}.SZ" for n in range(5000)), 1 / 5000),
    ],
)
def test_a_valid_portfolio_is_taken(portfolio: Mapping[str, float]) -> None:
    check_portfolios(signals({"a": portfolio}))


@pytest.mark.parametrize(
    ("portfolio", "field"),
    [
        ({"600519.SH": 0.0}, "weight"),
        ({"600519.SH": -0.1}, "weight"),
        ({"600519.SH": 1.0000001}, "weight"),
        ({"600519.SH": float("nan")}, "weight"),
        ({"600519.SH": float("inf")}, "weight"),
        ({"600519.SH": float("-inf")}, "weight"),
        ({"600519.SH": None}, "weight"),
        ({"600519.SH": 0.5, "000001.SZ": 0.5000001}, "weight"),
        ({None: 0.5}, "symbol"),
        ({"": 0.5}, "symbol"),
        ({"600519": 0.5}, "symbol"),
        ({"600519.sh": 0.5}, "symbol"),
        ({"60051.SH": 0.5}, "symbol"),
        ({"6005190.SH": 0.5}, "symbol"),
        ({"600519.SH\n": 0.5}, "symbol"),
        ({" 600519.SH": 0.5}, "symbol"),
        ({"６００５１９.SH": 0.5}, "symbol"),
        ({"600519.HK": 0.5}, "symbol"),
        (dict.fromkeys((f"{n:06d}.SZ" for n in range(5001)), 1 / 5001), "signals"),
        ({"600519.SH": 0.5, "113999.SH": 0.1}, "symbol"),
        ({"000300.SH": 0.5}, "symbol"),
        ({"900901.SH": 0.5}, "symbol"),
        ({"204001.SH": 0.5}, "symbol"),
    ],
)
def test_a_faulty_portfolio_is_refused_with_its_field(portfolio: Mapping[str, float], field: str) -> None:
    with pytest.raises(InputError) as caught:
        check_portfolios(signals({"fine": {"600519.SH": 1.0}, "bad": portfolio}))
    assert caught.value.field == field
    assert "strategy bad" in str(caught.value)


def test_a_symbol_twice_is_refused() -> None:
    more = signals({"b": {"600519.SH": 0.1}, "a": {"600519.SH": 0.2}})
    twice = pl.concat([signals({"a": {"600519.SH": 0.1}}), more])
    with pytest.raises(InputError, match=r"each symbol once .*strategy a, symbol 600519\.SH"):
        check_portfolios(twice)


@given(portfolios=st.dictionaries(st.sampled_from(("a", "b", "c")), PORTFOLIOS, min_size=1))
def test_a_portfolio_is_read_back_as_it_was(portfolios: dict[str, dict[str, float]]) -> None:
    written = encode_portfolios(signals(portfolios))
    assert written["strategy"].to_list() == sorted(portfolios)
    for slug, text, count in written.iter_rows():
        assert count == len(portfolios[slug])
        items = [item.split("=") for item in text.split(" ")]
        assert [symbol for symbol, _ in items] == sorted(portfolios[slug])
        # Plain decimals, without an exponent or needless zeros, that Python reads as the same float.
        assert {symbol: float(weight) for symbol, weight in items} == portfolios[slug]
        assert all(weight == "1" or (weight.startswith("0.") and weight[-1] != "0") for _, weight in items)
        assert set(text) <= set("0123456789.SHZBJ= ")
    back = decode_portfolios(written).select("strategy", "symbol", "weight")
    assert back.equals(signals(portfolios).sort("strategy", "symbol"))


def test_a_weight_is_written_without_an_exponent() -> None:
    weights = {"000001.SZ": 1e-7, "000002.SZ": 0.1 + 0.2, "000003.SZ": 0.05, "000004.SZ": 1.0, "000005.SZ": 0.00001234}
    [text] = encode_portfolios(signals({"a": weights}))["portfolio"]
    expected = "000001.SZ=0.0000001 000002.SZ=0.30000000000000004 000003.SZ=0.05 000004.SZ=1 000005.SZ=0.00001234"
    assert text == expected


@given(
    slug=st.from_regex(r"[a-z0-9][a-z0-9_-]{2,48}", fullmatch=True),
    session=st.dates(),
    revision=st.integers(1, 10**6),
    portfolio=PORTFOLIOS,
    salt=st.binary(min_size=16, max_size=16),
)
def test_the_payload_is_canonical_json(
    slug: str, session: date, revision: int, portfolio: dict[str, float], salt: bytes
) -> None:
    [text] = encode_portfolios(signals({slug: portfolio}))["portfolio"]
    sealed = payload(slug, session, revision, salt.hex(), text)
    fields = json.loads(sealed)
    assert rfc8785.dumps(fields) == sealed
    assert {item["symbol"]: float(item["weight"]) for item in fields["signals"]} == portfolio
    assert {name: fields[name] for name in ("strategy", "session", "revision", "salt")} == {
        "strategy": slug,
        "session": session.isoformat(),
        "revision": revision,
        "salt": salt.hex(),
    }
    assert signal_hash(sealed) == hashlib.sha256(b"countersign/signal/v1\n" + sealed).hexdigest()


VALUES = st.recursive(
    st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ_019", max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_manifests_are_canonical_json(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert object_sha256(value) == hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def test_a_manifest_lists_its_files_by_path() -> None:
    files = [{"path": "b", "rows": 2, "sha256": "22"}, {"path": "a", "rows": 1, "sha256": "11"}]
    text = manifest("2025-01-02", 1, {"bars": "00"}, files)
    assert text == manifest("2025-01-02", 1, {"bars": "00"}, reversed(files))
    assert text.decode() == (
        '{"files":[{"path":"a","rows":1,"sha256":"11"},{"path":"b","rows":2,"sha256":"22"}],'
        '"inputs":{"bars":"00"},"schema":"countersign/settlement/v1","session":"2025-01-02","version":1}'
    )


def test_a_frames_hash_is_that_of_its_csv() -> None:
    frame = pl.DataFrame({"a": ["x", None], "b": [0.1, 1e-7], "c": [date(2025, 1, 2), None], "d": [True, False]})
    expected = "a,b,c,d\nx,0.1,2025-01-02,true\n,1e-7,,false\n"
    assert frame_sha256(frame) == hashlib.sha256(expected.encode()).hexdigest()
