"""Owners' signatures as `verify` judges them, in journals written by hand; ssh-keygen signs."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from countersign.domain.verification.report import Report
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import verify_journal
from tests.support.handmade_journal import Handmade, Key, payload, sha256, utc

DAY, WEIGHTS = "2025-01-02", {"600519.SH": "0.05"}
OPENED, RECEIVED, COMMITTED = (utc(f"{DAY} 09:0{minute}") for minute in range(3))
Change = Callable[["Signed"], object]


def sign(key: Key, text: str, namespace: str = "countersign-signal") -> str:
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(key.path)]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


@dataclass
class Signed:
    """Keys and fields of a journal of one strategy and one seal, before it is written."""

    key: Key
    other: Key
    hashed: str
    terms: dict[str, str | None]
    seal: dict[str, str | None]

    def resign(self, **given: object) -> None:
        self.seal = {"owner_signature": sign(**({"key": self.key, "text": self.hashed} | given))}  # type: ignore[arg-type]


def judge(folder: Path, change: Change = lambda _: None) -> Report:
    """Write the journal after a change, and verify it."""
    key, other = (Key.make(folder / name) for name in ("owner", "other"))
    hashed = sha256(b"countersign/signal/v1\n" + payload("alpha", DAY, WEIGHTS))
    public = " ".join(Path(f"{key.path}.pub").read_text().split()[:2])
    signed = Signed(key, other, hashed, {"owner_key": public}, {})
    signed.resign()
    change(signed)
    journal = Handmade.make(folder / "journal")
    journal.terms("alpha", OPENED, **signed.terms)
    journal.seal("alpha", DAY, WEIGHTS, RECEIVED, **signed.seal)
    journal.commit(COMMITTED)
    report = verify_journal(journal.path)
    assert {signal.owner_signed for signal in report.signals} <= {"owner_signature" in signed.seal}
    return report


def test_a_signal_that_its_owner_signed_holds(tmp_path: Path) -> None:
    report = judge(tmp_path)
    assert report.faults == ()
    assert "\nowners      1 of 1 signals carry their owner's signature\n" in render_report(report)


LIES: dict[str, tuple[Change, str]] = {
    "no signature": (
        lambda it: it.seal.clear(),
        "revision 1: not signed, though the strategy's terms name",
    ),
    "no key in the terms": (lambda it: it.terms.clear(), "revision 1: signed, though the strategy's terms name no key"),
    "another key": (lambda it: it.resign(key=it.other), "revision 1: signed by another key than the owner's"),
    "another hash": (
        lambda it: it.resign(text=sha256(b"another")),
        "revision 1: the signature is not one of this signal's hash",
    ),
    "another purpose": (
        lambda it: it.resign(namespace="countersign-receipt"),
        "revision 1: the signature is not one of this signal's hash",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_signal_that_its_owner_did_not_sign(lie: str, tmp_path: Path) -> None:
    change, why = LIES[lie]
    [fault] = judge(tmp_path, change).faults
    assert (str(fault.kind), fault.detail[: len(why)]) == ("not_by_owner", why)


def one_line(seal: dict[str, str | None]) -> str:
    head, *lines, foot = str(seal["owner_signature"]).splitlines()
    return "\n".join((head, "".join(lines), foot, ""))


SPELLINGS: dict[str, Change] = {
    "a signature in lines of another length": lambda it: it.seal.update(owner_signature=one_line(it.seal)),
    "a signature that is none": lambda it: it.seal.update(owner_signature="none"),
    "a signature that is null": lambda it: it.seal.update(owner_signature=None),
    "a key with a comment": lambda it: it.terms.update(owner_key=f"{it.terms['owner_key']} me@home"),
    "a key of another type": lambda it: it.terms.update(owner_key="ssh-rsa AAAA"),
    "a key that is null": lambda it: it.terms.update(owner_key=None),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_record_with_another_spelling_is_malformed(spelling: str, tmp_path: Path) -> None:
    assert "malformed" in {str(fault.kind) for fault in judge(tmp_path, SPELLINGS[spelling]).faults}
