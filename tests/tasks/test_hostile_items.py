"""Items of a feed that mean two things, or harm: each is put aside with the reason, and the rest counts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from countersign.domain.strict_json import MOST_DIGITS
from countersign.models.tables.external import ExternalSignal, QuarantinedItem
from countersign.services.external.polling import poll_round
from countersign.store.home import Home
from tests.support import listed
from tests.support.feeds import ITEM, KEY, NOON, enter, raw_feed, reply
from tests.support.homes import Databases, disposed, make_home

LISTED = {each: json.dumps(value).encode() for each, value in listed.ITEM.items()}
PLAIN = {each: json.dumps(value).encode() for each, value in ITEM.items()}
# By adapter: an item's members, the name of one with a price, what goes around the items, and the feed's terms.
ADAPTERS: dict[str, Any] = {
    "cqs": (PLAIN, "stop_loss", b'{"error": 0, "message": "", "signals": [%b]%b}', {}),
    "generic_json": (LISTED, "sl", b'{"data": [%b]%b}', listed.TERMS),
}
DEEP = b"[" * 700 + b"]" * 700
HUGE = b"9" * (MOST_DIGITS + 1)


@pytest.fixture
def home(tmp_path: Path, databases: Databases) -> Any:
    with disposed(databases.ledger("sqlite")) as url:
        yield make_home(tmp_path / "home", url)


def item(members: dict[str, bytes], number: int, *more: bytes, **changes: bytes) -> bytes:
    """Write an item down, with members that it has already."""
    pairs = [
        b'"%b": %b' % (name.encode(), value) for name, value in (members | {"id": b"%d" % number} | changes).items()
    ]
    return b"{" + b", ".join((*pairs, *more)) + b"}"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_each_is_put_aside_with_its_reason_and_the_rest_goes_on(home: Home, adapter: str) -> None:
    members, price, around, terms = ADAPTERS[adapter]
    twice = b'"%b": 1' % price.encode()
    hostile = {
        "item: expected each name once in an object, got 'id' twice": item(members, 1, b'"id": 99'),
        f"item: expected each name once in an object, got '{price}' twice": item(members, 2, twice),
        "item: expected each name once in an object, got 'y' twice": item(
            members, 3, b'"x": [{"z": {"y": 1, "y": 1}}]'
        ),
        'stop_loss: expected a positive number, got "NaN"': item(members, 4, **{price: b"NaN"}),
        'stop_loss: expected a positive number, got "-Infinity"': item(members, 5, **{price: b"-Infinity"}),
        "stop_loss: expected at most 20 digits before and 18 after the point": item(members, 6, **{price: HUGE}),
        "id: expected at most 200 characters": item(members, 7, id=HUGE),
        "item: expected lists and objects at most 32 deep, got 70": item(members, 8, b'"x": ' + DEEP),
    }
    sent = around % (b", ".join((item(members, 100), *hostile.values(), item(members, 101))), b"")
    with raw_feed(lambda _: reply(sent)) as url:
        enter(home, "feed", url, **terms)
        [outcome] = poll_round(home, lambda: NOON)
    assert (outcome.trouble, outcome.stored.new) == (None, 2)
    with home.ledger.read() as db:
        assert set(db.exec(select(ExternalSignal.external_id))) == {"100", "101"}
        aside = list(db.exec(select(QuarantinedItem).order_by(col(QuarantinedItem.id))))
    assert len(aside) == outcome.stored.quarantined == len(hostile)
    for expected, row in zip(hostile, aside, strict=True):
        assert expected in row.reason
    # Both of what stood there twice is kept.
    assert {"99", "1"} <= {str(value) for name, value in json.loads(aside[0].raw) if name == "id"}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    ("more", "name"),
    [(b', "data": [], "signals": []', "'(data|signals)'"), (b', "meta": [{"k": 1, "k": 2}]', "'k'")],
    ids=["the items", "beside the items"],
)
def test_an_answer_that_means_two_things_around_its_items_brings_none(
    home: Home, adapter: str, more: bytes, name: str
) -> None:
    members, _, around, terms = ADAPTERS[adapter]
    with raw_feed(lambda _: reply(around % (item(members, 1), more))) as url:
        enter(home, "feed", url, **terms)
        [outcome] = poll_round(home, lambda: NOON)
    assert outcome.stored.new == 0
    expected = f"feed: an answer that is not the feed's JSON: it has {name} twice in an object"
    assert re.fullmatch(expected, outcome.trouble or "")


def test_a_name_that_is_the_key_is_not_shown(home: Home) -> None:
    sent = b'{"error": 0, "signals": [{"%b": 1, "%b": 2}], "%b": 1, "%b": 2}' % ((KEY.encode(),) * 4)
    with raw_feed(lambda _: reply(sent)) as url:
        enter(home, "feed", url, key=KEY)
        [outcome] = poll_round(home, lambda: NOON)
    assert outcome.trouble
    assert "twice in an object" in outcome.trouble
    assert KEY not in outcome.trouble
