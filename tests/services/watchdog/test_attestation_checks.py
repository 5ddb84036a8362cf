"""Problems of sealing that the watchdog sees: each is reported when it holds, and not when it does not."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from countersign.domain.attestation.records import seal_path
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.tables.attestation import JournalCommit
from countersign.models.tables.operations import Lease
from countersign.services.attestation.agreement import read_agreement
from countersign.services.attestation.pushing import push_pending
from countersign.services.attestation.sealing import seal_pending, sealing
from countersign.services.watchdog.attestation_checks import ATTESTATION_CHECKS
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.ledger.facts import SEALER_SEEN, keep_fact
from tests.support.homes import at_system_time
from tests.support.journals import git
from tests.support.settling import settle_session
from tests.support.strategies import send
from tests.support.trading import trading

DAYS = trading().sessions
HOUR = timedelta(hours=1)


def seen(home: Home) -> list[WatchdogProblem]:
    return [problem for check in ATTESTATION_CHECKS for problem in check(home, DAYS[-1])]


def kinds(home: Home) -> list[tuple[str, str, Repair]]:
    return [(problem.kind, problem.subject, problem.repair) for problem in seen(home)]


@pytest.fixture
def sealed(fresh: Home) -> Home:
    """Everything sealed, a remote that has it all, and an hour gone by."""
    settle_session(fresh, DAYS[0])
    seal_pending(fresh, fresh.clock.now())
    git(fresh.path, "init", "-q", "--bare", "-b", "main", "remote.git")
    home = replace(fresh, journal_remote=str(fresh.path / "remote.git"))
    push_pending(home, home.clock.now())
    home.clock.set(home.clock.now() + HOUR)
    return home


def test_a_sealed_home_has_no_problem(sealed: Home) -> None:
    assert seen(sealed) == []


def test_unsealed_signals_past_their_deadline_are_a_problem(fresh: Home) -> None:
    days = [day for day in DAYS if ("unsealed signals", str(day), Repair.SEAL) in kinds(fresh)]
    assert days == list(DAYS)
    seal_pending(fresh, fresh.clock.now())
    assert seen(fresh) == []
    # Before its deadline a signal is the sealer's own business.
    ahead = fresh.sessions.next(DAYS[-1])
    send(fresh, ahead, {"s00": {"600001.SH": 0.1}})
    assert seen(fresh) == []


def test_settled_sessions_undisclosed_for_an_hour_are_a_problem(sealed: Home) -> None:
    settle_session(sealed, DAYS[1])
    assert seen(sealed) == []
    sealed.clock.set(sealed.clock.now() + HOUR)
    assert kinds(sealed) == [("undisclosed session", str(DAYS[1]), Repair.SEAL)]


def test_commits_unpushed_for_an_hour_are_a_problem(sealed: Home) -> None:
    settle_session(sealed, DAYS[1])
    seal_pending(sealed, sealed.clock.now())
    assert seen(sealed) == []
    sealed.clock.set(sealed.clock.now() + HOUR)
    assert kinds(sealed) == [("unpushed commits", "journal", Repair.SEAL)]


def test_a_remote_that_has_moved_on_is_a_problem(sealed: Home, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(sealed.journal_remote), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(clone, "push", "-q", "origin", "main")
    assert kinds(sealed) == [("remote diverged", "journal", Repair.NONE)]


def test_a_remote_out_of_reach_is_a_warning(sealed: Home) -> None:
    shutil.rmtree(str(sealed.journal_remote))
    assert [(problem.kind, problem.warning) for problem in seen(sealed)] == [("remote out of reach", True)]


def test_a_missing_signing_key_is_a_problem(sealed: Home) -> None:
    (sealed.path / "keys" / "journal_ed25519").unlink()
    assert kinds(sealed) == [("signing key", "journal", Repair.NONE)]


def test_a_journal_from_an_old_copy_stops_sealing(sealed: Home) -> None:
    git(sealed.journal.path, "update-ref", "refs/heads/main", "main~1")
    git(sealed.journal.path, "update-ref", "-d", "refs/heads/main")
    assert ("sealing stopped", "journal", Repair.NONE) in kinds(sealed)


def test_a_commit_of_others_in_the_journal_stops_sealing(sealed: Home, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(sealed.journal.path), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(clone, "push", "-q", "origin", "main")
    (problem,) = seen(sealed)
    assert problem.kind == "sealing stopped"
    assert "countersign admin journal reset" in problem.text


def test_a_remote_that_was_moved_back_is_a_problem_until_the_next_push(sealed: Home) -> None:
    git(Path(str(sealed.journal_remote)), "update-ref", "refs/heads/main", "main~1")
    assert kinds(sealed) == [("remote moved back", "journal", Repair.SEAL)]
    git(Path(str(sealed.journal_remote)), "update-ref", "-d", "refs/heads/main")
    assert kinds(sealed) == [("remote moved back", "journal", Repair.SEAL)]
    push_pending(sealed, sealed.clock.now())
    assert seen(sealed) == []


def test_a_strategy_that_is_set_aside_is_a_problem(fresh: Home) -> None:
    path = seal_path("s00", DAYS[0], 1)
    with fresh.journal.writing(simulated=True) as writer:
        writer.add({path: b"{}\n"}, "forged", fresh.clock.now())
    seal_pending(fresh, fresh.clock.now())
    assert ("journal conflict", path, Repair.NONE) in kinds(fresh)
    with fresh.ledger.read() as db:
        assert read_agreement(fresh, db).set_aside == 1


def test_a_sealer_that_is_gone_is_a_warning(sealed: Home) -> None:
    """Its last round is known, and nobody holds its lease; one at work is silent for at most five minutes."""
    home = at_system_time(sealed, sealed.clock.now())
    assert [(problem.kind, problem.warning) for problem in seen(home)] == [("sealer", True)]
    with sealing(sealed):
        assert seen(home) == []
        with sealed.ledger.write() as db:
            held, long_ago = db.get_one(Lease, "seal"), wall_clock() - timedelta(minutes=6)
            held.acquired_at = long_ago
            db.add(held)
            keep_fact(db, SEALER_SEEN, long_ago.isoformat())
        assert [problem.kind for problem in seen(home)] == ["sealer"]


def test_commits_without_a_token_are_a_warning(sealed: Home) -> None:
    home = replace(sealed, timestamp_authorities=("http://127.0.0.1:9/tsr",))
    with home.ledger.read() as db:
        count = len(db.exec(select(JournalCommit)).all())
    (problem,) = seen(home)
    assert (problem.kind, problem.warning) == ("missing timestamps", True)
    assert problem.text.startswith(f"{count} commits")
