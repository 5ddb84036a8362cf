"""Leases: one live holder, and never a wait for a dead one."""

import os
import threading
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from countersign.models.errors import LeaseError, StoreError
from countersign.models.tables.operations import Lease
from countersign.store.clock import wall_clock
from countersign.store.ledger.leases import LIFETIME, is_held, lease
from countersign.store.ledger.ledger import Ledger
from countersign.store.processes import ProcessIdentity
from tests.support import processes
from tests.support.outages import away
from tests.support.waiting import PATIENCE_SECONDS, wait_until


def hold(url: str, held: Any, done: Any) -> None:
    with lease(Ledger(url), "settle"):
        held.set()
        done.wait()


def take(url: str) -> None:
    with lease(Ledger(url), "settle"):
        pass


def row(ledger: Ledger) -> Lease | None:
    with ledger.read() as db:
        return db.get(Lease, "settle")


def test_a_second_holder_is_refused_with_the_name_of_the_first(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with lease(ledger, "settle"):
        assert (is_held(ledger, "settle"), is_held(ledger, "another")) == (True, False)
        with pytest.raises(LeaseError, match=rf"settle: held by process {os.getpid()} on .* since .* UTC"):
            take(ledger_url)
        with lease(ledger, "another"):
            pass
    assert row(ledger) is None
    assert not is_held(ledger, "settle")
    take(ledger_url)


def test_it_is_given_back_when_the_work_fails(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with pytest.raises(KeyError), lease(ledger, "settle"):
        raise KeyError
    assert row(ledger) is None


def test_a_live_process_keeps_it_and_a_killed_one_loses_it_at_once(ledger_url: str) -> None:
    held, done = processes.event(), processes.event()
    with processes.running(hold, ledger_url, held, done) as holder:
        assert held.wait(PATIENCE_SECONDS)
        with pytest.raises(LeaseError, match=f"process {holder.pid} "):
            take(ledger_url)
        holder.kill()
        # Nobody has waited for the process yet: dead, but still in the table of processes.
        wait_until(lambda: ProcessIdentity(*_identity(ledger_url)).process() is None)
        take(ledger_url)
    assert row(Ledger(ledger_url)) is None


def _identity(url: str) -> tuple[str, int, float]:
    found = row(Ledger(url))
    assert found
    host, pid, created, _ = found.holder.rsplit(":", 3)
    return host, int(pid), float(created)


def _put(ledger: Ledger, holder: str, expires_in: timedelta) -> None:
    now = wall_clock()
    with ledger.write() as db:
        db.add(Lease(name="settle", holder=holder, acquired_at=now, expires_at=now + expires_in))


def test_a_holder_on_another_machine_has_it_until_it_expires(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    _put(ledger, "elsewhere:1:0.0:abcd", timedelta(seconds=60))
    with pytest.raises(LeaseError, match="process 1 on elsewhere"):
        take(ledger_url)
    with ledger.write() as db:
        found = db.get(Lease, "settle")
        assert found
        found.expires_at = wall_clock() - timedelta(microseconds=1)
        db.add(found)
    take(ledger_url)


def test_the_pid_of_a_dead_holder_given_to_another_process_means_nothing(ledger_url: str) -> None:
    me = ProcessIdentity.current()
    _put(Ledger(ledger_url), f"{me.host}:{me.pid}:{me.created - 1000}:abcd", LIFETIME)
    take(ledger_url)


def test_it_is_renewed_while_the_work_goes_on(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(ledger_url)
    monkeypatch.setattr("countersign.store.ledger.leases.RENEWAL_SECONDS", 0.01)
    with lease(ledger, "settle"):
        with ledger.write() as db:
            found = db.get(Lease, "settle")
            assert found
            found.expires_at = wall_clock()
            db.add(found)

        def renewed() -> bool:
            current = row(ledger)
            return current is not None and current.expires_at > wall_clock() + LIFETIME / 2

        wait_until(renewed)


def test_one_that_was_taken_over_is_neither_renewed_nor_given_back_by_the_first(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(ledger_url)
    monkeypatch.setattr("countersign.store.ledger.leases.RENEWAL_SECONDS", 0.01)
    with lease(ledger, "settle"):
        with ledger.write() as db:
            found = db.get(Lease, "settle")
            assert found
            found.holder, expires = "elsewhere:1:0.0:abcd", found.expires_at
            db.add(found)
        (keeper,) = [thread for thread in threading.enumerate() if thread.name == "lease settle"]
        keeper.join(PATIENCE_SECONDS)
        assert not keeper.is_alive()
    found = row(ledger)
    assert found
    assert (found.holder, found.expires_at) == ("elsewhere:1:0.0:abcd", expires)


def test_a_holder_that_could_not_give_it_back_takes_it_again_at_once(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ExitStack() as outage, pytest.raises(StoreError, match="ledger"), lease(ledger, "settle"):
        outage.enter_context(away(ledger_url))
        row(ledger)
    left = row(ledger)
    assert left
    assert left.expires_at > wall_clock()
    assert not is_held(ledger, "settle")
    with lease(ledger, "settle"):
        taken = row(ledger)
        assert taken
        assert taken.holder != left.holder
        assert is_held(ledger, "settle")
    assert row(ledger) is None


def test_of_two_threads_of_one_process_one_has_it(ledger_url: str) -> None:
    ledger, outcomes = Ledger(ledger_url), list[str]()
    _put(ledger, _left_over(), LIFETIME)
    begin, end = threading.Barrier(4), threading.Barrier(4)

    def contend() -> None:
        begin.wait(PATIENCE_SECONDS)
        try:
            with lease(ledger, "settle"):
                outcomes.append("held")
                end.wait(PATIENCE_SECONDS)
        except LeaseError:
            outcomes.append("refused")
            end.wait(PATIENCE_SECONDS)

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(outcomes) == ["held", "refused", "refused", "refused"]
    assert row(ledger) is None


def _left_over() -> str:
    """A holder of this very process that works no more."""
    me = ProcessIdentity.current()
    return f"{me.host}:{me.pid}:{me.created}:dead"
