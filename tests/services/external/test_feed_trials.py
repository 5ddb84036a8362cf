"""Trying a feed: the items of one poll, each with its outcome, with nothing kept and no key shown."""

import json
import logging
from typing import Any

import pytest

from countersign.models.errors import InputError, SourceBusy, SourceRefused
from countersign.models.feeds import FeedTerms
from countersign.services.external.feed_trials import try_feed
from countersign.sources.external.generic_json import GenericFeed
from tests.support import listed
from tests.support.feeds import ITEM, KEY, envelope, raw_feed, reply
from tests.support.services import Reply, serve


def terms(url: str, **more: Any) -> FeedTerms:
    return FeedTerms(name="feed", url=url, **({"adapter": "cqs"} | more))


def test_items_are_shown_in_order_with_their_outcomes() -> None:
    items = [ITEM, ITEM | {"id": 2, "buy_start": "0"}, ITEM, ITEM | {"ask": "1"}, "nonsense", "nonsense"]
    with raw_feed(lambda _: reply(envelope(*items))) as url:
        found = try_feed(terms(url))
    assert found.items[0] == {
        "item": 1,
        "becomes": "signal",
        "id": "1847291",
        "time": "2026-05-24T11:58:05+00:00",
        "exchange": "binance",
        "pair": "BTC/USDT",
        "direction": "LONG",
        "entry": ["94250.5", "94400"],
        "stop": "93100",
        "targets": ["95500", "96200", None],
        "type": "SHORT TERM",
    }
    assert [(row["item"], row["becomes"], row["id"]) for row in found.items[1:]] == [
        (2, "quarantined", "2"),
        (3, "repeated", "1847291"),
        (4, "quarantined", "1847291"),
        (5, "quarantined", None),
        (6, "repeated", None),
    ]
    assert found.items[1]["reason"] == 'buy_start: expected a positive number, got "0"'
    assert (found.signals, found.quarantined, found.repeated) == (1, 3, 2)
    assert (found.missing_fields, found.window_minutes) == ([], 20)


def test_a_mapped_field_that_leads_nowhere_is_named() -> None:
    mapping = listed.MAPPING | {"fields": listed.MAPPING["fields"] | {"target3": "targets.3", "ask": "price"}}
    with serve(lambda _path, _query: Reply({"data": [listed.ITEM]})) as url:
        found = try_feed(terms(url, adapter="generic_json", settings=json.dumps(mapping)))
    assert found.items[0]["targets"] == ["105", "110", None]
    assert (found.signals, found.missing_fields) == (1, ["target3", "ask"])


def test_a_feed_that_refuses_or_is_away_is_an_error_and_terms_that_cannot_be_are_never_sent() -> None:
    body = envelope(error=5, message=f"Invalid API Key {KEY}")
    with raw_feed(lambda _: reply(body)) as url, pytest.raises(SourceRefused, match="error 5, Invalid API Key …"):
        try_feed(terms(url, key=KEY))
    with pytest.raises(SourceBusy, match=r"^feed: ConnectError$"):
        try_feed(terms("http://127.0.0.1:1"))
    settings = json.dumps({"fields": {"id": "a."}})
    with pytest.raises(InputError, match=r"^mapping\.fields\.id: "):
        try_feed(terms("http://127.0.0.1:1", adapter="generic_json", settings=settings))


def test_an_error_that_nobody_thought_of_does_not_tell_the_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def odd_fetch(*_: Any) -> list[Any]:
        raise KeyError(KEY)

    monkeypatch.setattr(GenericFeed, "fetch", odd_fetch)
    with pytest.raises(SourceBusy, match=r"^feed: unexpected KeyError$") as caught:
        try_feed(terms("http://127.0.0.1:1", key=KEY, **listed.TERMS))
    assert caught.value.__cause__ is None
    assert "in odd_fetch" in caplog.text
    assert KEY not in caplog.text
