"""Notifications on their way: real webhooks and mail on the loopback, failures, repetitions, and refused addresses."""

import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from countersign.domain.notifications.addresses import parse_address
from countersign.models.enums import NoticeKind
from countersign.models.errors import SourceBusy, SourceRefused
from countersign.models.tables.notifications import Address, Delivery
from countersign.models.tables.operations import HomeFact
from countersign.services.accounts.accounts import disable_user
from countersign.services.notifications.addresses import add_address, count_open, delete_address, set_delivered
from countersign.services.notifications.delivery import Round, keep_operators, notify_round
from countersign.services.notifications.notifications import notice, notify, notify_users, resolve
from countersign.sources.notifications import send
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.homes import Databases, disposed, make_home
from tests.support.mail import post_office
from tests.support.services import Reply, serve
from tests.support.strategies import open_strategies
from tests.support.waiting import PATIENCE_SECONDS

NOW = datetime(2025, 1, 2, 1, tzinfo=UTC)
USER = 1


@dataclass
class Hook:
    """A webhook: keeps the texts it is sent; `failing` makes it answer 500 so many times first."""

    failing: int = 0
    bodies: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __call__(self, path: str, body: dict[str, Any]) -> Reply:
        self.paths.append(path)
        if self.failing:
            self.failing -= 1
            return Reply({}, 500)
        self.bodies.append(body["message"])
        return Reply({})

    @property
    def lines(self) -> list[str]:
        return [line.rpartition(" (#")[0] for body in self.bodies for line in body.splitlines()]


@pytest.fixture
def home(tmp_path: Path, ledger_url: str) -> Home:
    """A home with one user."""
    made = make_home(tmp_path / "home", ledger_url)
    made.clock.set(NOW)
    open_strategies(made, NOW, "alpha")
    return made


@pytest.fixture
def simple(tmp_path: Path) -> Iterator[Home]:
    """The same on SQLite alone."""
    with disposed(Databases(tmp_path).ledger("sqlite")) as url:
        made = make_home(tmp_path / "home", url)
        made.clock.set(NOW)
        open_strategies(made, NOW, "alpha")
        yield made


@pytest.fixture
def hook() -> Iterator[tuple[Hook, str]]:
    """A webhook on the loopback that keeps its requests, and its address."""
    kept = Hook()
    with serve(kept) as url:
        yield kept, url


def tell(home: Home, text: str, kind: NoticeKind = NoticeKind.SEALED_LATE) -> None:
    with home.ledger.write() as db:
        notify_users(db, [notice(text, kind, text, NOW, USER)])


def send_to(home: Home, url: str) -> Address:
    with home.ledger.write() as db:
        return add_address(db, USER, parse_address(url, private=True).url, NOW)


def go(home: Home, after: timedelta = timedelta()) -> Round:
    return notify_round(home, NOW + after, private=True)


