"""The feed `generic_json` over real HTTP: items that a mapping makes of an answer, and fields that it finds nowhere."""

import json
from typing import Any

import pytest

from tests.support import listed
from tests.support.feeds import KEY, ask
from tests.support.services import Reply, serve

MAPPING = {
    "items": "data.list",
    "fields": {"id": "no", "timestamp": "at", "coin": "pair.base", "direction": "side", "buy_start": "price"},
    "constants": {"exchange": "venue", "currency": "USDT"},
    "directions": {"1": "LONG", "2": "SHORT"},
    "params": {"limit": "50"},
    "filters": {"type": "horizon"},
    "window_param": "minutes",
    "key_param": "token",
}


def test_a_mapping_makes_items_of_an_answer() -> None:
    asked: list[dict[str, Any]] = []
    rows = [
        {"no": 7, "at": "2026-05-24T11:58:05Z", "pair": {"base": "BTC"}, "side": 1, "price": 10.50, "extra": True},
        {"no": 8, "side": "2"},
        "nonsense",
    ]

    def answer(_path: str, query: dict[str, Any]) -> Reply:
        asked.append(query)
        return Reply({"data": {"list": rows}})

    terms = {"adapter": "generic_json", "key": KEY, "settings": json.dumps(MAPPING)}
    with serve(answer) as url:
        found, _ = ask(url, 9, type="LONG TERM", **terms)
        assert ask(url, exchange="elsewhere", **terms)[0] == ["nonsense"]
    assert asked[0] == {"limit": "50", "horizon": "LONG TERM", "minutes": "9", "token": KEY}
    assert found[0]["coin"] == "BTC"
    assert [each["direction"] for each in found[:2]] == ["LONG", "SHORT"]
    assert (found[0]["exchange"], str(found[0]["buy_start"])) == ("venue", "10.5")
    assert found[0]["other"] == {"pair": {"base": "BTC"}, "extra": True}
    assert found[1]["coin"] is None
    assert found[2] == "nonsense"


def ask_mapped(answer: Any, mapping: dict[str, Any], **terms: Any) -> tuple[list[Any], Any]:
    with serve(lambda _path, _query: Reply(answer)) as url:
        return ask(url, adapter="generic_json", settings=json.dumps(mapping), **terms)


def test_targets_in_a_list_are_mapped_one_by_one() -> None:
    items, missing = ask_mapped({"data": [listed.ITEM]}, listed.MAPPING)
    assert [items[0][f"target{n}"] for n in (1, 2, 3)] == [105, 110, 115]
    assert items[0]["other"] == {"targets": [105, 110, 115]}
    assert missing == ()


def test_a_number_in_a_path_is_a_name_first_and_items_may_be_lists() -> None:
    fields = {"id": "0", "coin": "1.0", "buy_start": "1.2.0"}
    answer = {"pages": [{"rows": [[7, ["BTC", "USDT", {"0": 10}], "more"], {"0": 8, "1": {"0": "ETH"}}]}]}
    (row, item), missing = ask_mapped(answer, {"items": "pages.0.rows", "fields": fields})
    assert (row["id"], row["coin"], row["buy_start"]) == (7, "BTC", 10)
    assert row["other"] == {"1": ["BTC", "USDT", {"0": 10}], "2": "more"}
    assert (item["id"], item["coin"], item["buy_start"]) == (8, "ETH", None)
    # Fields that an item needs and the answer lacks.
    assert missing == ("timestamp", "direction", "exchange", "currency", "buy_end", "stop_loss")


@pytest.mark.parametrize("said", ["buy", "BUY", " Buy ", True, "TRUE", 1])
def test_the_feeds_words_for_a_side_count_without_regard_to_case(said: Any) -> None:
    directions = {" bUY ": "LONG", "true": "LONG", "1": "LONG", "sell": "SHORT"}
    ((item,), _) = ask_mapped([{"side": said}], {"fields": {"direction": "side"}, "directions": directions})
    assert item["direction"] == "LONG"


def test_a_mapping_entered_before_spellings_were_compared_keeps_its_meaning() -> None:
    mapping = {"fields": {"direction": "side"}, "directions": {"B": "LONG", "b": "SHORT"}}
    items, _ = ask_mapped([{"side": "B"}, {"side": "b"}, {"side": "x"}, {"side": None}, {"side": []}], mapping)
    assert [each["direction"] for each in items] == ["LONG", "SHORT", "x", None, []]


def test_a_field_that_no_item_had_is_named_though_a_filter_leaves_none() -> None:
    fields = listed.MAPPING["fields"] | {"exchange": "venue"}
    found = ask_mapped({"data": [listed.ITEM] * 2}, listed.MAPPING | {"fields": fields}, exchange="binance")
    assert found == ([], ("exchange",))
    empty = listed.ITEM | {"targets": [None, None, None]}
    assert ask_mapped({"data": [empty]}, listed.MAPPING)[1] == ()
    assert ask_mapped({"data": []}, listed.MAPPING) == ([], None)
