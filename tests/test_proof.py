"""`countersign verify` and `countersign audit` as a sceptic types them: exit codes, and output for programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countersign import cli
from tests.support.handmade_journal import AUDIT_KEYS, Handmade, record_path, utc
from tests.support.worked_example import FIRST, bars_csv, worked_example

REPORT = {
    "holds",
    "head",
    "simulated",
    "commits",
    "first_commit_at",
    "last_commit_at",
    "pinned",
    "signals",
    "gaps",
    "settled",
    "replayed",
    "receipts",
    "retired",
    "corrected",
    "tokens_checked",
    "tokens_unchecked",
    "faults",
    "warnings",
    "classes",
}
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def countersign(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.run([str(word) for word in words])
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Handmade:
    """A journal of two strategies and two settled sessions, made by hand."""
    return worked_example(tmp_path_factory.mktemp("real"))


def of_program(done: tuple[int, str, str], code: int) -> dict[str, Any]:
    """Output for a program: one line of JSON on stdout and nothing else."""
    assert (done[0], done[1].count("\n"), done[2]) == (code, 1, "")
    found: dict[str, Any] = json.loads(done[1])
    return found


def test_an_untouched_journal_is_exit_code_0(journal: Handmade, tmp_path: Path, countersign: Command) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text(bars_csv())
    report = of_program(countersign("verify", journal.path, "--bars", bars, "--json"), 0)
    assert set(report) == REPORT
    assert (report["holds"], report["pinned"], report["commits"], report["replayed"]) == (True, False, 5, 2)
    assert {signal["class"] for signal in report["signals"]} == {"on_time"}
    code, text, complaints = countersign("verify", journal.path)
    assert (code, complaints) == (0, "")
    assert report["head"] in text
    one = of_program(countersign("verify", journal.path, "--strategy", "beta", "--json"), 0)
    assert [signal["strategy"] for signal in one["signals"]] == ["beta"]


def test_a_journal_that_does_not_hold_is_exit_code_1(tmp_path: Path, countersign: Command) -> None:
    journal, record = worked_example(tmp_path), record_path("attestations", "alpha", FIRST)
    journal.write(record, b"{}\n")
    journal.commit(utc("2025-01-06 10:00"))
    report = of_program(countersign("verify", journal.path, "--json"), 1)
    assert report["holds"] is False
    assert set(report["faults"][0]) == {"kind", "commit", "path", "strategy", "session", "detail"}
    assert record in {fault["path"] for fault in report["faults"]}
    code, text, complaints = countersign("verify", journal.path)
    assert (code, complaints) == (1, "")
    assert record in text


def test_keys_from_outside_tell_a_journal_from_one_made_anew(
    journal: Handmade, tmp_path: Path, countersign: Command
) -> None:
    trusted, forged = tmp_path / "signers", worked_example(tmp_path / "forged")
    trusted.write_text(journal.key.line())
    assert of_program(countersign("verify", journal.path, "--signers", trusted, "--json"), 0)["pinned"] is True
    assert countersign("verify", forged.path)[0] == 0
    report = of_program(countersign("verify", forged.path, "--signers", trusted, "--json"), 1)
    assert {fault["kind"] for fault in report["faults"]} == {"bad_signature"}


def test_an_audit_that_could_be_made_is_exit_code_0(tmp_path: Path, countersign: Command) -> None:
    foreign = Handmade.make(tmp_path)
    entry = {"strategy_slug": "one", "signal_hash": "a" * 64, "execution_price": "open"}
    foreign.write("attestations/2026-05-14.json", json.dumps({"strategies": [entry]}).encode())
    commit = foreign.commit(utc("2026-05-14 09:15:30"), sign=False)
    done = of_program(countersign("audit", foreign.path, "--json"), 0)
    assert set(done) == set(AUDIT_KEYS)
    [found] = done["findings"]
    assert (found["commit"], found["class"], done["after_deadline"]) == (commit, "sealed_late", 1)
    code, text, complaints = countersign("audit", foreign.path)
    assert (code, complaints) == (0, "")
    assert "1 unsigned" in text


@pytest.mark.parametrize("command", ["verify", "audit"])
def test_wrong_use_is_exit_code_2_and_one_line(
    tmp_path: Path, countersign: Command, journal: Handmade, command: str
) -> None:
    given: list[tuple[object, ...]] = [(tmp_path,), (tmp_path / "nowhere",), ()]
    if command == "verify":
        (tmp_path / "nobody").write_text("# nobody\n")
        given += [(journal.path, "--signers", tmp_path / "nobody"), (journal.path, "--strategy", "gamma")]
    for words in given:
        code, text, complaint = countersign(command, *words, "--json")
        assert (code, text, complaint.count("\n")) == (2, "", 1), words
        assert complaint.startswith("countersign: ")
