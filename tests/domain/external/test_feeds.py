"""Which feeds may be asked at all, and which mappings can work: no key in the clear, none in a message."""

import json
from typing import Any

import pytest

from countersign.domain.external.feeds import check_feed, check_new_feed, require_safe
from countersign.models.errors import InputError
from countersign.models.feeds import FeedTerms

SECRET = "hunter2 with spaces"  # noqa: S105 - it is not one


@pytest.mark.parametrize(
    "url",
    [
        "https://feed.example",
        "https://feed.example:8443/api/v1/",
        "http://127.0.0.1:8090",
        "http://localhost/x",
        "http://[::1]:1",
    ],
)
def test_a_safe_address_is_taken(url: str) -> None:
    require_safe(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://feed.example",
        "http://127.0.0.1.feed.example",
        "http://10.0.0.1",
        "http://127.0.0.1@feed.example",
        "http://127.0.0.1\\@feed.example",
        "https://user:secret@feed.example",
        "https://feed.example/?key=secret",
        "https://feed.example/#secret",
        "ftp://feed.example",
        "file:///etc/passwd",
        "https://",
        "https://feed.example:99999",
        "",
        "https://feed.example/\nsecret",
    ],
)
def test_an_unsafe_address_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(InputError) as caught:
        require_safe(url)
    assert caught.value.field == "url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "A"}, "name"),
        ({"adapter": "rss"}, "adapter"),
        ({"key": SECRET}, "key"),
        ({"key": ""}, "key"),
        ({"type": "FOREVER"}, "type"),
        ({"settings": '{"fields": {}}'}, "mapping"),
        ({"adapter": "generic_json"}, "mapping.fields"),
        ({"adapter": "generic_json", "settings": '{"fields": {"colour": "x"}}'}, "mapping.fields"),
        ({"adapter": "generic_json", "settings": '{"fields": {}, "params": {"a": ["hunter2"]}}'}, "mapping.params.a"),
        ({"adapter": "generic_json", "settings": "["}, "mapping"),
    ],
)
def test_a_faulty_term_is_named_and_no_secret_repeated(changes: dict[str, str], field: str) -> None:
    right = {"name": "feed", "adapter": "cqs", "url": "https://feed.example", "key": None, "type": "SCALPING"}
    with pytest.raises(InputError) as caught:
        check_feed(FeedTerms(**(right | changes)))  # type: ignore[arg-type]
    assert caught.value.field == field
    assert "hunter2" not in str(caught.value)


def mapped(**mapping: Any) -> FeedTerms:
    return FeedTerms("feed", "generic_json", "https://feed.example", settings=json.dumps({"fields": {}} | mapping))


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"items": "data."}, "mapping.items"),
        ({"items": " "}, "mapping.items"),
        ({"fields": {"id": "no", "target1": "targets..0"}}, "mapping.fields.target1"),
        ({"fields": {"stop_loss": ""}}, "mapping.fields.stop_loss"),
        ({"fields": {"stop_loss": "stops.-1"}}, "mapping.fields.stop_loss"),
        ({"directions": {"Buy": "LONG", " bUY": "SHORT"}}, "mapping.directions"),
        ({"directions": {"buy": "UP"}}, "mapping.directions"),
    ],
)
def test_a_mapping_that_can_never_work_is_not_entered_but_goes_on(mapping: dict[str, Any], field: str) -> None:
    terms = mapped(**mapping)
    check_feed(terms)
    with pytest.raises(InputError) as caught:
        check_new_feed(terms)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"fields": {}, "items": "a", "items": "b"}', "got 'items' twice"),
        ('{"fields": {"id": "a", "id": "b"}}', "got 'id' twice"),
        ('{"fields": {}, "directions": {"buy": "LONG", "buy": "SHORT"}}', "got 'buy' twice"),
    ],
)
def test_a_mapping_that_means_two_things_is_not_entered_but_goes_on(settings: str, words: str) -> None:
    terms = FeedTerms("feed", "generic_json", "https://feed.example", settings=settings)
    check_feed(terms)
    with pytest.raises(InputError, match=words) as caught:
        check_new_feed(terms)
    assert caught.value.field == "mapping"


def test_a_mapping_that_can_work_is_taken() -> None:
    check_new_feed(mapped(items="data.0.list", fields={"id": "0"}, directions={"buy": "LONG", "sell": "short"}))
    check_new_feed(mapped())
    check_new_feed(FeedTerms("feed", "cqs", "https://feed.example"))
