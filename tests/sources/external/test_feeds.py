"""Feeds over real HTTP on the loopback: the requests, and good and bad answers."""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote_plus

import pytest

from countersign.domain.external.polling import OTHER_SECONDS, SCALPING_SECONDS
from countersign.models.errors import SourceBusy, SourceError, SourceRefused
from countersign.models.feeds import FeedTerms
from countersign.sources.external.feed_answers import MAX_ANSWER_BYTES, open_client
from countersign.sources.external.feeds import open_feed
from tests.support import listed
from tests.support.feeds import ITEM, KEY, ask, envelope, raw_feed, reply
from tests.support.services import Reply, serve


def fetch(url: str, window: int = 5, total_seconds: float = 10, **terms: Any) -> list[Any]:
    return ask(url, window, total_seconds, **terms)[0]


def fails(answer: Callable[[bytes], bytes | None], **terms: Any) -> SourceError:
    with raw_feed(answer) as url, pytest.raises(SourceError) as caught:
        fetch(url, key=KEY, **terms)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def test_the_request_is_a_form_with_all_filters_and_the_key_not_in_the_address() -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return reply(envelope(ITEM))

    with raw_feed(answer) as url:
        items = fetch(url, 7, key=KEY, exchange="binance", currency="USDT", type="SHORT/MID TERM")
    assert items == [ITEM]
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /getSignal/ HTTP/1.1\r\n")
    assert KEY.encode() not in head
    form = {"api_key": KEY, "interval": "7", "exchange": "binance", "currency": "USDT", "type": "SHORT/MID TERM"}
    assert parse_qs(body.decode()) == {name: [value] for name, value in form.items()}


@pytest.mark.parametrize(
    ("base", "path"), [("", "/getSignal/"), ("/api/v1/", "/api/v1/getSignal/"), ("/getSignal", "/getSignal/")]
)
def test_the_address_may_be_the_base_or_the_endpoint(base: str, path: str) -> None:
    def answer(request: bytes) -> bytes:
        return reply(envelope(request.split()[1].decode()))

    with raw_feed(answer) as url:
        assert fetch(url + base) == [path]


