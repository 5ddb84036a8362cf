"""A sealer in a process of its own: the same journal as one at hand, however far it falls behind."""

import multiprocessing
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from countersign.domain.sessions import deadline
from countersign.models.errors import LeaseError, StoreError
from countersign.services.attestation.sealing import extent, is_pending, sealing
from countersign.services.attestation.side_sealer import side_sealer
from countersign.store.home import Home
from tests.support import processes
from tests.support.homes import Databases, make_home
from tests.support.journals import check_journal, git
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading
from tests.support.waiting import wait_until

DAYS = trading().sessions
EARLY = deadline(DAYS[0], "open") - timedelta(hours=1)


def rounds_of(home: Home) -> list[tuple[int, str]]:
    """Commits, oldest first: time and message."""
    lines = git(home.path / "journal", "log", "--reverse", "--format=%ct %s").splitlines()
    return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in lines]


def test_every_round_has_its_own_time_and_its_own_signals(home: Home) -> None:
    open_strategies(home, EARLY, "alpha", "beta")
    with side_sealer(home) as sealer:
        for n in range(12):
            now = EARLY + timedelta(minutes=n)
            send(home, DAYS[0], {"alpha": {"600001.SH": 0.01 * (n + 1)}, "beta": {"600002.SH": 0.01 * (n + 1)}}, now)
            sealer.seal(now)
    seconds = [int((EARLY + timedelta(minutes=n)).timestamp()) for n in range(12)]
    assert rounds_of(home) == [(second, "seal 2 signals") for second in seconds]
    check_journal(home)


def test_a_signal_that_came_after_a_round_was_handed_over_waits_for_the_next(home: Home) -> None:
    open_strategies(home, EARLY, "alpha")
    send(home, DAYS[0], {"alpha": {"600001.SH": 0.5}}, EARLY)
    first, later = extent(home), EARLY + timedelta(minutes=5)
    send(home, DAYS[1], {"alpha": {"600002.SH": 0.5}}, later)
    with sealing(home) as sealer:
        assert sealer.seal(EARLY, first).sealed == 1
        assert is_pending(home)
        assert sealer.seal(later, extent(home)).sealed == 1
    assert [second for second, _ in rounds_of(home)] == [int(EARLY.timestamp()), int(later.timestamp())]


@pytest.fixture
def desk(databases: Databases, tmp_path: Path) -> Home:
    """A home on SQLite: processes behave the same on both databases."""
    return make_home(tmp_path / "home", databases.ledger("sqlite"))


def test_a_second_sealer_is_refused(desk: Home) -> None:
    with sealing(desk), pytest.raises(LeaseError), side_sealer(desk):
        pass


def test_a_death_is_raised_and_loses_nothing(desk: Home) -> None:
    open_strategies(desk, EARLY, "alpha")
    with pytest.raises(StoreError, match="has died"), side_sealer(desk) as sealer:
        [process] = [child for child in multiprocessing.active_children() if child.name == "sealer"]
        process.kill()
        process.join()
        send(desk, DAYS[0], {"alpha": {"600001.SH": 0.5}}, EARLY)
        sealer.seal(EARLY)
    with sealing(desk) as sealer_at_hand:
        assert sealer_at_hand.seal(EARLY).sealed == 1
    check_journal(desk)


def owner_that_dies(home: Home) -> None:
    with side_sealer(home):
        os.kill(os.getpid(), signal.SIGKILL)


def test_it_ends_with_its_owner(desk: Home) -> None:
    # Not one of the test support's: those are daemons, which may have no children.
    owner = multiprocessing.get_context("forkserver").Process(target=owner_that_dies, args=(desk,))
    owner.start()
    assert processes.join(owner) == [processes.KILLED]

    def free() -> bool:
        try:
            with sealing(desk):
                return True
        except LeaseError:
            return False

    wait_until(free)
