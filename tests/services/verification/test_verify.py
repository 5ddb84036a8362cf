"""`verify` on journals made by hand: an untouched one holds, and each way of cheating is called by its name."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from countersign.domain.attestation.journal import FaultKind
from countersign.domain.verification.report import Report
from countersign.models.errors import InputError, StoreError
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import report_json, verify_journal
from tests.support.handmade_journal import Handmade, Key, record_path, utc
from tests.support.worked_example import (
    FIRST,
    LATER,
    SECOND,
    STEPS,
    WEIGHTS,
    bars_csv,
    next_day,
    open_first,
    open_second,
    results,
    settle,
    settle_first,
    worked_example,
)

ALPHA_FIRST = record_path("attestations", "alpha", FIRST)
K = FaultKind


def named(report: Report) -> list[tuple[FaultKind, str, str]]:
    """Kind, place and strategy of each fault."""
    return [(fault.kind, fault.path, fault.strategy) for fault in report.faults]


def kinds(report: Report) -> set[FaultKind]:
    return {fault.kind for fault in report.faults}


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """A file of the worked example's bars."""
    path = tmp_path / "bars.csv"
    path.write_text(bars_csv())
    return path


def test_an_untouched_journal_holds_to_the_fen(tmp_path: Path, bars: Path) -> None:
    journal = worked_example(tmp_path)
    report = verify_journal(journal.path, bars=bars)
    assert report.faults == ()
    assert (report.commits, report.settled, report.replayed) == (5, 2, 2)
    assert [(s.strategy, s.session.isoformat(), s.revision, s.margin_seconds) for s in report.signals] == [
        ("alpha", FIRST, 1, 900.0),
        ("alpha", FIRST, 2, 660.0),
        ("alpha", SECOND, 1, 900.0),
        ("beta", FIRST, 1, 660.0),
    ]
    assert {str(s.time_class) for s in report.signals} == {"on_time"}
    assert {str(s.evidence) for s in report.signals} == {"server_only"}
    assert {slug: [str(day) for day in days] for slug, days in report.gaps.items()} == {"alpha": [], "beta": [SECOND]}
    text = render_report(report)
    assert "Everything holds." in text
    assert f"beta: {SECOND}" in text