def test_a_notification_is_sent_once_to_every_address(home: Home, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    tell(home, "before there was an address")
    with post_office() as post:
        send_to(home, f"{url}/hook?token=a%26b")
        send_to(home, f"mailto://127.0.0.1:{post.port}?from=countersign@example.com&to=me@example.com")
        tell(home, "alpha: one 100%")
        tell(home, "alpha: two")
        tell(home, "alpha: one 100%")
        assert go(home) == Round(sent=2)
        assert go(home) == Round()
        assert kept.lines == ["alpha: one 100%", "alpha: two"]
        assert kept.paths == ["/hook?token=a%26b"]
        [mail] = post.mails
        assert (mail["to"], mail["subject"]) == ("me@example.com", "Countersign: 2 notifications")
        text = mail.get_body(("html", "plain")).get_content()  # type: ignore[union-attr]
        assert "alpha: one 100%" in text
        assert "alpha: two" in text


def test_a_broken_address_is_tried_again_later_and_stops_no_other(simple: Home, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    broken = Hook(failing=2)
    with serve(broken) as other:
        send_to(simple, f"{other}/broken")
        send_to(simple, f"{url}/whole")
        tell(simple, "one")
        assert go(simple) == Round(sent=1, failed=1)
        assert go(simple, timedelta(seconds=29)) == Round()
        tell(simple, "two")
        assert go(simple, timedelta(seconds=30)) == Round(sent=1, failed=1)
        assert go(simple, timedelta(seconds=89)) == Round()
        assert go(simple, timedelta(seconds=90)) == Round(sent=1)
    assert kept.lines == broken.lines == ["one", "two"]
    with simple.ledger.read() as db:
        assert [(each.failures, each.next_at) for each in db.exec(select(Address))] == [(0, None), (0, None)]


def test_a_notification_that_nobody_takes_for_three_days_is_given_up(simple: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    send_to(simple, f"http://127.0.0.1:{port}/")
    tell(simple, "one")
    assert go(simple) == Round(failed=1)
    assert go(simple, timedelta(days=3)) == Round(failed=1)
    with simple.ledger.read() as db:
        assert count_open(db) == 1
        [address] = db.exec(select(Address))
        assert address.next_at == NOW + timedelta(days=3, seconds=60)
    assert go(simple, timedelta(days=3, minutes=2)) == Round(failed=1)
    with simple.ledger.read() as db:
        assert count_open(db) == 0
        assert [each.given_up_at for each in db.exec(select(Delivery))] == [NOW + timedelta(days=3, minutes=2)]


def test_only_wanted_kinds_are_sent(simple: Home, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    address = send_to(simple, url)
    with simple.ledger.write() as db:
        set_delivered(db, USER, {NoticeKind.DEADLINE_NEAR})
    tell(simple, "late")
    tell(simple, "near", NoticeKind.DEADLINE_NEAR)
    go(simple)
    assert kept.lines == ["near"]
    tell(simple, "near again", NoticeKind.DEADLINE_NEAR)
    with simple.ledger.write() as db:
        assert delete_address(db, USER, address.id)
    assert go(simple) == Round()
    send_to(simple, url)
    with simple.ledger.write() as db:
        disable_user(db, str(USER), NOW)
    tell(simple, "to a disabled account", NoticeKind.DEADLINE_NEAR)
    assert go(simple) == Round()
    assert kept.lines == ["near"]


def test_the_operators_notices_go_to_the_operators_addresses_alone(home: Home, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    keep_operators(home, [f"{url}/old", f"{url}/a"], NOW)
    with home.ledger.write() as db:
        notify(db, "watchdog x", "x", "it is broken", NOW)
    tell(home, "a user's own")
    keep_operators(home, [f"{url}/a", f"{url}/a"], NOW)
    # Where users may not send to, the operator may.
    assert notify_round(home, NOW) == Round(sent=1)
    for _ in range(2):  # the same matter again is no news; once it was resolved, it is
        with home.ledger.write() as db:
            notify(db, "watchdog x", "x", "it is broken", NOW)
        assert notify_round(home, NOW) == Round()
    with home.ledger.write() as db:
        resolve(db, "watchdog x", NOW)
        notify(db, "watchdog x", "x", "it is broken again", NOW)
    assert notify_round(home, NOW) == Round(sent=1)
    assert (kept.lines, set(kept.paths)) == (["it is broken", "it is broken again"], {"/a"})


def test_a_notification_four_days_old_is_not_sent(simple: Home, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    send_to(simple, url)
    tell(simple, "old")
    simple.clock.set(NOW + timedelta(days=4))
    assert go(simple) == Round()
    assert kept.lines == []


def test_settled_sessions_are_sent_to_those_who_want_them(tmp_path: Path, hook: tuple[Hook, str]) -> None:
    kept, url = hook
    home = made.make_home(tmp_path / "home")
    with home.ledger.write() as db:
        db.get_one(HomeFact, "clock").value = "simulated"
    home = replace(home)
    home.clock.set(made.settled_at(made.FIRST))
    send_to(home, url)
    frames = made.settle(home, made.FIRST)
    assert go(home).sent == 1
    mine = [(row["strategy"], row["daily_return"]) for row in frames["nav"].iter_rows(named=True)][::2]
    told = [line for line in kept.lines if "settled" in line]
    assert [line.split(", NAV")[0] for line in told] == [
        f"{slug}: {made.FIRST} settled, {daily:+.2%}" for slug, daily in mine
    ]
    assert go(home) == Round()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433"])
def test_this_machine_is_not_reached_through_an_address(
    host: str, hook: tuple[Hook, str], caplog: pytest.LogCaptureFixture
) -> None:
    kept, url = hook
    port = int(url.rpartition(":")[2])
    # The address behind a name or an odd spelling is checked when it is connected to.
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceRefused) as caught:
        send(f"json://{host}:{port}/secret-path", "title", "body")
    assert kept.paths == []
    assert "secret-path" not in str(caught.value) + caplog.text


def test_a_redirect_is_not_followed(hook: tuple[Hook, str]) -> None:
    kept, url = hook
    with serve(lambda _path, _body: Reply({}, 302, {"location": f"{url}/inside"})) as other:
        for code in ("json", "form"):
            with pytest.raises(SourceBusy):
                send(other.replace("http", code), "title", "body", private=True)
    assert kept.paths == []


def test_a_server_that_drips_its_answer_is_cut_off() -> None:
    pause, cut_off = threading.Event(), threading.Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: ")
            try:
                # A client that listens to the end has a whole answer, and nothing to complain of.
                for _ in range(int(PATIENCE_SECONDS / 0.02)):
                    connection.sendall(b"y")
                    pause.wait(0.02)
                connection.sendall(b"\r\n\r\n")
            except OSError:
                cut_off.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(SourceBusy):
            send(f"json://127.0.0.1:{server.getsockname()[1]}/", "title", "body", private=True, seconds=1)
        assert cut_off.wait(PATIENCE_SECONDS)
        thread.join()


def test_other_connections_are_nobodys_business(hook: tuple[Hook, str]) -> None:
    _, url = hook
    with pytest.raises(SourceRefused):
        send(url.replace("http", "json"), "title", "body")
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        pass


def test_a_death_between_sending_and_remembering_sends_again_with_the_same_number(
    simple: Home, hook: tuple[Hook, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, url = hook
    send_to(simple, url)
    tell(simple, "one")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("countersign.services.notifications.delivery.mark_sent", die)
        with pytest.raises(KeyboardInterrupt):
            go(simple)
    assert go(simple) == Round(sent=1)
    assert len(kept.bodies) == 2
    assert kept.bodies[0] == kept.bodies[1]
