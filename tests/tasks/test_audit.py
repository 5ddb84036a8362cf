"""`audit` on a foreign repository in QuantGPT's format, made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from countersign.services.verification.text import render_audit
from countersign.services.verification.verify import audit_json, audit_repository
from tests.support.handmade_journal import AUDIT_KEYS, Handmade, utc

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def foreign(tmp_path: Path) -> Handmade:
    """An empty repository; the key is for the commits that are to be signed."""
    journal = Handmade.make(tmp_path)
    for name in ("allowed_signers", "README.md"):
        (journal.path / name).unlink()
    return journal


def day(journal: Handmade, date: str, *entries: Any) -> None:
    journal.write(f"attestations/{date}.json", json.dumps({"date": date, "strategies": list(entries)}).encode())


def test_an_entry_is_dated_by_the_first_commit_that_has_it(foreign: Handmade) -> None:
    day(foreign, "2026-05-14", {"strategy_slug": "one", "signal_hash": A, "execution_price": "open"})
    first = foreign.commit(utc("2026-05-14 09:15"), sign=False)
    day(
        foreign,
        "2026-05-14",
        {"strategy_slug": "one", "signal_hash": A},
        {"strategy_slug": "one", "signal_hash": B},
        {"strategy_id": "two", "signal_hash": C, "execution_price": "close"},
        {"strategy_id": 3, "signal_hash": C[:16]},
    )
    second = foreign.commit(utc("2026-05-14 09:15:20"))
    day(foreign, "2026-05-15", {"strategy_slug": "two", "signal_hash": C})
    third = foreign.commit(utc("2026-05-15 10:00"), sign=False)
    foreign.git("rm", "-q", "attestations/2026-05-14.json")
    foreign.commit(utc("2026-05-16 10:00"))
    done = audit_json(audit_repository(foreign.path))
    assert list(done) == AUDIT_KEYS
    assert [done[key] for key in AUDIT_KEYS[:-1]] == [4, 5, 2, 3, 2, 1, 1]
    rows = [(f["date"], f["strategy"], f["hash"], f["commit"], f["class"]) for f in done["findings"]]
    assert rows == [
        ("2026-05-14", "3", C[:16], second, "sealed_late"),
        ("2026-05-14", "one", A, first, "on_time"),
        ("2026-05-14", "one", B, second, "sealed_late"),
        ("2026-05-14", "two", C, second, "on_time"),
        ("2026-05-15", "two", C, third, "late"),
    ]
    assert list(done["findings"][0]) == [
        "date",
        "strategy",
        "hash",
        "commit",
        "committed_at",
        "deadline",
        "class",
        "detail",
    ]
    assert done["findings"][0]["committed_at"] == utc("2026-05-14 09:15:20")
    assert done["findings"][3]["deadline"] == utc("2026-05-14 15:00")
    text = render_audit(audit_repository(foreign.path))
    assert "2 unsigned" in text
    assert "late             2026-05-15 two cccccccccccccccc" in text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"strategies":{}}', b'{"strategies":[7]}', b'{"strategies":[{"signal_hash":"a"}]}',
     b'{"strategies":[{"strategy_slug":"x","signal_hash":["a"]}]}',
     b'{"strategies":[{"strategy_slug":{},"signal_hash":"a"}]}',
     b'{"strategies":[{"strategy_slug":"x","signal_hash":"a","execution_price":["open"]}]}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_a_finding(foreign: Handmade, content: bytes) -> None:
    foreign.write("attestations/2026-05-14.json", content)
    foreign.commit(utc("2026-05-14 09:00"))
    done = audit_repository(foreign.path)
    assert (done.entries, [finding.kind for finding in done.findings]) == (0, ["unreadable"])


def test_an_entry_with_a_name_twice_is_told_and_the_others_count(foreign: Handmade) -> None:
    twice = b'{"strategy_slug": "x", "signal_hash": "%b", "signal_hash": "%b"}' % (A.encode(), B.encode())
    once = b'{"strategy_slug": "y", "signal_hash": "%b", "extra": [NaN, %b]}' % (C.encode(), b"9" * 5_000)
    foreign.write("attestations/2026-05-14.json", b'{"strategies": [%b, %b]}' % (twice, once))
    foreign.write("attestations/2026-05-15.json", b'{"strategies": [%b], "strategies": []}' % once)
    foreign.commit(utc("2026-05-14 09:00"))
    done = audit_repository(foreign.path)
    told = [(each.date, each.strategy, each.kind, each.detail) for each in done.findings]
    assert told == [
        ("2026-05-14", "", "unreadable", "expected each name once in an object, got 'signal_hash' twice"),
        ("2026-05-14", "y", "on_time", ""),
        ("2026-05-15", "", "unreadable", "expected each name once in an object, got 'strategies' twice"),
    ]
    assert "got 'strategies' twice" in render_audit(done)


def test_a_file_named_by_no_date_is_unreadable_and_other_files_are_ignored(foreign: Handmade) -> None:
    entry = json.dumps({"strategies": [{"strategy_slug": "x", "signal_hash": A}]}).encode()
    for name in ("attestations/2026-02-30.json", "attestations/notes.json", "attestations/x/2026-05-14.json", "b.json"):
        foreign.write(name, entry)
    foreign.commit(utc("2026-05-14 09:00"))
    assert [(f.date, f.kind) for f in audit_repository(foreign.path).findings] == [("2026-02-30", "unreadable")]


def test_a_merged_branch_counts_from_its_own_commit(foreign: Handmade) -> None:
    foreign.commit(utc("2026-05-14 08:00"))
    foreign.git("checkout", "-q", "-b", "side")
    day(foreign, "2026-05-14", {"strategy_slug": "x", "signal_hash": A})
    early = foreign.commit(utc("2026-05-14 09:00"))
    foreign.git("checkout", "-q", "main")
    foreign.commit(utc("2026-05-14 09:05"))
    foreign.git("merge", "-q", "--no-edit", "--no-gpg-sign", "side", at=utc("2026-05-14 11:00"))
    done = audit_repository(foreign.path)
    assert [(f.commit, f.kind) for f in done.findings] == [(early, "on_time")]
    assert (done.commits, done.unsigned_commits) == (4, 1)