def test_clones_bare_ones_and_worktrees_read_the_same(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.git("worktree", "add", "-q", "--detach", str(tmp_path / "worktree"))
    journal.git("pack-refs", "--all")
    for options, name in ((["--bare"], "bare"), ([], "clone"), (["--no-checkout"], "empty")):
        journal.git("clone", "-q", *options, f"file://{journal.path}", str(tmp_path / name))
    for name in ("bare", "clone", "empty", "worktree", "journal"):
        report = verify_journal(tmp_path / name)
        assert (report.faults, report.commits) == ((), 5)


def test_one_strategy_is_verified_alone(tmp_path: Path, bars: Path) -> None:
    journal = worked_example(tmp_path)
    report = verify_journal(journal.path, strategy="beta", bars=bars)
    assert (report.holds, report.replayed, len(report.signals), set(report.gaps)) == (True, 2, 1, {"beta"})
    with pytest.raises(InputError, match="strategy: expected a strategy of this journal, got gamma"):
        verify_journal(journal.path, strategy="gamma")


def test_the_json_report_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    journal = worked_example(tmp_path, at={"next day": "2025-01-03 09:40"})
    document = json.loads(json.dumps(report_json(verify_journal(journal.path)), default=str))
    assert document["holds"] is False
    assert document["classes"] == {"on_time": 3, "late": 1}
    late = next(signal for signal in document["signals"] if signal["class"] == "late")
    assert (late["strategy"], late["session"], late["revealed"]) == ("alpha", SECOND, True)
    assert (late["margin_seconds"], late["evidence"], late["tokens"]) == (900.0, "server_only", [])
    assert late["signer"] == journal.key.fingerprint()
    assert [(fault["kind"], fault["session"]) for fault in document["faults"]] == [("late", SECOND)]


def test_each_signal_names_who_signed_its_commit(tmp_path: Path) -> None:
    steps = [step for step in STEPS if step not in {"next day", "settle second"}]
    journal = worked_example(tmp_path, order=steps)
    other = Key.make(tmp_path / "keys" / "other")
    own = journal.key.fingerprint()
    for session, key in (("2025-01-06", other), ("2025-01-07", None)):
        journal.seal("alpha", session, LATER, utc(f"{session} 09:00"))
        journal.commit(utc(f"{session} 09:01"), key=key, sign=key is not None)
    report = verify_journal(journal.path)
    shown = {(signal["strategy"], str(signal["session"])): signal for signal in report_json(report)["signals"]}
    assert {key: signal["signer"] for key, signal in shown.items()} == {
        ("alpha", FIRST): own,
        ("beta", FIRST): own,
        ("alpha", "2025-01-06"): other.fingerprint(),
        ("alpha", "2025-01-07"): None,
    }
    # That somebody signed does not say that they might.
    assert {K.BAD_SIGNATURE, K.UNSIGNED} <= kinds(report)


@pytest.mark.parametrize(("second", "kind"), [("30", "sealed_late"), ("31", "late")])
def test_a_commit_within_half_a_minute_of_the_deadline_is_sealed_late_and_a_later_one_late(
    tmp_path: Path, second: str, kind: str
) -> None:
    report = verify_journal(worked_example(tmp_path, at={"next day": f"2025-01-03 09:15:{second}"}).path)
    assert report.classes == {"on_time": 3, kind: 1}
    assert kinds(report) == ({K.LATE} if kind == "late" else set())
    assert [signal.seconds_late for signal in report.signals] == [0.0, 0.0, float(second), 0.0]
    assert ("1 sealed late: at the most 30 s after the deadline" in render_report(report)) is (kind == "sealed_late")


def test_a_close_signal_of_the_last_moment_is_no_fault(tmp_path: Path) -> None:
    """Received at 14:59:59.980, committed at 15:00:01: the sealer's round, rounded up to the second."""

    def at_the_close(journal: Handmade) -> None:
        journal.terms("gamma", utc("2025-01-01 12:00"), execution_price="close")
        received = utc("2025-01-03 14:59:59") + timedelta(milliseconds=980)
        journal.seal("gamma", SECOND, LATER, received, execution_price="close")

    journal = worked_example(
        tmp_path,
        order=list(STEPS)[:4],
        instead={"next day": at_the_close},
        at={"next day": "2025-01-03 15:00:01"},
    )
    report = verify_journal(journal.path)
    [signal] = [signal for signal in report.signals if signal.strategy == "gamma"]
    assert (str(signal.time_class), signal.seconds_late, signal.margin_seconds) == ("sealed_late", 1.0, 0.02)
    assert report.holds


@pytest.mark.parametrize("minute", ["09:15", "09:16"])
def test_a_signal_received_at_the_deadline_or_after_is_late(tmp_path: Path, minute: str) -> None:
    def late(journal: Handmade) -> None:
        journal.seal("alpha", SECOND, LATER, utc(f"2025-01-03 {minute}"))

    report = verify_journal(
        worked_example(tmp_path, instead={"next day": late}, at={"next day": "2025-01-03 09:17"}).path
    )
    assert named(report) == [(K.LATE, record_path("attestations", "alpha", SECOND), "alpha")]


# --- files and commits ---


def test_a_file_altered_in_a_later_commit(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    altered = (journal.path / ALPHA_FIRST).read_bytes().replace(b"09:", b"08:").replace(b"01:00:00", b"00:59:00")
    journal.write(ALPHA_FIRST, altered)
    name = journal.commit(utc("2025-01-04 10:00"))
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.path, fault.commit, fault.strategy) == (K.ALTERED, ALPHA_FIRST, name, "alpha")


def test_a_file_removed_in_a_later_commit(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    (journal.path / ALPHA_FIRST).unlink()
    name = journal.commit(utc("2025-01-04 10:00"))
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.path, fault.commit) == (K.REMOVED, ALPHA_FIRST, name)


def test_a_file_altered_or_removed_in_the_working_copy_is_named(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    reveal = record_path("reveals", "beta", FIRST)
    (journal.path / ALPHA_FIRST).write_bytes(b"{}")
    (journal.path / reveal).unlink()
    assert sorted(named(verify_journal(journal.path))) == [
        (K.ALTERED, ALPHA_FIRST, "alpha"),
        (K.REMOVED, reveal, "beta"),
    ]


def test_history_rewritten_without_the_key_is_unsigned(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.git("reset", "-q", "--hard", "HEAD~1")
    next_day_record = journal.path / record_path("attestations", "alpha", SECOND)
    next_day_record.write_bytes(next_day_record.read_bytes().replace(b"01:00:00", b"00:30:00"))
    unsigned = journal.commit(utc("2025-01-03 09:01"), sign=False)
    report = verify_journal(journal.path)
    assert {(fault.kind, fault.commit) for fault in report.faults} >= {(K.UNSIGNED, unsigned)}


def test_a_commit_amended_under_its_old_signature_has_a_bad_signature(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    raw = journal.git("cat-file", "commit", "HEAD").encode() + b"\n"
    committer = str(int(utc("2025-01-03 18:16").timestamp())).encode()
    forged = journal.git("hash-object", "-t", "commit", "-w", "--stdin", given=raw.replace(committer, b"1735900000"))
    journal.git("update-ref", "refs/heads/main", forged)
    assert (K.BAD_SIGNATURE, forged) in {(fault.kind, fault.commit) for fault in verify_journal(journal.path).faults}


def test_a_signature_by_another_key(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    other = journal.commit(utc("2025-01-04 10:00"), key=Key.make(tmp_path / "keys" / "other"))
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit, fault.detail) == (
        K.BAD_SIGNATURE,
        other,
        "signed by a key that was not allowed to sign then",
    )


def test_a_key_comes_in_by_a_commit_of_an_older_key(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    second = Key.make(tmp_path / "keys" / "second")
    retired = journal.key.line('namespaces="git",valid-before="20250105000000Z"')
    journal.write("allowed_signers", (retired + second.line()).encode())
    journal.commit(utc("2025-01-04 10:00"))
    journal.commit(utc("2025-01-06 10:00"), key=second)
    assert verify_journal(journal.path).holds
    expired = journal.commit(utc("2025-01-06 11:00"))
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit, fault.detail) == (
        K.BAD_SIGNATURE,
        expired,
        "signed by a key that was no longer valid then",
    )


def test_a_key_may_not_bring_itself_in(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    second = Key.make(tmp_path / "keys" / "second")
    journal.write("allowed_signers", (journal.key.line() + second.line()).encode())
    commit = journal.commit(utc("2025-01-04 10:00"), key=second)
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit) == (K.FUTURE_DATED_KEY, commit)


def test_a_commit_dated_before_its_key_is_a_fault(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    second = Key.make(tmp_path / "keys" / "second")
    new = second.line('namespaces="git",valid-after="20250110000000Z"')
    journal.write("allowed_signers", (journal.key.line() + new).encode())
    journal.commit(utc("2025-01-09 10:00"))
    early = journal.commit(utc("2025-01-09 11:00"), key=second)
    journal.commit(utc("2025-01-10 09:00"), key=second)
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit) == (K.FUTURE_DATED_KEY, early)


def test_keys_pinned_from_outside_expose_a_journal_made_anew(tmp_path: Path) -> None:
    journal = worked_example(tmp_path / "real")
    real, forged = tmp_path / "signers", worked_example(tmp_path / "forged")
    real.write_text(journal.key.line())
    assert verify_journal(forged.path).holds, "trust on first use cannot tell"
    assert verify_journal(journal.path, signers=real).holds
    report = verify_journal(forged.path, signers=real)
    assert [fault.kind for fault in report.faults] == [K.BAD_SIGNATURE] * 5
    real.write_text("# nobody\n")
    with pytest.raises(InputError, match="signers: expected at least one"):
        verify_journal(forged.path, signers=real)


def test_a_date_before_the_parent(tmp_path: Path) -> None:
    journal = worked_example(tmp_path, at={"settle first": "2025-01-05 10:00"})
    backdated = [fault for fault in verify_journal(journal.path).faults if fault.kind is K.DATE_FORGED]
    assert [fault.commit for fault in backdated] == [journal.git("rev-parse", "HEAD~1")]


def test_a_commit_dated_before_its_record_is_forged(tmp_path: Path) -> None:
    report = verify_journal(worked_example(tmp_path, at={"next day": "2025-01-03 08:30"}).path)
    assert named(report) == [(K.DATE_FORGED, record_path("attestations", "alpha", SECOND), "alpha")]


def test_a_deadline_of_ones_own(tmp_path: Path) -> None:
    def generous(journal: Handmade) -> None:
        journal.seal("alpha", SECOND, LATER, utc("2025-01-03 09:10"), deadline="2025-01-03T02:00:00.000000Z")

    report = verify_journal(
        worked_example(tmp_path, instead={"next day": generous}, at={"next day": "2025-01-03 09:11"}).path
    )
    assert kinds(report) == {K.DATE_FORGED}


def test_a_day_settled_before_the_close_is_forged(tmp_path: Path) -> None:
    journal = worked_example(tmp_path, order=list(STEPS)[:4])
    journal.reveal("alpha", SECOND, LATER)
    settle(journal, SECOND, settled_at="2025-01-03T06:59:00.000000Z")
    journal.commit(utc("2025-01-03 18:16"))
    assert named(verify_journal(journal.path)) == [(K.DATE_FORGED, f"settlements/2025/{SECOND}.1.json", "")]


def test_a_merged_side_branch_is_a_fork(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.git("checkout", "-q", "-b", "side", "HEAD~1")
    journal.commit(utc("2025-01-03 18:15"))
    journal.git("checkout", "-q", "main")
    journal.git("-c", "commit.gpgsign=false", "merge", "-q", "--no-edit", "side", at=utc("2025-01-04 10:00"))
    assert K.FORKED in kinds(verify_journal(journal.path))


# --- deeds of a platform that has the key ---


def test_a_commit_dropped_by_whoever_has_the_key(tmp_path: Path) -> None:
    def hide(journal: Handmade) -> None:
        open_second(journal)
        for slug, revision in (("alpha", 2), ("beta", 1)):
            (journal.path / record_path("attestations", slug, FIRST, revision)).unlink()

    report = verify_journal(worked_example(tmp_path, instead={"open second": hide}).path)
    assert (K.CHAIN_BROKEN, record_path("attestations", "alpha", SECOND), "alpha") in named(report)
    assert (K.MISSING_SEAL, record_path("reveals", "alpha", FIRST, 2), "alpha") in named(report)
    assert (K.MISSING_SEAL, record_path("reveals", "beta", FIRST), "beta") in named(report)


def test_the_end_cut_off_shows_to_a_reader_who_was_there(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    head = journal.git("rev-parse", "HEAD")
    journal.git("reset", "-q", "--hard", "HEAD~2")
    assert verify_journal(journal.path).holds
    (fault,) = verify_journal(journal.path, contains=[head]).faults
    assert (fault.kind, fault.commit) == (K.COMMIT_DROPPED, head)


def test_records_in_another_order(tmp_path: Path) -> None:
    def swapped(journal: Handmade) -> None:
        journal.terms("alpha", utc("2025-01-01 12:00"))
        journal.seal("alpha", FIRST, LATER, utc("2025-01-02 09:00"))
        waiting = (journal.path / ALPHA_FIRST).read_bytes()
        (journal.path / ALPHA_FIRST).unlink()
        journal.seal("alpha", FIRST, WEIGHTS, utc("2025-01-02 09:04"), revision=2)
        journal.commit(utc("2025-01-02 09:05"))
        journal.write(ALPHA_FIRST, waiting)

    def beta(journal: Handmade) -> None:
        journal.terms("beta", utc("2025-01-01 12:00"))
        journal.seal("beta", FIRST, WEIGHTS, utc("2025-01-02 09:04"))

    times = {"open first": "2025-01-02 09:06", "open second": "2025-01-02 09:07"}
    journal = worked_example(tmp_path, instead={"open first": swapped, "open second": beta}, at=times)
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.path) == (K.CHAIN_BROKEN, record_path("attestations", "alpha", FIRST, 2))
    assert "out of order" in fault.detail


def test_two_records_after_one(tmp_path: Path) -> None:
    def fork(journal: Handmade) -> None:
        journal.seal("alpha", SECOND, LATER, utc("2025-01-03 09:00"))
        journal.seal("alpha", "2025-01-06", LATER, utc("2025-01-03 09:00"), previous="")

    faults = verify_journal(worked_example(tmp_path, instead={"next day": fork}).path).faults
    assert {fault.kind for fault in faults} == {K.CHAIN_BROKEN}
    assert "2 records follow nothing" in faults[0].detail


def test_a_settled_day_dropped_breaks_the_chain(tmp_path: Path) -> None:
    def hide(journal: Handmade) -> None:
        settle_first(journal)
        (journal.path / f"settlements/2025/{FIRST}.1.json").unlink()

    report = verify_journal(worked_example(tmp_path, instead={"settle first": hide}).path)
    assert (K.CHAIN_BROKEN, f"settlements/2025/{SECOND}.1.json", "") in named(report)


def test_a_reveal_withheld(tmp_path: Path) -> None:
    def withhold(journal: Handmade) -> None:
        settle_first(journal)
        (journal.path / record_path("reveals", "alpha", FIRST)).unlink()

    report = verify_journal(worked_example(tmp_path, instead={"settle first": withhold}).path)
    assert named(report) == [(K.MISSING_REVEAL, ALPHA_FIRST, "alpha")]


def test_another_portfolio_revealed(tmp_path: Path) -> None:
    def better(journal: Handmade) -> None:
        settle_first(journal)
        journal.reveal("alpha", FIRST, {"600000.SH": "0.9"})

    report = verify_journal(worked_example(tmp_path, instead={"settle first": better}).path)
    assert named(report) == [(K.HASH_MISMATCH, record_path("reveals", "alpha", FIRST), "alpha")]


def test_a_loser_left_out_of_a_settled_day(tmp_path: Path) -> None:
    def without_alpha(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, results(SECOND)[1:])

    (fault,) = verify_journal(worked_example(tmp_path, instead={"settle second": without_alpha}).path).faults
    assert (fault.kind, fault.strategy, fault.session) == (K.LEFT_OUT, "alpha", SECOND)


def test_a_retired_strategy_is_not_missed(tmp_path: Path) -> None:
    def without_beta(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, results(SECOND)[:1])

    assert verify_journal(worked_example(tmp_path, instead={"settle second": without_beta}).path).holds


def test_other_terms_than_those_declared(tmp_path: Path) -> None:
    def at_the_close(journal: Handmade) -> None:
        journal.seal("alpha", SECOND, LATER, utc("2025-01-03 14:50"), execution_price="close")

    report = verify_journal(
        worked_example(tmp_path, instead={"next day": at_the_close}, at={"next day": "2025-01-03 14:51"}).path
    )
    assert named(report) == [(K.TERMS_MISMATCH, record_path("attestations", "alpha", SECOND), "alpha")]


# --- settling again ---


def test_a_nav_that_does_not_follow(tmp_path: Path, bars: Path) -> None:
    def embellish(journal: Handmade) -> None:
        settle_first(journal)
        days = results(FIRST)
        days[0]["nav"] = "1015929.47"
        journal.manifest = ""
        settle(journal, FIRST, days)

    journal = worked_example(tmp_path, instead={"settle first": embellish})
    assert verify_journal(journal.path).holds, "without bars nobody can tell"
    (fault,) = verify_journal(journal.path, bars=bars).faults
    assert (fault.kind, fault.strategy, fault.session) == (K.NAV_MISMATCH, "alpha", FIRST)
    assert fault.detail == "NAV 1015929.47 in the journal, 1015929.46 settled again"
    assert verify_journal(journal.path, bars=bars, strategy="beta").holds


def test_other_bars_are_told_from_another_nav(tmp_path: Path, bars: Path) -> None:
    journal = worked_example(tmp_path)
    bars.write_text(bars_csv().replace("688001.SH,2025-01-02,50.0,51.0", "688001.SH,2025-01-02,50.01,51.0"))
    faults = verify_journal(journal.path, bars=bars).faults
    assert [(fault.kind, fault.session) for fault in faults if fault.kind is K.BARS_MISMATCH] == [
        (K.BARS_MISMATCH, FIRST)
    ]
    assert {fault.strategy for fault in faults if fault.kind is K.NAV_MISMATCH} == {"alpha", "beta"}


def test_bars_that_end_too_early_do_not_match(tmp_path: Path, bars: Path) -> None:
    journal = worked_example(tmp_path)
    bars.write_text("".join(line for line in bars_csv().splitlines(keepends=True) if SECOND not in line))
    report = verify_journal(journal.path, bars=bars)
    assert report.replayed == 1
    assert [(fault.kind, fault.session) for fault in report.faults] == [(K.BARS_MISMATCH, SECOND)]


# --- folders that are no journal ---


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"{}\n", b'{"schema":NaN}\n', b"\xff\xfe", b"[" * 100_000, b'{"strategy":"' + b"x" * 100_000],
)
@pytest.mark.parametrize(
    "path",
    [
        ALPHA_FIRST,
        record_path("reveals", "alpha", FIRST),
        f"settlements/2025/{FIRST}.1.json",
        "strategies/8e/alpha.json",
    ],
)
def test_bytes_that_are_no_record_are_malformed(tmp_path: Path, path: str, content: bytes) -> None:
    journal = Handmade.make(tmp_path)
    journal.write(path, content)
    journal.commit(utc("2025-01-02 09:01"))
    assert [(fault.kind, fault.path) for fault in verify_journal(journal.path).faults] == [(K.MALFORMED, path)]


def test_a_record_that_repeats_a_field_is_malformed(tmp_path: Path) -> None:
    def twice(journal: Handmade) -> None:
        open_first(journal)
        path = journal.path / ALPHA_FIRST
        path.write_bytes(path.read_bytes().replace(b'"revision":1', b'"revision":2,"revision":1'))

    report = verify_journal(worked_example(tmp_path, instead={"open first": twice}).path)
    assert (K.MALFORMED, ALPHA_FIRST, "alpha") in named(report)


def test_a_record_at_another_place_is_malformed(tmp_path: Path) -> None:
    def elsewhere(journal: Handmade) -> None:
        next_day(journal)
        (journal.path / record_path("attestations", "alpha", SECOND)).rename(journal.path / "attestations/alpha.1.json")

    report = verify_journal(worked_example(tmp_path, instead={"next day": elsewhere}).path)
    assert (K.MALFORMED, "attestations/alpha.1.json", "alpha") in named(report)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a git repository"):
        verify_journal(tmp_path)
    with pytest.raises(InputError, match="expected a git repository"):
        verify_journal(tmp_path / "nowhere")
    subprocess.run(["git", "init", "-q", str(tmp_path / "new")], check=True)
    with pytest.raises(InputError, match="at least one commit"):
        verify_journal(tmp_path / "new")


def test_a_shallow_clone_is_refused(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.git("clone", "-q", "--depth", "1", f"file://{journal.path}", str(tmp_path / "shallow"))
    with pytest.raises(InputError, match="whole history"):
        verify_journal(tmp_path / "shallow")


def test_a_journal_without_one_of_its_commits_cannot_be_read(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    name = journal.git("rev-parse", "HEAD~2")
    (journal.path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        verify_journal(journal.path)
