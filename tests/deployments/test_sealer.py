"""The stand-alone sealer as a process: it seals, sends and notifies by itself, and survives a kill."""

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlmodel import col, select

from countersign.deployments import sealer
from countersign.deployments.notifications import keep_notifying
from countersign.deployments.sealer import longest_pause, run_sealer, sealer_part
from countersign.deployments.supervision.child import Child
from countersign.domain.sessions import EXCHANGE_ZONE, deadline
from countersign.models.tables.attestation import JournalCommit
from countersign.models.tables.operations import Notification
from countersign.services.attestation.pushing import push_pending
from countersign.services.attestation.remote import remote_head
from countersign.services.attestation.sealing import is_pending
from countersign.services.notifications.notifications import notify, open_alerts
from countersign.store.home import Home
from tests.support.homes import Databases, make_home
from tests.support.journals import check_journal, git
from tests.support.outages import restart
from tests.support.services import Reply, serve
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading
from tests.support.waiting import PATIENCE_SECONDS, wait_until

DAY = trading().sessions[1]
NOW = deadline(DAY, "open") - timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path, databases: Databases) -> Home:
    """A home with a strategy, and a remote on disk in its settings."""
    made = make_home(tmp_path / "home", databases.ledger("sqlite"))
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    remote = tmp_path / "remote.git"
    with (made.path / "countersign.toml").open("a") as file:
        file.write(f'journal_remote = "{remote}"\n')
    made.clock.set(NOW)
    open_strategies(made, NOW, "alpha")
    return replace(made, journal_remote=str(remote))


def submit(home: Home, n: int) -> None:
    send(home, DAY, {"alpha": {"600001.SH": n / 1000}}, NOW)


def is_out(home: Home) -> Callable[[], bool]:
    def out() -> bool:
        head = home.journal.head()
        return not is_pending(home) and head is not None and remote_head(home) == head.sha

    return out


def hook_of(home: Home, script: str) -> None:
    """Have the remote run a script before it takes a push."""
    hook = Path(str(home.journal_remote)) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}")
    hook.chmod(0o755)


def is_written_down(home: Home) -> bool:
    with home.ledger.read() as db:
        return not db.exec(select(JournalCommit).where(col(JournalCommit.pushed_at).is_(None))).all()


def test_the_sealer_seals_and_pushes_new_signals_and_ends_on_a_signal(home: Home) -> None:
    part = sealer_part(home.path)
    child = part.start()
    try:
        for n in range(1, 4):
            submit(home, n)
            wait_until(is_out(home))
    finally:
        child.stop(PATIENCE_SECONDS)
    assert child.exit_code == 0
    check_journal(home)


@pytest.mark.slow
def test_killed_again_and_again_it_ends_up_whole(home: Home) -> None:
    part = sealer_part(home.path)
    for n in range(1, 4):
        child: Child = part.start()
        try:
            before = home.journal.head()
            submit(home, 2 * n)
            wait_until(lambda then=before: home.journal.head() != then)
            submit(home, 2 * n + 1)
            os.kill(child.identity.pid, signal.SIGKILL)
        finally:
            child.stop(PATIENCE_SECONDS)
    child = part.start()
    try:
        wait_until(is_out(home))
    finally:
        child.stop(PATIENCE_SECONDS)
    check_journal(home)


def test_a_remote_that_hangs_delays_no_seal(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It takes a push and does not answer until it may.
    attempts, may = tmp_path / "attempts", tmp_path / "may"
    hook_of(home, f"echo >> '{attempts}'\nuntil test -e '{may}'; do sleep 0.05; done\n")
    monkeypatch.setattr(sealer, "push_pending", partial(push_pending, timeout_seconds=PATIENCE_SECONDS))
    stop = threading.Event()
    thread = threading.Thread(target=run_sealer, args=(home, stop))
    thread.start()
    try:
        submit(home, 1)
        wait_until(attempts.exists)
        for n in range(2, 4):
            submit(home, n)
            wait_until(lambda: not is_pending(home))
        assert remote_head(home) is None
        assert attempts.read_text() == "\n"
    finally:
        may.touch()
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    check_journal(home)


def test_the_operator_is_notified_while_the_sealer_seals(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []

    def hook(path: str, body: dict[str, str]) -> Reply:
        came.append(f"{path} {body['message']}")
        return Reply({})

    # It looks every ten seconds; nobody waits for that here.
    monkeypatch.setattr(sealer, "keep_notifying", partial(keep_notifying, poll_seconds=0.02))
    stop = threading.Event()
    thread = threading.Thread(target=run_sealer, args=(home, stop))
    with serve(hook) as url:
        monkeypatch.setenv("COUNTERSIGN_OPERATOR_ADDRESSES", json.dumps([f"{url}/operator"]))
        thread.start()
        try:
            for n in range(1, 3):
                with home.ledger.write() as db:
                    notify(db, f"disk {n}", "disk", f"disk {n} is full", NOW)
                wait_until(lambda n=n: len(came) == n)
        finally:
            stop.set()
            thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert came == [f"/operator disk {n} is full (#{n})" for n in range(1, 3)]


def test_a_push_that_is_refused_is_tried_again_by_itself(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = tmp_path / "attempts"
    hook_of(home, f"echo >> '{attempts}'\ntest $(wc -l < '{attempts}') -ge 3\n")
    # It would look after a minute without being told: not here.
    monkeypatch.setattr(sealer, "LONGEST_PAUSE_SECONDS", 10 * PATIENCE_SECONDS)
    submit(home, 1)
    stop = threading.Event()
    thread = threading.Thread(target=run_sealer, args=(home, stop, 0.01))
    thread.start()
    try:
        wait_until(is_out(home))
        wait_until(lambda: is_written_down(home))
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert attempts.read_text() == "\n" * 3
    with home.ledger.read() as db:
        assert open_alerts(db) == []
        assert [entry.kind for entry in db.exec(select(Notification))] == ["journal not pushed"]
    check_journal(home)


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        ("09:09:59", 60),
        ("09:10", 2),
        ("09:14:59", 2),
        ("09:16", 2),
        ("09:16:01", 60),
        ("14:54", 60),
        ("14:55", 2),
        ("15:01", 2),
        ("15:02", 60),
    ],
)
def test_at_a_deadline_no_failure_keeps_anybody_waiting(home: Home, at: str, seconds: float) -> None:
    home.clock.set(datetime.combine(DAY, time.fromisoformat(at), EXCHANGE_ZONE))
    assert longest_pause(home) == seconds


def test_a_day_without_a_session_has_no_deadline_and_an_unknown_time_may_be_one(home: Home) -> None:
    home.clock.set(datetime(2024, 1, 6, 9, 14, tzinfo=EXCHANGE_ZONE))
    assert longest_pause(home) == 60
    assert home.clock.simulated
    (home.path / "clock").unlink()
    assert longest_pause(home) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_once_its_server_is_back_it_seals(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease that it could not give back does not keep it out."""
    monkeypatch.setattr("countersign.store.ledger.leases.LIFETIME", timedelta(seconds=10 * PATIENCE_SECONDS))
    made = make_home(tmp_path / "home", databases.ledger("postgresql"))
    made.clock.set(deadline(DAY, "open") - timedelta(minutes=2))
    open_strategies(made, NOW, "alpha")
    stop = threading.Event()
    thread = threading.Thread(target=run_sealer, args=(made, stop, 0.05))
    thread.start()
    try:
        submit(made, 1)
        wait_until(lambda: not is_pending(made))
        restart(databases.serve())
        submit(made, 2)
        wait_until(lambda: not is_pending(made))
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    check_journal(made)
