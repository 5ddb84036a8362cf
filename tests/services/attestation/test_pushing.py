"""Pushing to remotes that take it, refuse it, hang, or have moved on: real repositories, on disk and over HTTP."""

import base64
import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlmodel import select

from countersign.domain.sessions import deadline
from countersign.models.errors import ConflictError, RefusedError, StoreError
from countersign.models.tables.attestation import JournalCommit
from countersign.services.attestation.journal_repair import fetch_journal
from countersign.services.attestation.pushing import PushState, push_pending
from countersign.services.attestation.remote import remote_head
from countersign.services.attestation.sealing import seal_pending
from countersign.services.notifications.notifications import open_alerts
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from tests.support.homes import Databases, copy_home, make_home
from tests.support.journals import check_signatures, git
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading

DAY = trading().sessions[1]
NOW = deadline(DAY, "open") - timedelta(hours=1)


@pytest.fixture
def sealed(tmp_path: Path, databases: Databases) -> Home:
    """A home with one sealed signal and no remote."""
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    open_strategies(home, NOW, "alpha")
    seal_one(home, 1)
    return home


def seal_one(home: Home, n: int) -> None:
    send(home, DAY, {"alpha": {"600001.SH": n / 100}}, NOW + timedelta(minutes=n))
    seal_pending(home, NOW + timedelta(minutes=n))


def bare(path: Path) -> Path:
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    return path


def to(home: Home, remote: object) -> Home:
    return replace(home, journal_remote=str(remote))


def unpushed(home: Home) -> int:
    with home.ledger.read() as db:
        return len(db.exec(select(JournalCommit).where(JournalCommit.pushed_at == None)).all())  # noqa: E711


def told(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.kind for matter in open_alerts(db)]


def test_without_a_remote_commits_wait(sealed: Home) -> None:
    assert push_pending(sealed, NOW).state is PushState.NO_REMOTE
    assert unpushed(sealed) == 1


def test_a_bare_repository_on_disk_gets_all_commits(sealed: Home, tmp_path: Path) -> None:
    home = to(sealed, bare(tmp_path / "remote.git"))
    assert remote_head(home) is None
    assert push_pending(home, NOW).state is PushState.PUSHED
    assert (unpushed(home), push_pending(home, NOW).state) == (0, PushState.NOTHING)
    seal_one(home, 2)
    seal_one(home, 3)
    assert push_pending(home, NOW).commits == 2
    head = home.journal.head()
    assert head
    assert remote_head(home) == head.sha == git(tmp_path / "remote.git", "rev-parse", "main").strip()
    check_signatures(tmp_path / "remote.git")


def test_a_push_that_was_not_written_down_is_harmless(sealed: Home, tmp_path: Path) -> None:
    remote = bare(tmp_path / "remote.git")
    git(sealed.journal.path, "push", "-q", str(remote), "main")
    assert push_pending(to(sealed, remote), NOW).state is PushState.PUSHED
    assert unpushed(sealed) == 0


def test_a_remote_that_refuses_loses_nothing(sealed: Home, tmp_path: Path) -> None:
    remote = bare(tmp_path / "remote.git")
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no thanks >&2\nexit 1\n")
    hook.chmod(0o755)
    home = to(sealed, remote)
    outcome = push_pending(home, NOW)
    assert outcome.state is PushState.FAILED
    assert "hook declined" in outcome.detail
    assert (unpushed(home), told(home)) == (1, ["journal not pushed"])
    seal_one(home, 2)
    hook.unlink()
    assert (push_pending(home, NOW).commits, told(home)) == (2, [])


def test_a_remote_that_is_not_there_fails_the_push(sealed: Home, tmp_path: Path) -> None:
    home = to(sealed, tmp_path / "nowhere.git")
    assert push_pending(home, NOW).state is PushState.FAILED
    with pytest.raises(StoreError, match="cannot be asked"):
        remote_head(home)


