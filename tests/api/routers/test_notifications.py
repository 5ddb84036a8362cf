"""Notifications over HTTP: the kinds asked for are written, reading marks one's own alone; addresses stay masked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, func, select

from countersign.domain.sessions import deadline
from countersign.models.enums import StrategyStatus
from countersign.models.tables.notifications import Address
from countersign.models.tables.operations import Notification
from countersign.models.tables.signals import Signal
from countersign.services.attestation.sealing import seal_pending
from countersign.services.notifications.inbox import catch_up
from countersign.services.notifications.reminders import remind
from countersign.services.strategies.lifecycle import change_status, require_strategy
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.serving import browsing, join
from tests.support.strategies import open_strategies, send

HOOK = "https://example.com/hook?token=hunter2"


@pytest.fixture
def records(tmp_path: Path) -> Home:
    """Three strategies of two users, three sessions settled."""
    home = made.make_home(tmp_path / "home")
    for day in made.weekdays(3):
        made.settle(home, day)
    return home


def texts(home: Home, user_id: int) -> list[tuple[str, str]]:
    with home.ledger.read() as db:
        found = db.exec(select(Notification).where(Notification.user_id == user_id).order_by(col(Notification.id)))
        return [(each.kind, each.text) for each in found]


def test_settled_sessions_become_notifications_when_they_are_asked_for(records: Home) -> None:
    with records.ledger.read() as db:
        assert db.exec(select(func.count()).select_from(Notification)).one() == 0
    assert catch_up(records, [2]) > 0
    assert catch_up(records, [2]) == 0
    told = texts(records, 2)
    settled = [text for kind, text in told if kind == "settled"]
    assert [text.split(" settled")[0] for text in settled] == [f"strategy-00001: {day}" for day in made.weekdays(3)]
    frame = made.results(made.FIRST, made.slugs(3), made.SYMBOLS, 0)
    row = frame["nav"].row(1, named=True)
    assert settled[0] == f"strategy-00001: {made.FIRST} settled, {row['daily_return']:+.2%}, NAV {row['nav']} CNY"
    ours = [each for each in frame["orders"].iter_rows(named=True) if each["strategy"] == "strategy-00001"]
    refused = sum(each["reason"] is not None for each in ours)
    lines = [text for kind, text in told if kind == "orders_refused" and str(made.FIRST) in text]
    expected = f"strategy-00001: {refused} orders of {made.FIRST} were not filled, or only in part (LIMIT_UP {refused})"
    assert lines == ([expected] if refused else [])
    assert texts(records, 1) == []

    made.settle(records, made.weekdays(3)[2], seed=1)
    assert catch_up(records, [1, 2]) > 0
    assert "settled again (version 2)" in next(text for kind, text in reversed(texts(records, 2)) if kind == "settled")
    assert {text.split(":")[0] for _, text in texts(records, 1)} == {"strategy-00000", "strategy-00002"}


def test_notifications_are_listed_counted_and_marked_read(
    desk: Home, web: httpx.Client, me: dict[str, str], other: dict[str, str]
) -> None:
    for n in range(3):
        web.post("/tickets", json={"title": str(n), "category": "bug"}, headers=me)
    with desk.ledger.write() as db:
        db.add_all(
            Notification(user_id=1, key=str(n), kind="settled", text=str(n), created_at=desk.clock.now())
            for n in range(3)
        )
    listed = web.get("/notifications", headers=me).json()["notifications"]
    assert [each["text"] for each in listed] == ["2", "1", "0"]
    assert set(listed[0]) == {"id", "kind", "text", "created_at", "read_at"}
    assert [
        each["text"] for each in web.get("/notifications?limit=1&offset=1", headers=me).json()["notifications"]
    ] == ["1"]
    for _ in range(2):
        answer = web.patch(f"/notifications/{listed[0]['id']}/read", headers=me)
        assert (answer.status_code, answer.json()["read_at"]) == (200, "2025-01-02T01:00:00+00:00")
    assert web.get("/notifications/unread-count", headers=me).json() == {"unread_count": 2}
    unread = web.get("/notifications?unread_only=true", headers=me).json()["notifications"]
    assert [each["text"] for each in unread] == ["1", "0"]
    for notification_id in (listed[0]["id"], "0", "x", "99999999999"):
        assert web.patch(f"/notifications/{notification_id}/read", headers=other).status_code == 404
    assert web.post("/notifications/read-all", headers=other).json() == {"marked": 0}
    assert web.post("/notifications/read-all", headers=me).json() == {"marked": 2}
    assert web.post("/notifications/read-all", headers=me).json() == {"marked": 0}
    for query in ("limit=0", "limit=201", "offset=-1", "unread_only=perhaps"):
        assert web.get(f"/notifications?{query}", headers=me).status_code == 422
    assert web.get("/notifications").status_code == 401


def test_addresses_are_kept_and_never_shown_whole(
    desk: Home, web: httpx.Client, me: dict[str, str], other: dict[str, str]
) -> None:
    kept = web.post("/notifications/addresses", json={"url": HOOK}, headers=me)
    assert (kept.status_code, kept.json()["shown"]) == (201, "https://example.com/…")
    assert web.post("/notifications/addresses", json={"url": HOOK}, headers=me).json()["id"] == kept.json()["id"]
    listed = web.get("/notifications/addresses", headers=me)
    assert listed.json() == {"addresses": [kept.json()]}
    assert "hunter2" not in kept.text + listed.text
    for url in ("file:///etc/passwd", "syslog://", "http://127.0.0.1/hunter2", "https://", "x" * 1001):
        refused = web.post("/notifications/addresses", json={"url": url}, headers=me)
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "url"])
        assert "hunter2" not in refused.text
    for n in range(4):
        assert web.post("/notifications/addresses", json={"url": f"{HOOK}{n}"}, headers=me).status_code == 201
    assert web.post("/notifications/addresses", json={"url": f"{HOOK}x"}, headers=me).status_code == 400
    assert web.delete(f"/notifications/addresses/{kept.json()['id']}", headers=other).status_code == 404
    assert web.delete(f"/notifications/addresses/{kept.json()['id']}", headers=me).json() == {"deleted": True}
    assert web.delete(f"/notifications/addresses/{kept.json()['id']}", headers=me).status_code == 404
    with desk.ledger.read() as db:
        assert "hunter2" not in repr(db.exec(select(Address)).all())


def test_an_owner_chooses_the_kinds_to_deliver(desk: Home, me: dict[str, str], web: httpx.Client) -> None:
    everything = web.get("/notifications/delivery", headers=me).json()["deliver"]
    assert "settled" in everything
    chosen = web.put("/notifications/delivery", json={"deliver": ["sealed_late"]}, headers=me)
    assert chosen.json() == web.get("/notifications/delivery", headers=me).json() == {"deliver": ["sealed_late"]}
    for deliver in (["gossip"], "settled", [1]):
        assert web.put("/notifications/delivery", json={"deliver": deliver}, headers=me).status_code == 422


def test_an_address_on_this_machine_needs_the_setting(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_PRIVATE_ADDRESSES", "true")
    with browsing(desk) as web:
        mine = join(desk, web)
        assert web.post("/notifications/addresses", json={"url": "http://[::1]/x"}, headers=mine).status_code == 201


def test_a_near_deadline_notifies_owners_of_recent_signals(desk: Home) -> None:
    days = desk.sessions.between(made.FIRST, made.FIRST + timedelta(days=30))
    began = deadline(days[0], "open") - timedelta(hours=1)
    open_strategies(desk, began, "lately", "today", "paused", "silent")
    open_strategies(desk, began, "closing", execution_price="close")
    weights = {"600519.SH": 0.5}
    send(desk, days[0], dict.fromkeys(("lately", "today", "paused", "closing"), weights), began)
    today = days[5]
    closes = {price: deadline(today, price) for price in ("open", "close")}
    send(desk, today, {"today": weights}, closes["open"] - timedelta(minutes=20))
    with desk.ledger.write() as db:
        change_status(db, require_strategy(db, "paused"), StrategyStatus.PAUSED, began, actor="operator")
    assert remind(desk, closes["open"] - timedelta(minutes=15, seconds=1)) == 0
    assert remind(desk, closes["open"] - timedelta(minutes=15)) == 1
    assert remind(desk, closes["open"] - timedelta(seconds=1)) == 0
    assert remind(desk, closes["close"] - timedelta(minutes=4, seconds=30)) == 1 + 1  # and one signal is not sealed
    assert remind(desk, closes["close"]) == 0
    near = [text for kind, text in texts(desk, 1) if kind == "deadline_near"]
    assert near == [
        f"lately: no signal for {today} yet; the deadline is 09:15, in 15 minutes",
        f"closing: no signal for {today} yet; the deadline is 15:00, in 5 minutes",
    ]
    after = deadline(days[6], "open") - timedelta(minutes=10)
    assert [remind(desk, after), remind(desk, datetime(2025, 1, 4, 1, 5, tzinfo=UTC))] == [1, 0]  # of `today` alone


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (2, "and was sealed 2 s after its deadline, which is no fault"),
        (31, "and was sealed 31 s after its deadline: verification calls it late"),
    ],
)
def test_a_seal_after_the_deadline_notifies_once(desk: Home, after: int, words: str) -> None:
    days = desk.sessions.between(made.FIRST, made.FIRST + timedelta(days=10))
    closes = deadline(days[0], "open")
    open_strategies(desk, closes - timedelta(hours=1), "early", "late")
    send(desk, days[0], {"early": {"600519.SH": 0.5}}, closes - timedelta(minutes=2))
    seal_pending(desk, closes - timedelta(minutes=1))
    send(desk, days[0], {"late": {"600519.SH": 0.5}}, closes - timedelta(milliseconds=1))
    # The sealer may still come round: no waiting signal is notified before half a minute has passed.
    assert remind(desk, closes) == remind(desk, closes + timedelta(seconds=30)) == 0
    seal_pending(desk, closes + timedelta(seconds=after))
    assert remind(desk, closes + timedelta(seconds=31)) == 1
    assert remind(desk, closes + timedelta(minutes=10)) == 0
    [(kind, text)] = texts(desk, 1)
    told = f"late: revision 1 of the signal for {days[0]} came in time, {words}"
    assert (kind, text) == ("sealed_late", told)
    with desk.ledger.read() as db:
        assert db.exec(select(func.count()).select_from(Signal)).one() == 2
