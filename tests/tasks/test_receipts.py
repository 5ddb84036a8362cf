"""`verify --receipts` on journals made by hand, with receipts by ssh-keygen: each lie is called by its name."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from countersign.cli import run
from countersign.domain.attestation.journal import FaultKind
from countersign.domain.verification.report import Report
from countersign.models.errors import InputError
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import report_json, verify_journal
from tests.support.handmade_journal import Handmade, Key, canonical, instant, payload, record_path, sha256, utc
from tests.support.worked_example import FIRST, LATER, SECOND, WEIGHTS, worked_example

K = FaultKind
FIRST_AT, REVISED_AT, SECOND_AT = utc("2025-01-02 09:00"), utc("2025-01-02 09:04"), utc("2025-01-03 09:00")


def text(session: str, weights: dict[str, str], received: Any, revision: int = 1, **changes: Any) -> str:
    fields = {
        "strategy": "alpha",
        "session": session,
        "revision": revision,
        "signal_hash": sha256(b"countersign/signal/v1\n" + payload("alpha", session, weights, revision)),
        "received_at": instant(received),
    }
    return canonical(fields | changes).decode()


def sign(key: Key, words: str, namespace: str = "countersign-receipt") -> dict[str, str]:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key.path), "-n", namespace]
    done = subprocess.run(command, input=words.encode(), capture_output=True, check=True)
    return {"text": words, "signature": done.stdout.decode()}


OWN = (
    text(FIRST, LATER, FIRST_AT),
    text(FIRST, WEIGHTS, REVISED_AT, 2),
    text(SECOND, LATER, SECOND_AT),
)


def keep(folder: Path, *receipts: Any) -> Path:
    folder.mkdir()
    for n, receipt in enumerate(receipts):
        (folder / f"{n}.json").write_text(json.dumps(receipt))
    return folder


def look(journal: Handmade, *words: str, key: Key | None = None, **options: Any) -> Report:
    folder = keep(journal.path.parent / "receipts", *(sign(key or journal.key, each) for each in words))
    return verify_journal(journal.path, receipts=folder, **options)


def faults(report: Report) -> list[tuple[FaultKind, str, str]]:
    return [(fault.kind, fault.strategy, fault.session) for fault in report.faults]


def counts(report: Report) -> Any:
    return report_json(report)["receipts"]


def test_all_receipts_of_an_honest_journal_are_sealed(tmp_path: Path) -> None:
    report = look(worked_example(tmp_path), *OWN)
    assert report.holds
    assert counts(report) == {"receipts": 3, "sealed": 3, "not_yet": 0}
    assert "receipts    3, 3 of them sealed as they say" in render_report(report)
    assert counts(verify_journal(tmp_path / "journal")) is None


def test_an_accepted_signal_left_out(tmp_path: Path) -> None:
    lost = text(SECOND, WEIGHTS, SECOND_AT + timedelta(minutes=1), 2)
    report = look(worked_example(tmp_path), *OWN, lost)
    assert faults(report) == [(K.RECEIPT_LEFT_OUT, "alpha", SECOND)]
    assert "revision 2: accepted, and not in the journal" in render_report(report)


def test_a_strategy_left_out_altogether_is_found_by_its_receipt(tmp_path: Path) -> None:
    report = look(worked_example(tmp_path), *OWN, text(FIRST, LATER, FIRST_AT, strategy="gamma"))
    assert faults(report) == [(K.RECEIPT_LEFT_OUT, "gamma", FIRST)]


def test_another_portfolio_than_the_accepted_one(tmp_path: Path) -> None:
    report = look(worked_example(tmp_path), OWN[0], text(FIRST, LATER, REVISED_AT, 2), OWN[2])
    assert faults(report) == [(K.RECEIPT_LEFT_OUT, "alpha", FIRST)]
    assert "accepted with the hash" in report.faults[0].detail


def test_another_time_than_that_of_the_receipt(tmp_path: Path) -> None:
    report = look(worked_example(tmp_path), OWN[0], OWN[1], text(SECOND, LATER, SECOND_AT - timedelta(seconds=1)))
    assert faults(report) == [(K.RECEIPT_LEFT_OUT, "alpha", SECOND)]
    assert "sealed as of" in report.faults[0].detail


def test_a_revision_in_somebody_elses_name(tmp_path: Path) -> None:
    report = look(worked_example(tmp_path), OWN[0], OWN[2])
    assert faults(report) == [(K.WITHOUT_RECEIPT, "alpha", FIRST)]
    assert report.faults[0].path == record_path("attestations", "alpha", FIRST, 2)


def test_sessions_outside_those_of_the_receipts_are_nobodys_business(tmp_path: Path) -> None:
    assert look(worked_example(tmp_path), OWN[2]).holds


def test_a_receipt_that_may_still_wait_for_its_seal_is_no_fault(tmp_path: Path) -> None:
    newest = utc("2025-01-03 18:16")
    early, late = (newest + timedelta(seconds=s) for s in (-31, -29))
    report = look(worked_example(tmp_path), *OWN, text("2025-01-06", LATER, late))
    assert report.holds
    assert counts(report) == {"receipts": 4, "sealed": 3, "not_yet": 1}
    assert "not yet" in render_report(report)
    (tmp_path / "receipts" / "0.json").write_text(
        json.dumps(sign(Key(tmp_path / "keys" / "first"), text("2025-01-06", LATER, early)))
    )
    report = verify_journal(tmp_path / "journal", receipts=tmp_path / "receipts")
    assert (K.RECEIPT_LEFT_OUT, "alpha", "2025-01-06") in faults(report)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda receipt, _: receipt | {"text": receipt["text"].replace('"revision":1', '"revision":3')},
        lambda receipt, _: receipt | {"text": receipt["text"].replace(":", ": ")},
        lambda receipt, _: receipt | {"signature": "noise"},
        lambda receipt, _: receipt | {"signature": None},
        lambda receipt, key: sign(key, receipt["text"], namespace="git"),
        lambda receipt, key: sign(Key.make(key.path.with_name("other")), receipt["text"]),
    ],
)
def test_a_receipt_that_the_journals_key_did_not_sign_is_bad(tmp_path: Path, spoil: Any) -> None:
    journal = worked_example(tmp_path)
    folder = keep(tmp_path / "receipts", spoil(sign(journal.key, OWN[0]), journal.key), sign(journal.key, OWN[2]))
    report = verify_journal(journal.path, receipts=folder)
    assert [(fault.kind, fault.path) for fault in report.faults] == [(K.BAD_RECEIPT, "0.json")]


def test_a_key_that_has_ended_is_good_for_ten_minutes_more(tmp_path: Path) -> None:
    journal, second = worked_example(tmp_path), Key.make(tmp_path / "keys" / "second")
    ended = journal.key.line('namespaces="git",valid-before="20250103011000Z"')
    fresh = second.line('namespaces="git,countersign-receipt",valid-after="20250103011000Z"')
    journal.write("allowed_signers", (ended + fresh).encode())
    journal.commit(utc("2025-01-03 18:17"))
    words = [text("2025-01-06", LATER, utc(f"2025-01-03 {at}")) for at in ("09:19:59", "09:20:00")]
    report = look(journal, *words)
    bad = [fault for fault in report.faults if fault.kind is K.BAD_RECEIPT]
    assert [(fault.path, fault.detail) for fault in bad] == [
        ("1.json", "signed by a key that was no longer the journal's then")
    ]
    # The new key signs again the submissions that were accepted before it came.
    again = keep(tmp_path / "again", sign(second, OWN[0]))
    report = verify_journal(journal.path, receipts=again)
    assert K.BAD_RECEIPT not in {fault.kind for fault in report.faults}


def test_answers_are_read_as_a_client_saved_them(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    first, second, third = (sign(journal.key, each) for each in OWN)
    folder = keep(
        tmp_path / "receipts",
        {"signal_hash": "…", "receipt": first},
        {"signals": [{"receipt": second}, {"receipt": third}, {"receipt": None}]},
        first,
    )
    report = verify_journal(journal.path, receipts=folder, strategy="alpha")
    assert report.holds
    assert counts(report) == {"receipts": 3, "sealed": 3, "not_yet": 0}
    assert counts(verify_journal(journal.path, receipts=folder, strategy="beta"))["receipts"] == 0


@pytest.mark.parametrize("content", ["{", "[]", '{"id": 1}', '{"receipt": null}'])
def test_a_folder_without_a_receipt_is_refused(tmp_path: Path, content: str) -> None:
    journal = worked_example(tmp_path)
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "a.json").write_text(content)
    with pytest.raises(InputError, match="receipts"):
        verify_journal(journal.path, receipts=folder)
    with pytest.raises(InputError, match="folder"):
        verify_journal(journal.path, receipts=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"text": "a", "signature": "b", "text": "c"}', "got 'text' twice"),
        (b'{"id": {"x": 1, "x": 1}, "receipt": {"text": "a", "signature": "b"}}', "got 'x' twice"),
        (b'{"id": NaN, "receipt": {"text": "a", "signature": "b"}}', "NaN is no number"),
        (b'{"id": %b}' % (b"9" * 5_000), "digits"),
        (b"[" * 100_000, "too deep"),
    ],
    ids=["a text twice", "twice beside it", "no number", "a huge number", "deep"],
)
def test_a_file_that_means_two_things_or_harm_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    journal = worked_example(tmp_path)
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=f"receipts: .*a.json: .*{words}"):
        verify_journal(journal.path, receipts=folder)


def test_the_command_reports_a_signal_without_receipt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = worked_example(tmp_path)
    folder = keep(tmp_path / "receipts", *(sign(journal.key, each) for each in (OWN[0], OWN[2])))
    assert run(["verify", str(journal.path), "--receipts", str(folder), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["receipts"] == {"receipts": 2, "sealed": 2, "not_yet": 0}
    assert [fault["kind"] for fault in found["faults"]] == ["without_receipt"]
