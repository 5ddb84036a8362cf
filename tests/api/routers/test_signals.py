"""Signals over HTTP: permission, deadline, revisions, notifications, and refusals of bad input."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.market.listings import normalise_instruments
from countersign.models.datasets import BARS
from countersign.models.tables.attestation import Timestamp
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.services.attestation.pushing import DIVERGED, NOT_PUSHED
from countersign.services.attestation.rotation import prepare_rotation
from countersign.services.attestation.sealing import seal_pending, sealing
from countersign.services.market.instruments import put_instruments
from countersign.services.notifications.notifications import notify, resolve
from countersign.store.home import Home
from countersign.store.journal.journal import Journal
from tests.support import frames
from tests.support.handmade_journal import Key, require_ssh_keygen
from tests.support.serving import SIGNAL, browsing, join, logged_in, open_one

OPEN, CLOSE = datetime(2025, 1, 2, 1, 15, tzinfo=UTC), datetime(2025, 1, 2, 7, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = "2025-01-02"
Headers = Mapping[str, str]


@pytest.fixture
def alpha(web: httpx.Client, me: dict[str, str]) -> str:
    """A strategy of key `me`, by its slug."""
    return str(open_one(web, me)["slug"])


def post(
    web: httpx.Client, headers: Headers, signals: Any = None, day: Any = DAY, slug: str = "alpha"
) -> httpx.Response:
    body = {"trade_date": day, "signals": SIGNAL if signals is None else signals}
    # As text, so that NaN and the like get there.
    return web.post(
        f"/strategies/{slug}/signals", content=json.dumps(body), headers={**headers, "Content-Type": "application/json"}
    )


def recorded(home: Home) -> list[Signal]:
    with home.ledger.read() as db:
        return list(db.exec(select(Signal).order_by("id")))


def test_a_signal_is_recorded_another_revises_it_and_the_same_adds_nothing(
    desk: Home, web: httpx.Client, me: Headers, alpha: str
) -> None:
    first = post(web, me)
    assert first.status_code == 201
    answer = first.json()
    [row] = recorded(desk)
    assert answer == {
        "id": str(row.id),
        "trade_date": DAY,
        "revision": 1,
        "replaced": False,
        "signal_hash": row.signal_hash,
        "salt": row.salt,
        "owner_signature": None,
        "receipt": answer["receipt"],  # checked by tests/api/test_receipts.py
        "submitted_at": "2025-01-02T01:00:00+00:00",
        "deadline": "2025-01-02T01:15:00+00:00",
        "is_settled": False,
        "github_committed": False,
        "attestation": {"committed": False, "reason": "sealer_busy"},
        "warnings": [
            f"{symbol}: no instrument or bar here knows it; no order of it is filled before a bar comes"
            for symbol in ("000001.SZ", "600519.SH")
        ],
    }
    assert row.portfolio == "000001.SZ=0.25 600519.SH=0.5"
    again = post(web, me, SIGNAL[::-1])
    assert (again.status_code, again.json()) == (200, answer)
    revised = post(web, me, SIGNAL[:1])
    assert (revised.status_code, revised.json()["replaced"], revised.json()["revision"]) == (201, True, 2)
    assert web.get("/strategies/alpha", headers=me).json()["status"] == "active"

    [newest] = web.get("/strategies/alpha/signals?limit=1", headers=me).json()["signals"]
    assert newest == {
        "id": revised.json()["id"],
        "trade_date": DAY,
        "revision": 2,
        "signals": SIGNAL[:1],
        "signal_hash": revised.json()["signal_hash"],
        "salt": revised.json()["salt"],
        "owner_signature": None,
        "receipt": revised.json()["receipt"],
        "submitted_at": "2025-01-02T01:00:00+00:00",
        "is_settled": False,
        "github_committed": False,
        "margin_seconds": 900.0,
        "commit_sha": None,
        "commit_time": None,
        "signer": None,
        "time_class": None,
        "seconds_late": None,
        "evidence": "server_only",
        "tokens": [],
    }
    both = web.get("/strategies/alpha/signals?all_revisions=true", headers=me).json()["signals"]
    assert [each["revision"] for each in both] == [2, 1]


def test_history_is_newest_first_in_pages(web: httpx.Client, me: Headers, alpha: str) -> None:
    days = ["2025-01-03", "2025-01-02", "2025-01-06"]
    assert [post(web, me, day=day).status_code for day in days] == [201] * 3
    pages = [web.get(f"/strategies/alpha/signals?limit=2&offset={n}", headers=me).json()["signals"] for n in (0, 2)]
    assert [[each["trade_date"] for each in page] for page in pages] == [["2025-01-06", "2025-01-03"], ["2025-01-02"]]
    for query in ("limit=201", "limit=0", "offset=-1", "limit=x", f"offset={10**30}"):
        answer = web.get(f"/strategies/alpha/signals?{query}", headers=me)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize(
    ("signals", "loc"),
    [
        ([{"symbol": "600519.SH", "weight": 0}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": -0.1}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": 1.0000001}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": float("nan")}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": float("inf")}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": "0.5"}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": True}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": None}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": 10**400}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH"}], ["signals", 0, "weight"]),
        ([{"symbol": "600519.SH", "weight": 0.5, "price": 1}], ["signals", 0, "price"]),
        ([{"symbol": "600519.SH", "weight": 0.5}, {"symbol": "000001.SZ", "weight": 0.5000001}], ["signals"]),
        ([{"symbol": "600519.SH", "weight": 0.5}, {"symbol": "600519.SH", "weight": 0.1}], ["signals"]),
        *(
            ([{"symbol": symbol, "weight": 0.5}], ["signals", 0, "symbol"])
            for symbol in (
                "600519",
                "sh600519",
                "600519.sh",
                "60051.SH",
                "600519.US",
                "600519.SH\n",
                "６00519.SH",
                "",
                600519,
            )
        ),
        ([], ["signals"]),
        ({}, ["signals"]),
        ([{"symbol": f"{n:06}.SZ", "weight": 0.0001} for n in range(5_001)], ["signals"]),
    ],
)
def test_a_faulty_portfolio_names_the_field(
    desk: Home, web: httpx.Client, me: Headers, alpha: str, signals: Any, loc: Any
) -> None:
    answer = post(web, me, signals)
    assert answer.status_code == 422, answer.text
    fault = answer.json()["detail"][0]
    assert set(fault) == {"type", "loc", "msg"}
    assert fault["loc"] == ["body", *loc]
    assert recorded(desk) == []
    assert web.get("/strategies/alpha", headers=me).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("113999.SH", "a convertible bond"),
        ("131810.SZ", "a repo"),
        ("399001.SZ", "an index"),
        ("900901.SH", "a B share"),
    ],
)
def test_a_symbol_of_no_share_or_fund_is_refused_by_name(
    desk: Home, web: httpx.Client, me: Headers, alpha: str, symbol: str, name: str
) -> None:
    answer = post(web, me, [{"symbol": "600519.SH", "weight": 0.5}, {"symbol": symbol, "weight": 0.1}])
    assert answer.status_code == 422
    fault = answer.json()["detail"][0]
    assert fault["loc"] == ["body", "signals"]
    assert f"{symbol}, {name}" in fault["msg"]
    assert recorded(desk) == []


def test_symbols_that_nothing_is_known_of_are_taken_and_named(
    desk: Home, web: httpx.Client, me: Headers, alpha: str
) -> None:
    def warned(*symbols: str) -> list[str]:
        answer = post(web, me, [{"symbol": symbol, "weight": 0.1} for symbol in symbols])
        assert answer.status_code == 201
        return [warning[:9] for warning in answer.json()["warnings"]]

    assert warned("600519.SH", "600998.SH") == ["600519.SH", "600998.SH"]
    with desk.ledger.write() as db:
        put_instruments(db, normalise_instruments(pl.DataFrame({"symbol": ["600519.SH"]})))
    assert warned("600998.SH", "600519.SH", "300750.SZ") == ["300750.SZ", "600998.SH"]
    session = date(2025, 1, 2)
    bars = frames.bars(session, [{"symbol": "600998.SH", "open": 1.0, "close": 1.0}])
    with desk.ledger.write() as db:
        desk.lake.commit(db, [desk.lake.stage(BARS, session, bars)], desk.clock.now())
    assert warned("600519.SH", "600998.SH") == []


def test_a_sum_within_the_tolerance_is_one(desk: Home, web: httpx.Client, me: Headers, alpha: str) -> None:
    tenths = [{"symbol": f"{n:06}.SZ", "weight": 0.1} for n in range(10)]
    just = [{"symbol": "600519.SH", "weight": 0.5}, {"symbol": "000001.SZ", "weight": 0.5 + 5e-10}]
    assert [post(web, me, each).status_code for each in (tenths, just)] == [201, 201]


def test_five_thousand_symbols_are_taken(desk: Home, web: httpx.Client, me: Headers, alpha: str) -> None:
    answer = post(web, me, [{"symbol": f"{n:06}.SZ", "weight": 0.0002} for n in range(5_000)])
    assert answer.status_code == 201
    [row] = recorded(desk)
    assert row.symbols_count == 5_000


@pytest.mark.parametrize(
    "day", ["2025-1-2", "20250102", "2025-01-32", 20250102, None, "tomorrow", "2025-01-02T00:00:00"]
)
def test_a_text_that_is_no_date_is_refused(web: httpx.Client, me: Headers, alpha: str, day: Any) -> None:
    answer = post(web, me, day=day)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "trade_date"]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2025-01-04", "is not a trading day; the next one is 2025-01-06"),
        ("2025-01-01", "is not a trading day; the next one is 2025-01-02"),
        ("2031-01-02", "horizon"),
        ("2025-02-14", "at most 20 sessions ahead"),
        ("2024-12-31", "deadline passed"),
    ],
)
def test_a_day_that_takes_no_signals_is_refused_with_the_reason(
    desk: Home, web: httpx.Client, me: Headers, alpha: str, day: str, words: str
) -> None:
    answer = post(web, me, day=day)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert recorded(desk) == []


@pytest.mark.parametrize(("price", "deadline"), [("open", OPEN), ("close", CLOSE)])
def test_the_deadline_is_strict_to_the_microsecond(
    desk: Home, web: httpx.Client, me: Headers, price: str, deadline: datetime
) -> None:
    open_one(web, me, "beta", execution_price=price)
    codes = []
    for moment in (deadline - MICROSECOND, deadline, deadline + MICROSECOND):
        desk.clock.set(moment)
        answer = post(web, me, [{"symbol": "600519.SH", "weight": 1 / (len(codes) + 1)}], slug="beta")
        codes.append(answer.status_code)
    assert codes == [201, 400, 400]
    assert "deadline passed" in answer.json()["detail"]
    [row] = recorded(desk)
    assert row.received_at == deadline - MICROSECOND


def test_a_clock_that_steps_back_dates_no_revision_before_the_one_it_replaces(
    desk: Home, web: httpx.Client, me: Headers, alpha: str
) -> None:
    assert post(web, me).status_code == 201
    desk.clock.set(desk.clock.now() - timedelta(minutes=5))
    assert post(web, me, SIGNAL[:1]).json()["revision"] == 2
    first, second = recorded(desk)
    assert second.received_at == first.received_at


def test_a_signal_of_a_paused_or_retired_strategy_is_refused(web: httpx.Client, me: Headers, alpha: str) -> None:
    post(web, me)
    web.patch("/strategies/alpha", json={"status": "paused"}, headers=me)
    answer = post(web, me, SIGNAL[:1])
    assert (answer.status_code, "strategy status is paused" in answer.json()["detail"]) == (400, True)
    web.delete("/strategies/alpha", headers=me)
    answer = post(web, me, SIGNAL[:1])
    assert (answer.status_code, "strategy status is retired" in answer.json()["detail"]) == (400, True)


def test_a_stranger_finds_no_strategy_and_a_revoked_key_is_refused(
    desk: Home, web: httpx.Client, me: Headers, other: Headers, alpha: str
) -> None:
    assert post(web, other).json() == {"detail": "Strategy not found"}
    for slug in ("nobody", "%00", "No-Slug", "x" * 300):
        assert post(web, me, slug=slug).status_code == 404
        assert web.get(f"/strategies/{slug}", headers=me).status_code == 404
    assert post(web, {}).json() == {"detail": "Not authenticated"}
    [key] = web.get("/billing/api-keys", headers=me).json()["api_keys"]
    web.delete(f"/billing/api-keys/{key['id']}", headers=logged_in(desk, web, me))
    assert post(web, me).json() == {"detail": "Invalid token"}
    assert recorded(desk) == []


def test_two_at_once_are_both_recorded_and_one_bad_one_harms_nobody(
    desk: Home, web: httpx.Client, me: Headers, alpha: str
) -> None:
    open_one(web, me, "beta")
    wanted = [("alpha", [{"symbol": "600519.SH", "weight": (n + 1) / 10}], DAY) for n in range(8)]
    wanted += [
        ("beta", [{"symbol": "000001.SZ", "weight": 0.5}], "2024-12-31"),
        ("beta", SIGNAL, DAY),
        ("gone", SIGNAL, DAY),
    ]
    with ThreadPoolExecutor(len(wanted)) as pool:
        answers = list(pool.map(lambda each: post(web, me, each[1], each[2], each[0]), wanted))
    assert [answer.status_code for answer in answers] == [201] * 8 + [400, 201, 404]
    assert sorted(answer.json()["revision"] for answer in answers[:8]) == list(range(1, 9))
    rows = {row.signal_hash: row for row in recorded(desk) if row.strategy_id == 1}
    for (_, [holding], _), answer in zip(wanted[:8], answers[:8], strict=True):
        assert rows[answer.json()["signal_hash"]].portfolio == f"600519.SH={holding['weight']}"
    [counting] = web.get("/strategies/alpha/signals", headers=me).json()["signals"]
    assert counting["revision"] == 8


def settle(home: Home) -> None:
    with home.ledger.write() as db:
        text = dict.fromkeys(("run", "bars_sha256", "rules_sha256", "manifest", "manifest_sha256"), "")
        db.add(Settlement(session=datetime(2025, 1, 2).date(), strategies=0, settled_at=OPEN, **text))  # noqa: DTZ001


def test_a_signal_is_taken_back_until_its_deadline(desk: Home, web: httpx.Client, me: Headers, alpha: str) -> None:
    def delete(day: str = DAY) -> httpx.Response:
        return web.delete(f"/strategies/alpha/signals/{day}", headers=me)

    post(web, me)
    post(web, me, SIGNAL[:1])
    assert delete().json() == {"deleted": True, "trade_date": DAY}
    assert recorded(desk) == []
    assert delete().status_code == 404
    assert delete("2025-01-32").status_code == 422
    assert post(web, me).json()["revision"] == 1
    desk.clock.set(OPEN)
    assert "deadline passed" in delete().json()["detail"]
    settle(desk)
    answer = delete()
    assert (answer.status_code, "settled" in answer.json()["detail"]) == (400, True)
    assert web.get("/strategies/alpha/signals", headers=me).json()["signals"][0]["is_settled"] is True
    # Now that it is settled, it is a conflict, and not merely late.
    assert post(web, me, SIGNAL[:1]).status_code == 409


def test_a_sealed_signal_says_so_and_stays(desk: Home, web: httpx.Client, me: Headers, alpha: str) -> None:
    with sealing(desk) as sealer, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, web, me)
        while not recorded(desk):
            assert not waiting.done()
        [commit] = sealer.seal(desk.clock.now()).commits
        answer = waiting.result().json()
        assert answer["attestation"] == {"committed": True, "sha": commit.sha, "pushed": False}
        assert answer["github_committed"] is True
        # Nobody seals the next one in time.
        assert post(web, me, SIGNAL[:1]).json()["attestation"] == {"committed": False, "reason": "sealer_busy"}
    refused = web.delete(f"/strategies/alpha/signals/{DAY}", headers=me)
    assert (refused.status_code, "attested" in refused.json()["detail"]) == (400, True)
    history = web.get("/strategies/alpha/signals?all_revisions=true", headers=me).json()["signals"]
    assert [each["github_committed"] for each in history] == [False, True]


def test_history_shows_the_evidence_of_each_revision(
    desk: Home, web: httpx.Client, me: Headers, alpha: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(web, me)
    [early] = seal_pending(desk, desk.clock.now()).commits
    first = key_of(desk)
    prepare_rotation(desk)
    desk.clock.set(OPEN - MICROSECOND)
    post(web, me, SIGNAL[:1])
    [late] = seal_pending(desk, OPEN + timedelta(seconds=30)).commits
    second = key_of(desk)
    with desk.ledger.write() as db:
        for authority, at in (("tsa.example", OPEN), ("later.example", OPEN + MICROSECOND)):
            db.add(Timestamp(commit_sha=early.sha, authority=authority, stamped_at=at, token=b"-"))
    post(web, me, day="2025-01-03")

    looks = count_looks(monkeypatch)
    address = "/strategies/alpha/signals?all_revisions=true"
    history = web.get(address, headers=me).json()["signals"]
    place = f"timestamps/{early.sha[:2]}/{early.sha}"
    evidence = (
        *("margin_seconds", "commit_sha", "commit_time", "signer"),
        *("time_class", "seconds_late", "evidence", "tokens"),
    )
    assert [tuple(each[name] for name in evidence) for each in history] == [
        (86_400 + 1e-6, None, None, None, None, None, "server_only", []),
        (1e-6, late.sha, "2025-01-02T01:15:30+00:00", second, "sealed_late", 30.0, "server_only", []),
        (
            900.0,
            early.sha,
            "2025-01-02T01:00:00+00:00",
            first,
            "on_time",
            0.0,
            "tsa",
            [f"{place}.later.example.tsr", f"{place}.tsa.example.tsr"],
        ),
    ]
    assert first != second
    assert looks == [2]  # both commits in one look, and never again
    assert web.get(address, headers=me).json()["signals"] == history
    assert web.get("/strategies/alpha/signals", headers=me).json()["signals"] == history[:2]
    assert looks == [2]


def test_without_the_journal_the_signer_alone_is_not_known(
    desk: Home, web: httpx.Client, me: Headers, alpha: str
) -> None:
    post(web, me)
    [commit] = seal_pending(desk, desk.clock.now()).commits
    aside = desk.journal.path.rename(desk.path / "aside")
    [shown] = web.get("/strategies/alpha/signals", headers=me).json()["signals"]
    assert (shown["commit_sha"], shown["time_class"], shown["signer"]) == (commit.sha, "on_time", None)
    aside.rename(desk.journal.path)
    [shown] = web.get("/strategies/alpha/signals", headers=me).json()["signals"]
    assert shown["signer"] == key_of(desk)


def key_of(home: Home) -> str:
    require_ssh_keygen()
    return Key(home.journal.keys / "journal_ed25519").fingerprint()


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commits each look into the journal asks for."""
    looks, git = list[int](), Journal.git

    def look(self: Journal, *arguments: str, **options: Any) -> bytes:
        looks.append(options["given"].count(b"\n"))
        return git(self, *arguments, **options)

    monkeypatch.setattr(Journal, "git", look)
    return looks


@pytest.mark.parametrize("matter", [NOT_PUSHED, DIVERGED])
def test_a_seal_that_cannot_be_pushed_says_why(desk: Home, monkeypatch: pytest.MonkeyPatch, matter: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_JOURNAL_REMOTE", str(desk.path / "nowhere.git"))
    with browsing(desk) as web:
        me = join(desk, web)
        open_one(web, me)
        post(web, me)
        [commit] = seal_pending(desk, desk.clock.now()).commits
        sealed = {"committed": True, "sha": commit.sha, "pushed": False}
        assert post(web, me).json()["attestation"] == sealed
        with desk.ledger.write() as db:
            notify(db, matter, matter, "1 commits wait", desk.clock.now())
        assert post(web, me).json()["attestation"] == sealed | {"reason": "push_failed"}
        with desk.ledger.write() as db:
            resolve(db, matter, desk.clock.now())
        assert post(web, me).json()["attestation"] == sealed
        assert post(web, me, SIGNAL[:1]).json()["attestation"] == {"committed": False, "reason": "sealer_busy"}