def push_theirs(remote: Path, clone: Path) -> None:
    """Push a commit of somebody else's on top of ours."""
    git(clone.parent, "clone", "-q", str(remote), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(clone, "push", "-q", "origin", "main")


def test_a_remote_that_has_moved_on_is_never_forced(sealed: Home, tmp_path: Path) -> None:
    remote = bare(tmp_path / "remote.git")
    home = to(sealed, remote)
    push_pending(home, NOW)
    push_theirs(remote, tmp_path / "clone")
    theirs = git(remote, "rev-parse", "main")
    seal_one(home, 2)
    assert push_pending(home, NOW).state is PushState.DIVERGED
    assert git(remote, "rev-parse", "main") == theirs
    assert (unpushed(home), told(home)) == (1, ["journal diverged"])
    assert not home.journal.has(str(remote_head(home)))


def move_back(remote: Path, to: str | None) -> None:
    """Have somebody take commits from the remote; None empties it."""
    git(remote, "config", "receive.denyNonFastForwards", "false")
    git(remote, "update-ref", *(["refs/heads/main", to] if to else ["-d", "refs/heads/main"]))


@pytest.mark.parametrize("emptied", [False, True])
def test_a_remote_that_lost_commits_is_a_problem_and_gets_them_again(
    sealed: Home, tmp_path: Path, emptied: bool
) -> None:
    remote = bare(tmp_path / "remote.git")
    home = to(sealed, remote)
    seal_one(home, 2)
    seal_one(home, 3)
    push_pending(home, NOW)
    first, head = git(remote, "rev-parse", "main~2", "main").split()
    move_back(remote, None if emptied else first)
    # It refuses everything for now: the commits that it lacks are not pushed any more.
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert push_pending(home, NOW).state is PushState.FAILED
    assert unpushed(home) == (3 if emptied else 2)
    assert set(told(home)) == {"journal not pushed", "remote moved back"}
    hook.unlink()
    assert push_pending(home, NOW).state is PushState.PUSHED
    assert (remote_head(home), unpushed(home)) == (head, 0)
    assert told(home) == ["remote moved back"]
    # The next look finds everything well.
    assert push_pending(home, NOW).state is PushState.NOTHING
    assert told(home) == []


def test_commits_that_a_replaced_remote_lacks_count_as_unpushed(sealed: Home, tmp_path: Path) -> None:
    remote = bare(tmp_path / "remote.git")
    home = to(sealed, remote)
    seal_one(home, 2)
    push_pending(home, NOW)
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "-b", "main", str(other))
    git(other, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--allow-empty", "-m", "theirs")
    git(other, "push", "-q", "-f", str(remote), "main")
    theirs = git(remote, "rev-parse", "main")
    assert push_pending(home, NOW).state is PushState.DIVERGED
    assert (unpushed(home), told(home)) == (2, ["journal diverged"])
    assert git(remote, "rev-parse", "main") == theirs
    # Sealing goes on: who may push there stops nobody here.
    seal_one(home, 3)
    move_back(remote, None)
    assert push_pending(home, NOW).state is PushState.PUSHED
    assert (unpushed(home), told(home)) == (0, [])


def test_a_remote_ahead_of_a_restored_home_stops_sealing_until_it_is_fetched(
    sealed: Home, tmp_path: Path, databases: Databases
) -> None:
    remote = bare(tmp_path / "remote.git")
    old = to(copy_home(databases, sealed, tmp_path / "old"), remote)
    home = to(sealed, remote)
    seal_one(home, 2)
    seal_one(home, 3)
    push_pending(home, NOW)
    assert push_pending(old, NOW).state is PushState.AHEAD
    with pytest.raises(ConflictError, match=r"remote is ahead of it.*admin journal fetch"):
        seal_one(old, 4)
    assert told(old) == ["sealing stopped"]
    assert fetch_journal(old, NOW)["fetched"] == 2
    seal_pending(old, NOW + timedelta(minutes=5))
    assert push_pending(old, NOW).state is PushState.PUSHED
    assert (unpushed(old), told(old)) == (0, ["journal adopted"])
    assert verify_journal(remote).faults == ()


def test_a_remote_with_commits_of_others_on_ours_is_not_fetched(sealed: Home, tmp_path: Path) -> None:
    remote = bare(tmp_path / "remote.git")
    home = to(sealed, remote)
    push_pending(home, NOW)
    push_theirs(remote, tmp_path / "clone")
    head = home.journal.tip()
    with pytest.raises(RefusedError, match="does not follow"):
        fetch_journal(home, NOW)
    assert home.journal.tip() == head
    assert "theirs" not in git(home.journal.path, "log", "--all", "--format=%s")


def test_a_remote_that_hangs_is_given_up(sealed: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        home = to(sealed, f"http://127.0.0.1:{server.getsockname()[1]}/journal.git")
        outcome = push_pending(home, NOW, timeout_seconds=1)
    assert outcome.state is PushState.FAILED
    assert "did not answer within 1 s" in outcome.detail
    assert unpushed(home) == 1
    mine = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "git"], capture_output=True, check=False).stdout
    assert not mine.strip()


def test_a_push_over_http_shows_its_password_to_nobody(sealed: Home, tmp_path: Path) -> None:
    bare(tmp_path / "remote.git")
    git(tmp_path / "remote.git", "config", "http.receivepack", "true")
    with serving(tmp_path, "robot:s3cret/word") as port:
        wrong = to(sealed, f"http://robot:sesame@127.0.0.1:{port}/remote.git")
        outcome = push_pending(wrong, NOW)
        assert outcome.state is PushState.FAILED
        assert "sesame" not in outcome.detail
        home = to(sealed, f"http://robot:s3cret%2Fword@127.0.0.1:{port}/remote.git")
        assert push_pending(home, NOW).state is PushState.PUSHED
        head = home.journal.head()
        assert head
        assert remote_head(home) == head.sha
    assert "s3cret" not in repr(home)
    assert unpushed(home) == 0


class GitOverHttp(http.server.BaseHTTPRequestHandler):
    """Git's own CGI program behind a password."""

    root: ClassVar[Path]
    password: ClassVar[str]

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        expected = "Basic " + base64.b64encode(self.password.encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="journal"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_USER": "robot",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def serving(root: Path, password: str) -> Iterator[int]:
    handler = type("Handler", (GitOverHttp,), {"root": root, "password": password})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
