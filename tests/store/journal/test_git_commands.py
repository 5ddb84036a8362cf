"""The program git as the store starts it: no variable of the account, a limit on its time, and its own words."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from countersign.models.errors import StoreError
from countersign.services.attestation import remote
from countersign.store.journal import git_commands
from countersign.store.journal.git_commands import environment, finish_git, run_git, stream_git
from countersign.store.journal.git_reader import open_repository
from tests.support.journals import git
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.worked_example import worked_example

ROOT = Path(__file__).parents[3]
# Git adds these for the programs that it starts.
ADDED = {"GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "GIT_PAGER", "GIT_PREFIX"}
TELL = ("-c", "alias.tell=!env -0", "tell")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run_git(tmp_path, ["init", "-q", "--bare", "--template=", "--initial-branch=main"])
    return tmp_path


@pytest.fixture
def hostile(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account whose variables lead git elsewhere; the file is there once something of theirs has run or traced."""
    folder = tmp_path_factory.mktemp("hostile")
    trace, script = folder / "it-ran", folder / "script"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    script.chmod(0o755)
    other = folder / "other.git"
    git(folder, "init", "-q", "--bare", str(other))
    pairs = {"core.fsmonitor": str(script), "core.pager": str(script), "core.hooksPath": str(folder)}
    (folder / "reference-transaction").write_bytes(script.read_bytes())
    (folder / "reference-transaction").chmod(0o755)
    (folder / "git").mkdir()
    settings = "".join(f"[core]\n\t{key.removeprefix('core.')} = {value}\n" for key, value in pairs.items())
    (folder / "git" / "config").write_text(settings)
    variables = {
        "GIT_DIR": str(other),
        "GIT_COMMON_DIR": str(other),
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(other / "objects"),
        "GIT_NAMESPACE": "theirs",
        "GIT_GRAFT_FILE": str(folder / "grafts"),
        "GIT_SHALLOW_FILE": str(folder / "shallow"),
        "GIT_REPLACE_REF_BASE": "refs/theirs",
        "GIT_CONFIG_GLOBAL": str(folder / "git" / "config"),
        "GIT_CONFIG_SYSTEM": str(folder / "git" / "config"),
        "GIT_CONFIG_PARAMETERS": " ".join(f"'{key}'='{value}'" for key, value in pairs.items()),
        "GIT_CONFIG_COUNT": str(len(pairs)),
        "GIT_PROXY_COMMAND": str(script),
        "GIT_EXTERNAL_DIFF": str(script),
        "GIT_PAGER": str(script),
        "GIT_EDITOR": str(script),
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_TEMPLATE_DIR": str(folder),
        "GIT_TRACE": str(trace),
        "GIT_TRACE2_EVENT": str(trace),
        "GIT_FUTURE_VARIABLE": "1",
        "XDG_CONFIG_HOME": str(folder),
        "LANGUAGE": "de",
        "PAGER": str(script),
    }
    for n, (key, value) in enumerate(pairs.items()):
        variables |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return trace