BROKEN = {
    "truncated": reply(envelope(ITEM)[:-20]),
    "html": reply(b"<html><body>Checking your browser</body></html>", "200 OK", "content-type: text/html"),
    "nothing": reply(b""),
    "a list": reply(b"[]"),
    "no code": reply(b'{"signals": []}'),
    "a truth value for a code": reply(b'{"error": false, "signals": []}'),
    "no signals": reply(b'{"error": 0}'),
    "signals that are none": reply(b'{"error": 0, "signals": {"1": 2}}'),
    "not UTF-8": reply(b'{"error": 0, "signals": ["\xff"]}'),
    "too deep": reply(b"[" * 100_000),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_is_not_the_feeds_json_backs_off(answer: bytes) -> None:
    error = fails(lambda _: answer)
    assert isinstance(error, SourceBusy)
    assert str(error) == "feed: an answer that is not the feed's JSON"


def test_numbers_keep_every_digit_and_nan_is_a_text() -> None:
    body = b'{"error": "0", "signals": [0.10, 1e400, NaN, 12345678901234567890.123456789, 1e99999999999999999999]}'
    with raw_feed(lambda _: reply(body)) as url:
        found = fetch(url)
    assert [str(each) for each in found] == [
        "0.10",
        "1E+400",
        "NaN",
        "12345678901234567890.123456789",
        "1e99999999999999999999",
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_ten_mebibytes_of_signals_are_refused(packed: bool) -> None:
    body = envelope(*[ITEM] * (10 * 2**20 // len(json.dumps(ITEM)) + 1))
    assert len(body) >= 10 * 2**20 > MAX_ANSWER_BYTES
    sent = reply(gzip.compress(body, 1), "200 OK", "content-encoding: gzip") if packed else reply(body)
    assert str(fails(lambda _: sent)) == "feed: an answer of more than 8 MiB"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (1, "Missing key", SourceRefused),
        (4, "Unable to validate API Key", SourceBusy),
        (5, f"Invalid API Key {KEY}", SourceRefused),
        (5, "System unavailable", SourceBusy),
        (6, "Rate limit exceeded", SourceBusy),
        (99, "\x1b[31m\n" + "x" * 5000, SourceBusy),
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized"])
def test_the_envelopes_code_counts_under_any_status(code: int, message: str, kind: type, status: str) -> None:
    error = fails(lambda _: reply(envelope(error=code, message=message), status))
    assert isinstance(error, kind)
    assert len(str(error)) < 300
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        ("429 Too Many Requests", (), SourceBusy, None),
        ("429 Too Many Requests", ("retry-after: 77",), SourceBusy, 77),
        (
            "429 Too Many Requests",
            ("retry-after: Sun, 24 May 2026 12:01:40 GMT", "date: Sun, 24 May 2026 12:00:00 GMT"),
            SourceBusy,
            100,
        ),
        ("503 Service Unavailable", ("retry-after: 5",), SourceBusy, 5),
        ("500 Internal Server Error", (), SourceBusy, None),
        ("302 Found", ("location: https://elsewhere.example/",), SourceBusy, None),
        ("307 Temporary Redirect", ("location: https://elsewhere.example/",), SourceBusy, None),
        ("404 Not Found", (), SourceRefused, None),
        ("403 Forbidden", (), SourceRefused, None),
    ],
)
def test_a_status_of_http_gives_its_error_and_its_wait(
    status: str, headers: tuple[str, ...], kind: type, wait: float | None
) -> None:
    error = fails(lambda _: reply(b"gone", status, *headers))
    assert isinstance(error, kind)
    assert getattr(error, "retry_after_seconds", None) == wait


@pytest.mark.parametrize(
    ("body", "headers", "kind", "wait"),
    [
        (envelope(error=6, message="Rate limit exceeded"), ("retry-after: 77",), SourceBusy, 77),
        (envelope(error=4), ("retry-after: 77",), SourceBusy, 77),
        (envelope(error=6), ("retry-after: Sun, 24 May 99999999999999999999 12:00:45 GMT",), SourceBusy, None),
        (envelope(error=6), (), SourceBusy, None),
        (envelope(error=1), ("retry-after: 77",), SourceRefused, None),
    ],
)
def test_an_envelope_may_ask_to_wait_too(body: bytes, headers: tuple[str, ...], kind: type, wait: float | None) -> None:
    error = fails(lambda _: reply(body, "200 OK", *headers))
    assert isinstance(error, kind)
    assert getattr(error, "retry_after_seconds", None) == wait


def test_a_redirect_takes_the_key_nowhere() -> None:
    seen: list[bytes] = []
    with raw_feed(lambda request: seen.append(request) or reply(envelope())) as other:  # type: ignore[func-returns-value]
        fails(lambda _: reply(b"", "307 Temporary Redirect", f"location: {other}/getSignal/"))
    assert seen == []


def test_a_feed_that_hangs_is_left_after_a_while() -> None:
    assert str(fails(lambda _: None, total_seconds=0.2)) == "feed: no whole answer within 0.2 s"


def test_a_connection_dropped_within_the_body_makes_the_source_busy() -> None:
    assert isinstance(fails(lambda _: reply(envelope(ITEM)[:50], length=5000)), SourceBusy)


def test_a_feed_that_is_not_there_is_busy() -> None:
    with pytest.raises(SourceBusy, match=r"^feed: ConnectError$"):
        fetch("http://127.0.0.1:1", key=KEY)


def test_the_key_is_in_no_log_and_not_in_what_the_feed_echoes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_feed(lambda _: reply(envelope(ITEM | {"note": f"for {KEY}"}))) as url:
        assert fetch(url, key=KEY)[0]["note"] == "for …"
    settings = json.dumps(listed.MAPPING | {"key_param": "token"})
    with serve(lambda _path, _query: Reply({"data": []})) as url:
        fetch(url, adapter="generic_json", key=KEY, settings=settings)
    assert KEY not in caplog.text
    feed = FeedTerms("feed", "cqs", "https://feed.example", KEY)
    assert KEY not in repr(feed) + repr(open_feed(feed))


@pytest.mark.parametrize("key", [KEY, "a/b+c=d/e", 'quo"te\\s', "31415926"])
def test_the_key_is_found_however_json_spells_it(key: str) -> None:
    spelled = [json.dumps(key), json.dumps(key).replace("/", "\\/"), json.dumps(key, ensure_ascii=False)]
    spelled += ['"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"', f'"{quote_plus(key)}"']
    spelled += [f'{{{spelled[1]}: [{{"a": {spelled[1]}}}]}}', *([key] if key.isdecimal() else [])]
    for encoding in ("utf-8", "utf-16"):
        body = f'{{"error": 0, "signals": [{", ".join(spelled)}, 314159267]}}'.encode(encoding)
        with raw_feed(lambda _, body=body: reply(body)) as url:  # type: ignore[misc]
            found = fetch(url, key=key)
        assert found == ["…"] * 5 + [{"…": [{"a": "…"}]}] + ["…"] * key.isdecimal() + [314159267]


def test_polls_keep_their_connection_over_the_habitual_cadences(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections' own clock goes on by a cadence between two polls."""
    passed = 0.0
    monkeypatch.setattr("httpcore._async.http11.time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed))

    async def connections() -> list[int]:
        nonlocal passed
        opened: list[asyncio.Task[None] | None] = []
        counts = []

        async def serve_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(asyncio.current_task())
            with suppress(asyncio.IncompleteReadError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(envelope()) + envelope())
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve_on, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            feed = open_feed(FeedTerms("feed", "cqs", f"http://127.0.0.1:{port}"))
            async with open_client() as client:
                for wait in (0, SCALPING_SECONDS, OTHER_SECONDS, 3600):
                    passed += wait
                    await feed.fetch(client, 5)
                    counts.append(len(opened))
            await asyncio.wait([task for task in opened if task])
        return counts

    assert asyncio.run(connections()) == [1, 1, 1, 2]


def test_plain_http_goes_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with raw_feed(lambda request: seen.append(request) or reply(b"")) as proxy:  # type: ignore[func-returns-value]
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        with raw_feed(lambda _: reply(envelope(ITEM))) as url:
            assert fetch(url, key=KEY) == [ITEM]
    assert seen == []


def test_a_field_that_every_item_of_cqs_needs_and_none_has() -> None:
    short = {name: value for name, value in ITEM.items() if name not in {"stop_loss", "ask", "target3"}}
    for items, missing in (([short, "nonsense"], ("stop_loss",)), ([short, ITEM], ()), ([], None)):
        with raw_feed(lambda _, items=items: reply(envelope(*items))) as url:  # type: ignore[misc]
            assert ask(url)[1] == missing
