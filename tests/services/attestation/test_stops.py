"""Every stop of sealing is reported in one way: a notification, `status` and /metrics."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from countersign import cli, settings
from countersign.api.metrics import RequestMetrics
from countersign.deployments.sealer import run_sealer, sealer_part
from countersign.domain.attestation.records import AUTHOR
from countersign.domain.sessions import deadline
from countersign.models.errors import ConflictError, LeaseError, StoreError
from countersign.models.tables.operations import HomeFact
from countersign.services.attestation.journal_repair import fetch_journal, reset_journal
from countersign.services.attestation.pushing import push_pending
from countersign.services.attestation.sealing import seal_pending, sealing
from countersign.services.attestation.side_sealer import side_sealer
from countersign.services.attestation.stops import STOPPED
from countersign.services.notifications.notifications import open_alerts
from countersign.settings import locate_home
from countersign.store.home import Home
from countersign.store.journal.git_objects import signed_commit
from countersign.store.journal.signing import create_key, load_key
from tests.support.homes import Databases, copy_home, make_home
from tests.support.journals import check_journal, git
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading
from tests.support.waiting import PATIENCE_SECONDS, wait_until

DAY = trading().sessions[0]
NOW = deadline(DAY, "open") - timedelta(hours=1)


@dataclass(frozen=True)
class Waiting:
    """A home with something to seal, and a later state of it whose commits may be ahead on the remote."""

    home: Home
    later: Home


Stop = Callable[[Waiting, pytest.MonkeyPatch], AbstractContextManager[None]]


@pytest.fixture
def waiting(tmp_path: Path, databases: Databases) -> Waiting:
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    home.clock.set(NOW)
    open_strategies(home, NOW, "alpha")
    submit(home, 1)
    seal_pending(home, NOW)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    with (home.path / "countersign.toml").open("a") as file:
        file.write(f'journal_remote = "{tmp_path / "remote.git"}"\n')
    later = replace(copy_home(databases, home, tmp_path / "later"), journal_remote=str(tmp_path / "remote.git"))
    settings.load_settings.cache_clear()
    submit(home, 2)
    return Waiting(locate_home(home.path), later)


def submit(home: Home, n: int) -> None:
    send(home, DAY, {"alpha": {"600001.SH": n / 1000}}, NOW)


@contextmanager
def clock_of_the_other_kind(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    def say(kind: str) -> None:
        with waiting.home.ledger.write() as db:
            fact = db.exec(select(HomeFact).where(HomeFact.key == "clock")).one()
            fact.value = kind
            db.add(fact)

    say("system")
    yield
    say("simulated")


@contextmanager
def commit_signed_by_another(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    journal, keys = waiting.home.journal, waiting.home.path / "theirs"
    keys.mkdir()
    create_key(keys)
    head = journal.head()
    assert head
    tree = bytes.fromhex(git(journal.path, "rev-parse", f"{head.sha}^{{tree}}").strip())
    content = signed_commit(tree, head.sha, AUTHOR, NOW + timedelta(minutes=1), "theirs", load_key(keys).sign)
    sha = journal.git("hash-object", "-t", "commit", "-w", "--stdin", given=content).decode().strip()
    git(journal.path, "update-ref", "refs/heads/main", sha)
    yield
    reset_journal(waiting.home, NOW)


@contextmanager
def commit_without_a_signature(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    clone = waiting.home.path / "clone"
    git(waiting.home.path, "clone", "-q", str(waiting.home.journal.path), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(clone, "push", "-q", "origin", "main")
    yield
    reset_journal(waiting.home, NOW)


@contextmanager
def branch_moved_back(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    seal_pending(waiting.home, NOW)
    submit(waiting.home, 3)
    git(waiting.home.journal.path, "update-ref", "refs/heads/main", "main~1")
    yield
    reset_journal(waiting.home, NOW)


@contextmanager
def remote_ahead(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    submit(waiting.later, 3)
    seal_pending(waiting.later, NOW)
    push_pending(waiting.later, NOW)
    push_pending(waiting.home, NOW)
    yield
    fetch_journal(waiting.home, NOW)


@contextmanager
def git_gone(_waiting: Waiting, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with patch.context() as gone:
        gone.setenv("PATH", "/nowhere")
        yield


@contextmanager
def key_gone(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    key = waiting.home.path / "keys" / "journal_ed25519"
    content = key.read_bytes()
    key.unlink()
    yield
    key.write_bytes(content)
    key.chmod(0o600)


@contextmanager
def repository_gone(waiting: Waiting, _patch: pytest.MonkeyPatch) -> Iterator[None]:
    elsewhere = waiting.home.path / "elsewhere"
    shutil.move(waiting.home.journal.path, elsewhere)
    yield
    shutil.move(elsewhere, waiting.home.journal.path)


STOPS = (
    (clock_of_the_other_kind, "clock_mixed"),
    (commit_signed_by_another, "is not ours"),
    (commit_without_a_signature, "is not ours"),
    (branch_moved_back, "moved back"),
    (remote_ahead, "remote is ahead"),
    (git_gone, "git was not found"),
    (key_gone, "journal_ed25519"),
    (repository_gone, "journal"),
)
every_stop = pytest.mark.parametrize(("stop", "words"), STOPS, ids=[stop.__name__ for stop, _ in STOPS])


def told(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.text for matter in open_alerts(db) if matter.key == STOPPED]


def is_stopped(home: Home) -> float:
    lines = RequestMetrics(home).render().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("countersign_sealing_stopped "))


def status(home: Home, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    settings.load_settings.cache_clear()
    capsys.readouterr()
    code = cli.run(["status", "--home", str(home.path)])
    return code, "".join(capsys.readouterr())


def seal_at_hand(home: Home) -> None:
    seal_pending(home, NOW)


def seal_beside(home: Home) -> None:
    with side_sealer(home) as sealer:
        sealer.seal(NOW)


@pytest.mark.parametrize("seal", [seal_at_hand, seal_beside])
@every_stop
def test_every_stop_is_told_everywhere_and_closed_by_the_next_good_round(
    waiting: Waiting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seal: Callable[[Home], None],
    stop: Stop,
    words: str,
) -> None:
    assert is_stopped(waiting.home) == 0
    with stop(waiting, monkeypatch):
        home = replace(waiting.home)
        for _ in range(2):
            with pytest.raises((ConflictError, StoreError), match=words):
                seal(home)
        [text] = told(home)
        assert text.startswith(f"{STOPPED}: ")
        assert words in text
        assert is_stopped(home) == 1
        code, said = status(home, capsys)
        assert (code, words in said) == (1, True)
    seal(replace(waiting.home))
    assert (told(waiting.home), is_stopped(waiting.home)) == ([], 0)
    assert STOPPED not in status(waiting.home, capsys)[1]
    check_journal(waiting.home)


@every_stop
def test_the_sealer_tells_goes_on_trying_and_seals_once_it_is_mended(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, stop: Stop, words: str
) -> None:
    monkeypatch.setattr("countersign.deployments.sealer.LONGEST_PAUSE_SECONDS", 0.05)
    # It takes the lease for a moment at each attempt: what mends waits for its turn.
    monkeypatch.setattr("countersign.services.attestation.journal_repair.PATIENCE_SECONDS", PATIENCE_SECONDS)
    end = threading.Event()
    with stop(waiting, monkeypatch):
        thread = threading.Thread(target=run_sealer, args=(replace(waiting.home), end, 0.05))
        thread.start()
        try:
            assert words in wait_until(lambda: told(waiting.home))[0]
        except BaseException:
            end.set()
            raise
    try:
        wait_until(lambda: not told(waiting.home))
    finally:
        end.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    check_journal(waiting.home)


def test_a_sealer_that_starts_in_a_home_with_another_clock_tells(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a home does not open, and whoever starts in it would end before a word is said."""
    with clock_of_the_other_kind(waiting, monkeypatch):
        child = sealer_part(waiting.home.path).start()
        try:
            wait_until(lambda: told(waiting.home), child=child)
        finally:
            child.stop(PATIENCE_SECONDS)
    assert child.exit_code == 0


def test_an_error_that_is_none_of_ours_is_told_without_its_words(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiting.home.journal.path / "refs" / "heads" / "main").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        seal_pending(waiting.home, NOW)
    assert told(waiting.home) == [f"{STOPPED}: UnicodeDecodeError; logs/sealer.log has more"]


def test_standing_by_is_no_stop(waiting: Waiting) -> None:
    with sealing(waiting.home), pytest.raises(LeaseError):
        seal_pending(waiting.home, NOW)
    assert told(waiting.home) == []


def test_a_remote_with_commits_of_others_is_told_and_stops_nothing(
    waiting: Waiting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_pending(waiting.home, NOW)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(waiting.home.journal_remote), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(clone, "push", "-q", "origin", "main")
    push_pending(waiting.home, NOW)
    assert seal_pending(waiting.home, NOW).sealed == 1
    assert (told(waiting.home), is_stopped(waiting.home)) == ([], 0)
    assert "countersign_remote_agrees 0.0" in RequestMetrics(waiting.home).render().decode().splitlines()
    code, said = status(waiting.home, capsys)
    assert (code, "not one of our commits" in said) == (1, True)
