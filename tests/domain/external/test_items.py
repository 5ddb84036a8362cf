"""Items of a feed: the value of each field, and the reason of each item that is put aside."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.external.items import Parsed, normalise
from tests.support.feeds import ITEM


def signal(**changes: Any) -> Parsed:
    items = normalise([ITEM | changes])
    assert items.unfit == []
    return items.signals[0]


def reason(**changes: Any) -> str:
    items = normalise([ITEM | changes])
    assert items.signals == []
    return items.unfit[0].reason


def test_the_documents_example_field_by_field() -> None:
    found = signal(leverage=Decimal("7.50"), note="x")
    assert found.external_id == "1847291"
    assert found.published_at == datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)
    assert (found.exchange, found.coin, found.currency, found.direction) == ("binance", "BTC", "USDT", "LONG")
    assert (found.entry_low, found.entry_high, found.stop_loss, found.ask) == ("94250.5", "94400", "93100", "94325")
    assert (found.target1, found.target2, found.target3) == ("95500", "96200", None)
    assert (found.type, found.risk_level, found.leverage) == ("SHORT TERM", "3", "7.50")
    assert json.loads(found.raw)["note"] == "x"


def test_an_id_is_the_same_as_a_number_and_as_a_text() -> None:
    items = normalise([ITEM, ITEM | {"id": 1847291}])
    assert [each.external_id for each in items.signals] == ["1847291"]
    assert items.unfit == []


@pytest.mark.parametrize("value", ["94250.5", "94250.50", Decimal("94250.5"), "9.42505e4", " 94250.5 "])
def test_the_spelling_of_a_price_is_no_content(value: Any) -> None:
    assert signal(buy_start=value).content_sha256 == signal().content_sha256


def test_every_change_is_content_an_unknown_field_too() -> None:
    hashes = {signal(**change).content_sha256 for change in ({}, {"ask": "1"}, {"note": "x"}, {"target3": "97000"})}
    assert len(hashes) == 4


def test_small_prices_keep_their_digits_and_have_no_exponent() -> None:
    assert signal(ask="1.34e-5").ask == "0.0000134"
    assert signal(ask="0.00001340").ask == "0.00001340"
    assert signal(target1=None, target2="  ").target1 is None


def test_a_zone_written_from_above_is_turned_round() -> None:
    found = signal(buy_start="10", buy_end="9.5")
    assert (found.entry_low, found.entry_high) == ("9.5", "10")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-05-24T11:58:05Z", datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)),
        ("2026-05-24T19:58:05+08:00", datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)),
        ("2026-05-24 11:58:05.250", datetime(2026, 5, 24, 11, 58, 5, 250000, tzinfo=UTC)),
        (1779623885, datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)),
        (1779623885250, datetime(2026, 5, 24, 11, 58, 5, 250000, tzinfo=UTC)),
        ("1779623885", datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)),
        (" 1779623885250 ", datetime(2026, 5, 24, 11, 58, 5, 250000, tzinfo=UTC)),
        ("1779623885250123", datetime(2026, 5, 24, 11, 58, 5, 250123, tzinfo=UTC)),
        (1779623885250123999, datetime(2026, 5, 24, 11, 58, 5, 250123, tzinfo=UTC)),
        (Decimal("1779623885.250123"), datetime(2026, 5, 24, 11, 58, 5, 250123, tzinfo=UTC)),
        ("2026-05-24 11:58:05 UTC", datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC)),
        ("2026-05-24T11:58:05.250123999Z", datetime(2026, 5, 24, 11, 58, 5, 250123, tzinfo=UTC)),
    ],
)
def test_times_in_other_forms_that_can_be_meant_in_one_way_only(value: Any, expected: datetime) -> None:
    assert signal(timestamp=value).published_at == expected


@pytest.mark.parametrize("value", ["24/05/2026 11:58", "05-24-2026 11:58:05", "2026-05-24", "soon", "", None, True, -1])
def test_other_times_are_put_aside(value: Any) -> None:
    assert reason(timestamp=value).startswith("timestamp: expected a time such as 2026-05-24 14:32:05, got ")


@pytest.mark.parametrize("value", ["1e400", "1e999999999", "NaN", "Infinity", "-1", "94,250.5", "abc", True, [1]])
@pytest.mark.parametrize("field", ["buy_start", "target1"])
def test_a_price_that_is_none_is_put_aside(field: str, value: Any) -> None:
    assert reason(**{field: value}).startswith(f"{field}: expected ")


@pytest.mark.parametrize("field", ["buy_start", "buy_end", "stop_loss"])
@pytest.mark.parametrize("value", ["", None])
def test_only_targets_may_be_empty(field: str, value: Any) -> None:
    assert reason(**{field: value}) == f"{field}: expected a price, got nothing"


ZEROS = [0, "0", "0.0", " 0 ", "-0", "0e9", Decimal("0.000")]


@pytest.mark.parametrize("value", [*ZEROS, None, "", " ", "-", "--", "—", "N/A", "null", "None", "nil"])
@pytest.mark.parametrize("field", ["target1", "target3", "ask", "leverage", "risk_level"])
def test_nothing_for_an_optional_price_is_null_and_stays_in_raw(field: str, value: Any) -> None:
    found = signal(**{field: value})
    assert getattr(found, field) is None
    assert found.content_sha256 == signal(**{field: None}).content_sha256
    assert str(json.loads(found.raw)[field]) == str(value)


@pytest.mark.parametrize("value", [*ZEROS, "-", "N/A", "null"])
@pytest.mark.parametrize("field", ["buy_start", "buy_end", "stop_loss"])
def test_nothing_for_a_stop_or_an_entry_is_an_error(field: str, value: Any) -> None:
    assert reason(**{field: value}).startswith(f"{field}: expected a positive number, got ")


@pytest.mark.parametrize("value", [None, "", "  ", "-", "N/A"])
def test_a_type_that_says_nothing_is_null(value: Any) -> None:
    assert signal(type=value).type is None


@pytest.mark.parametrize("value", ["long", " Long ", "LONG", "lOnG"])
def test_a_side_is_one_without_regard_to_case(value: str) -> None:
    assert signal(direction=value).direction == "LONG"


def test_a_whole_number_with_a_point_is_the_same_id() -> None:
    assert signal(id=Decimal("1847291.0")).external_id == "1847291"
    for value in (
        Decimal("1.5"),
        Decimal("9007199254740992.0"),
        Decimal("NaN"),
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
    ):
        assert reason(id=value).startswith("id: expected a text or a whole number, got ")


@pytest.mark.parametrize("value", [None, "", "  ", 1.5, True, {}, "x" * 201, "a\x00b"])
def test_an_item_without_an_id_is_put_aside(value: Any) -> None:
    assert reason(id=value).startswith("id: expected ")


def test_one_bad_item_does_not_keep_the_others_out() -> None:
    items = normalise([ITEM, 5, None, [], "x", ITEM | {"id": 2, "direction": "UP"}, ITEM | {"id": 3}, {}, {}])
    assert [each.external_id for each in items.signals] == ["1847291", "3"]
    assert [each.reason.partition(":")[0] for each in items.unfit] == [*["item"] * 4, "direction", "id"]
    assert items.unfit[4].external_id == "2"


def test_an_id_given_twice_with_different_content_counts_once() -> None:
    items = normalise([ITEM, ITEM | {"ask": "1"}])
    assert [each.ask for each in items.signals] == ["94325"]
    assert items.unfit[0].reason == "id: expected one content for an id, got 1847291 twice, with different content"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(ITEM)), JSON) | JSON, max_size=4))
def test_any_item_is_a_signal_or_put_aside_in_plain_text(items: list[Any]) -> None:
    found = normalise([ITEM | item if isinstance(item, dict) else item for item in items])
    for each in found.signals:
        assert Decimal(each.entry_low) <= Decimal(each.entry_high)
        assert each.raw.isascii()
    for aside in found.unfit:
        assert aside.raw.isascii()
        assert aside.reason.encode()