def told(output: bytes, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that git told, once those of git's are found to be the given ones and its own."""
    found = dict(line.split("=", 1) for line in output.decode().rstrip("\0").split("\0"))
    theirs = {name: value for name, value in found.items() if name.startswith("GIT_") and name not in given}
    assert set(theirs) <= ADDED
    assert not [name for name, value in theirs.items() if value == os.environ.get(name)]
    assert {(name, value) for name, value in given.items() if name.startswith("GIT_")} <= found.items()
    return found


def test_git_gets_the_given_variables_and_none_of_the_account(repository: Path, hostile: Path) -> None:
    given = environment(repository)
    code, output, _ = finish_git(repository, TELL, given, PATIENCE_SECONDS)
    assert code == 0
    assert told(output, given)["XDG_CONFIG_HOME"] == os.devnull
    assert not hostile.exists()


def test_a_stream_gets_the_given_variables_and_none_of_the_account(repository: Path, hostile: Path) -> None:
    given = environment(repository)
    with stream_git(repository, TELL, given, PATIENCE_SECONDS) as output:
        assert told(output.read(), given)["XDG_CONFIG_HOME"] == os.devnull
    assert not hostile.exists()


def test_git_of_the_remote_gets_no_variable_of_git_but_ours(repository: Path, hostile: Path) -> None:
    code, output, _ = remote.talk(repository, "https://robot:s3cret@example.com/x.git", TELL, PATIENCE_SECONDS)
    assert code == 0
    found = told(output.encode(), remote.environment(repository, "https://robot:s3cret@example.com/x.git"))
    assert found["GIT_DIR"] == str(repository)
    assert found["GIT_CONFIG_KEY_0"] == "remote.journal.url"
    assert "GIT_FUTURE_VARIABLE" not in found
    assert not hostile.exists()


def test_hostile_variables_lead_git_to_no_other_repository(repository: Path, hostile: Path) -> None:
    blob = run_git(repository, ["hash-object", "-w", "--stdin"], b"words").decode().strip()
    assert len(blob) == 40
    assert (repository / "objects" / blob[:2] / blob[2:]).is_file()
    run_git(repository, ["update-ref", "refs/blobs/one", blob])
    assert (repository / "refs" / "blobs" / "one").read_text().strip() == blob
    assert not hostile.exists()


def test_hostile_variables_do_not_bend_reading_a_foreign_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    journal = worked_example(tmp_path)
    with open_repository(journal.path) as opened:
        history = opened.history()
        changes = opened.changes(history)
    trace = request.getfixturevalue("hostile")
    monkeypatch.chdir(journal.path)
    with open_repository(journal.path) as opened:
        assert opened.history() == history
        assert opened.changes(history) == changes
    assert not trace.exists()


def test_words_of_a_shell_mean_nothing(repository: Path) -> None:
    trace = repository / "it-ran"
    with pytest.raises(StoreError, match="journal: git rev-parse failed"):
        run_git(repository, ["rev-parse", "--verify", f"$(touch {trace}); touch {trace}"])
    assert not trace.exists()


def test_folder_with_signs_of_a_shell_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "$HOME ~ %PATH%"
    folder.mkdir()
    run_git(folder, ["init", "-q", "--bare", "--template="])
    assert (folder / "HEAD").is_file()


def test_input_and_descriptors_reach_git(repository: Path) -> None:
    reading, writing = os.pipe()
    try:
        command = ["-c", f"alias.echo=!cat; echo inherited > /dev/fd/{writing}", "echo"]
        large = os.urandom(300_000)
        assert run_git(repository, command, large, keep=(writing,)) == large
        assert os.read(reading, 100) == b"inherited\n"
        with pytest.raises(StoreError, match=r"cannot create|No such"):
            run_git(repository, command, b"")
    finally:
        os.close(reading)
        os.close(writing)


def test_git_that_does_not_end_is_ended_with_its_helpers(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_commands, "TIMEOUT_SECONDS", 0.2)
    reading, writing = os.pipe()
    with pytest.raises(StoreError, match=r"did not end within 0\.2 s"):
        run_git(repository, ["-c", "alias.hang=!sleep 3600 & sleep 3600", "hang"], keep=(writing,))
    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody holds the other end any more
    os.close(reading)


def test_stream_that_is_left_early_ends_git(repository: Path) -> None:
    with stream_git(repository, ["-c", "alias.forever=!yes", "forever"], environment(repository), 3_600) as output:
        assert output.readline() == b"y\n"


def test_stream_of_a_git_that_fails_says_its_words(repository: Path) -> None:
    with (
        pytest.raises(StoreError, match="Not a valid object name 111"),
        stream_git(repository, ["cat-file", "-p", "1" * 40], environment(repository), PATIENCE_SECONDS) as output,
    ):
        assert output.read() == b""


def test_git_that_is_not_installed_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = repository / "tools"
    tools.mkdir()
    (tools / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(StoreError, match="git"):
        run_git(repository, ["rev-parse"])


def test_gitpython_is_imported_by_the_first_start_of_git_and_not_before(repository: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "import countersign.cli, countersign.services.operations.backup, countersign.store.journal.git_reader\n"
        "import countersign.services.attestation.pushing\n"
        "from countersign.store.journal.git_commands import run_git\n"
        "before = 'git' in sys.modules\n"
        "run_git(pathlib.Path(sys.argv[1]), ['rev-parse', '--git-dir'])\n"
        "print(before, 'git' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False True\n"
