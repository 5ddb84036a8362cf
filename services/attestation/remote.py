"""The journal's remote: anything git can push to. `services/attestation/pushing.py` decides the commits and the time.

Secrets in its address reach git neither as an argument nor in a file, and no message repeats them.
"""

import base64
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from countersign.models.errors import StoreError
from countersign.services.attestation.reconciliation.comparison import judge_line
from countersign.store.home import Home
from countersign.store.journal.git_commands import finish_git, run_git
from countersign.store.journal.journal import BRANCH, Journal

TIMEOUT_SECONDS = 60.0
REMOTE = "journal"


def remote_head(home: Home, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Ask the remote for its newest commit; None if it has none. StoreError if it cannot be asked."""
    if not home.journal_remote:
        return None
    command = ["ls-remote", REMOTE, BRANCH]
    code, said, complained = talk(home.journal.path, home.journal_remote, command, timeout_seconds)
    if code:
        raise StoreError(f"journal: the remote cannot be asked ({redacted(complained, home.journal_remote)})")
    return said.split()[0] if said else None


@contextmanager
def borrowed(home: Home, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Generator[Journal]:
    """Fetch the remote's branch into a temporary repository, beside the journal's objects; give it.

    Foreign commits never get into the journal by that. StoreError if the branch cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        place = Path(folder)
        run_git(place, ["init", "-q", "--bare", "--template=", f"--initial-branch={Path(BRANCH).name}"])
        alternates = place / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{(home.journal.path / 'objects').resolve()}\n")
        command = ["fetch", "-q", "--no-tags", REMOTE, f"+{BRANCH}:{BRANCH}"]
        remote = str(home.journal_remote)
        code, _, complained = talk(place, remote, command, timeout_seconds)
        if code:
            raise StoreError(f"journal: the remote's commits cannot be had ({redacted(complained, remote)})")
        yield Journal(place, home.journal.keys)


def is_ahead(theirs: Journal, tip: str | None) -> bool:
    """Whether a borrowed remote follows on our newest commit, with nothing but commits of ours."""
    if tip is not None and not theirs.has(tip):
        return False
    new, foreign = judge_line(theirs, tip)
    return bool(new) and not foreign


def talk(repository: Path, remote: str, arguments: Sequence[str], timeout_seconds: float) -> tuple[int, str, str]:
    """Run a git that talks to the remote: exit code, output and error output. Silence is a failure."""
    try:
        code, said, complained = finish_git(repository, arguments, environment(repository, remote), timeout_seconds)
    except TimeoutError:
        return -1, "", f"the remote did not answer within {timeout_seconds:g} s"
    return code, said.decode(errors="replace"), complained.decode(errors="replace")


def environment(repository: Path, remote: str) -> dict[str, str]:
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
    """Take the user and password out of an HTTP address; give the header that carries them instead."""
    parts = urlsplit(remote)
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return remote, None
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, f"Authorization: Basic {base64.b64encode(secret.encode()).decode()}"


def redacted(text: str, remote: str) -> str:
    """Take the secret in a remote's address out of a text."""
    secret = urlsplit(remote).netloc.rpartition("@")[0]
    return text.replace(secret, "…") if secret else text
