"""The simulated feed keeps to the document: parameters, tiers, tables, leverage, codes, repeats, edits."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from countersign.domain.external.feed_simulation import FUTURES, MESSAGES, SimulatedFeed
from countersign.domain.external.items import normalise

NOW = datetime(2026, 5, 24, 12, 0, 30, tzinfo=UTC)
FEED = SimulatedFeed(premium_keys=frozenset({"premium"}))


def ask(now: datetime = NOW, feed: SimulatedFeed = FEED, **form: str) -> dict[str, Any]:
    answer = feed.answer({"api_key": "FREE", "interval": "20"} | form, now)
    assert list(answer) == ["error", "message", "count", "signals"]
    assert answer["count"] == len(answer["signals"])
    return answer


def day(**form: str) -> list[dict[str, Any]]:
    """A day of answers, one after the other."""
    return [each for n in range(72) for each in ask(NOW + timedelta(minutes=20 * n), **form)["signals"]]


@pytest.mark.parametrize(
    ("form", "code", "message"),
    [
        ({"api_key": ""}, 1, "Missing key"),
        ({"type": "FOREVER"}, 1, "Invalid type: FOREVER"),
        ({"interval": "21"}, 1, "Bad parameter: interval must be 1 to 20"),
        ({"interval": "0"}, 1, "Bad parameter: interval must be 1 to 20"),
        ({"interval": "x"}, 1, "Bad parameter: interval must be 1 to 20"),
        ({"api_key": "wrong"}, 5, "Invalid API Key"),
        ({"exchange": "nowhere"}, 0, "No new signals available"),
    ],
)
def test_a_faulty_form_gets_its_code_and_message(form: dict[str, str], code: int, message: str) -> None:
    answer = ask(**form)
    assert (answer["error"], answer["message"], answer["signals"]) == (code, message, [])


def test_every_code_of_the_document_can_be_asked_for() -> None:
    assert {ask(feed=SimulatedFeed(failing=code))["error"] for code in MESSAGES} == {1, 4, 5, 6}


def test_the_same_seed_form_and_time_give_the_same_answer_and_another_seed_another() -> None:
    assert ask() == ask()
    assert ask()["signals"] != ask(feed=SimulatedFeed(seed=8))["signals"]


def test_everything_it_says_is_a_signal_opened_within_the_window() -> None:
    for form in ({}, {"api_key": "premium"}, {"type": "SCALPING"}, {"exchange": "bybit"}):
        found = [normalise(ask(NOW + timedelta(minutes=20 * n), **form)["signals"]) for n in range(72)]
        assert any(each.signals for each in found)
        assert not any(each.unfit for each in found)
    for item in ask(interval="5", api_key="premium")["signals"]:
        assert NOW - timedelta(minutes=5) <= datetime.fromisoformat(item["timestamp"] + "+00:00") <= NOW


def test_premium_and_free_are_different_pools_and_premium_is_larger() -> None:
    free, vip = ({item["id"] for item in day(**form)} for form in ({}, {"api_key": "premium"}))
    assert not free & vip
    assert len(vip) > len(free) > 100


def test_scalping_signals_have_one_target_and_a_narrow_zone() -> None:
    for item in day(type="SCALPING"):
        assert (item["type"], item["risk_level"], item["target2"], item["target3"]) == ("SCALPING", "3", "", "")
        assert item["target1"]
        assert item["exchange"] != "bitmex"
        ask_price = Decimal(item["ask"])
        for side, price in ((-1, item["buy_start"]), (1, item["buy_end"])):
            assert abs(Decimal(price) / ask_price - 1 - side * Decimal("0.001")) < Decimal("0.00002")
    assert not any(item["type"] == "SCALPING" for item in day())


def test_leverage_is_given_only_where_a_futures_exchange_is_asked_for() -> None:
    assert not any("leverage" in item for item in day())
    for exchange in FUTURES:
        items = day(exchange=exchange)
        assert items
        assert all(item["exchange"] == exchange and "leverage" in item for item in items)
    assert not any("leverage" in item for item in day(exchange="binance"))
    assert day(exchange="BINANCE") == []


def test_a_day_has_filtered_repeated_and_edited_signals() -> None:
    assert {item["currency"] for item in day(currency="BTC")} == {"BTC"}
    assert {item["type"] for item in day(api_key="premium", type="LONG TERM")} == {"LONG TERM"}
    assert any(
        len({item["id"] for item in ask(NOW + timedelta(minutes=n))["signals"]})
        < ask(NOW + timedelta(minutes=n))["count"]
        for n in range(60)
    )
    stops: dict[str, set[str]] = {}
    for n in range(120):
        for item in ask(NOW + timedelta(seconds=30 * n), api_key="premium")["signals"]:
            stops.setdefault(item["id"], set()).add(item["stop_loss"])
    edited = [found for found in stops.values() if len(found) > 1]
    assert edited
    assert max(map(len, edited)) == 2


def test_a_closed_signal_is_gone_from_the_answer() -> None:
    early = {item["id"] for item in ask(api_key="premium", interval="2")["signals"]}
    late = {item["id"] for n in range(18) for item in ask(NOW + timedelta(minutes=n), api_key="premium")["signals"]}
    assert early <= late
    assert early - {item["id"] for item in ask(NOW + timedelta(minutes=18), api_key="premium")["signals"]}


def test_a_broken_feed_is_down_in_the_first_minutes_of_an_hour() -> None:
    feed = SimulatedFeed(broken_minutes_an_hour=2)
    assert [feed.is_broken(NOW + timedelta(minutes=n)) for n in range(4)] == [True, True, False, False]
