"""docs/verification.md: its steps by hand work on a journal made by hand, and fail on a forged one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from countersign.domain.attestation.journal import DoubtKind, FaultKind
from tests.support.handmade_journal import Handmade, Key, record_path, utc
from tests.support.worked_example import FIRST, SECOND, worked_example

TEXT = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def by_hand(journal: Handmade, blocks: list[str], session: str, revision: int = 1) -> subprocess.CompletedProcess[str]:
    for tool in ("sha256sum", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    keys = journal.path.parent / "keys.txt"
    keys.write_text(journal.key.line())
    variables = f"STRATEGY=alpha SESSION={session} REVISION={revision} KEYS={keys}"
    script = f"set -e\n{variables}\n" + "\n".join(blocks)
    return subprocess.run(["sh", "-c", script], cwd=journal.path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("session", "revision"), [(FIRST, 1), (FIRST, 2), (SECOND, 1)])
def test_the_commands_by_hand_check_an_honest_signal(tmp_path: Path, session: str, revision: int) -> None:
    done = by_hand(worked_example(tmp_path), BLOCKS, session, revision)
    assert done.returncode == 0, done.stderr
    assert f"{session}T01:0" in done.stdout
    assert f'"deadline":"{session}T01:15:00.000000Z"' in done.stdout
    assert 'Good "git" signature for countersign' in done.stdout + done.stderr


def test_by_hand_a_forged_reveal_shows(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    reveal = record_path("reveals", "alpha", SECOND)
    journal.write(reveal, (journal.path / reveal).read_bytes().replace(b'"0.2"', b'"0.3"'))
    journal.commit(utc("2025-01-04 10:00"))
    assert by_hand(journal, BLOCKS, SECOND).returncode


def test_by_hand_another_key_shows(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.key = Key.make(tmp_path / "keys" / "other")
    assert by_hand(journal, BLOCKS, SECOND).returncode


def test_every_fault_is_explained() -> None:
    table = TEXT.split("| --- | --- |")[1].split("\n\n")[0]
    explained = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")
    }
    assert explained == {str(kind) for kind in FaultKind}


def test_each_lie_that_is_caught_is_performed_by_a_test_and_named_by_its_fault() -> None:
    table = TEXT.split("| the lie |")[1].split("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines()[2:]]
    tests = (Path(__file__).parents[1]).rglob("test_*.py")
    known = {name for path in tests for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)}
    assert len(rows) > 15
    for _, lie, caught, performed, _ in rows:
        faults, named = re.findall(r"`([a-z_]+)`", caught), re.findall(r"`(\w+)`", performed)
        assert faults, lie
        assert set(faults) <= {str(kind) for kind in (*FaultKind, *DoubtKind)}, lie
        assert named, lie
        assert set(named) <= known, set(named) - known
