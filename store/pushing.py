"""Pushing the journal to its remote: anything git can push to. Never by force, and never in the way of sealing.

A push that fails loses nothing: its commits stay unpushed in the ledger, and the next push takes them all. Secrets in
the remote's address reach git neither as an argument nor in a file, and no message repeats them.
"""

import base64
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.attestation import JournalCommit
from models.errors import StoreError
from models.operations import Notification
from store.home import Home
from store.journal import BRANCH
from store.notifications import notify, resolve

TIMEOUT_SECONDS = 60.0
DIVERGED, NOT_PUSHED = "journal diverged", "journal not pushed"
REMOTE = "journal"


class PushState(StrEnum):
    """What became of a push."""

    PUSHED = "pushed"
    NOTHING = "nothing"
    NO_REMOTE = "no_remote"
    FAILED = "failed"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class PushOutcome:
    """How a push ended; `commits` were waiting, `detail` is git's own word for a failure."""

    state: PushState
    commits: int = 0
    detail: str = ""


def push_pending(home: Home, now: datetime, *, timeout_seconds: float = TIMEOUT_SECONDS) -> PushOutcome:
    """Push the commits that are not pushed yet. Failure is an outcome, not an exception; the operator is told of it.

    Diverged: the remote has commits that are not ours. Nothing is forced; somebody has to look.
    """
    with home.ledger.read() as db:
        waiting = list(db.exec(select(JournalCommit.sha).where(col(JournalCommit.pushed_at).is_(None))))
    if not home.journal_remote:
        return PushOutcome(PushState.NO_REMOTE, len(waiting))
    head = home.journal.head()
    if not waiting or head is None:
        return PushOutcome(PushState.NOTHING)
    outcome = _push(home.journal.path, home.journal_remote, head.sha, timeout_seconds)
    with home.ledger.write() as db:
        if outcome.state is PushState.PUSHED:
            for start in range(0, len(waiting), 500):
                ours = col(JournalCommit.sha).in_(waiting[start : start + 500])
                db.connection().execute(sa.update(JournalCommit).where(ours).values(pushed_at=now))
        for key, state in ((NOT_PUSHED, PushState.FAILED), (DIVERGED, PushState.DIVERGED)):
            if outcome.state is state:
                notify(db, key, key, f"{key}: {len(waiting)} commits wait ({outcome.detail})", now)
            elif outcome.state is PushState.PUSHED:
                resolve(db, key, now)
    return PushOutcome(outcome.state, len(waiting), outcome.detail)


def is_push_failing(db: Session) -> bool:
    """Whether the last push failed, or found that the remote has diverged, as the operator was told."""
    ours = col(Notification.key).in_((NOT_PUSHED, DIVERGED))
    return db.exec(select(Notification.id).where(ours, col(Notification.resolved_at).is_(None))).first() is not None


def remote_head(home: Home, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Ask the remote for its newest commit; None if it has none. StoreError if it cannot be asked."""
    if not home.journal_remote:
        return None
    command = ["ls-remote", REMOTE, BRANCH]
    code, said, complained = _talk(home.journal.path, home.journal_remote, command, timeout_seconds)
    if code:
        raise StoreError(f"journal: the remote cannot be asked ({_redacted(complained, home.journal_remote)})")
    return said.split()[0] if said else None


def _push(repository: Path, remote: str, sha: str, timeout_seconds: float) -> PushOutcome:
    command = ["push", "--porcelain", REMOTE, f"{sha}:{BRANCH}"]
    code, said, complained = _talk(repository, remote, command, timeout_seconds)
    if code == 0:
        return PushOutcome(PushState.PUSHED)
    refused = [line for line in said.splitlines() if line.startswith("!")]
    detail = _redacted(" ".join([*refused, *complained.split()]), remote)[:300]
    diverged = any("[rejected]" in line for line in refused)
    return PushOutcome(PushState.DIVERGED if diverged else PushState.FAILED, detail=detail)


def _talk(repository: Path, remote: str, arguments: Sequence[str], timeout_seconds: float) -> tuple[int, str, str]:
    """Run a git that talks to the remote: exit code, what it said, and what it complained of. Silence is a failure."""
    try:
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=repository,
            env=_environment(repository, remote),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise StoreError(f"journal: git could not be started ({error})") from error
    try:
        said, complained = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return -1, "", f"the remote did not answer within {timeout_seconds:g} s"
    except BaseException:
        _end(process)
        raise
    return process.returncode, said, complained


def _end(process: subprocess.Popen[str]) -> None:
    """End git and its helpers, which would go on waiting for the remote."""
    # Not by a process group of its own: it has to go with ours when that is ended.
    with suppress(psutil.NoSuchProcess):
        for helper in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                helper.kill()
    process.kill()
    process.communicate()


def _environment(repository: Path, remote: str) -> dict[str, str]:
    """Return git's environment: the account's own configuration (proxies, ssh, certificates), and no questions."""
    address, header = _without_secret(remote)
    settings = {f"remote.{REMOTE}.url": address, "http.lowSpeedLimit": "1", "http.lowSpeedTime": "20"}
    if header:
        settings["http.extraHeader"] = header
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    told = {
        "GIT_DIR": str(repository),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15"),
        # Not `ext::`, which runs a command.
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_CONFIG_COUNT": str(len(settings)),
        "LC_ALL": "C",
    }
    for n, (key, value) in enumerate(settings.items()):
        told |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    return kept | told


def _without_secret(remote: str) -> tuple[str, str | None]:
    """Take the user and password out of an HTTP address; give the header that says them instead."""
    parts = urlsplit(remote)
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return remote, None
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, f"Authorization: Basic {base64.b64encode(secret.encode()).decode()}"


def _redacted(text: str, remote: str) -> str:
    secret = urlsplit(remote).netloc.rpartition("@")[0]
    return text.replace(secret, "…") if secret else text
