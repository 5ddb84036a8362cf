"""Lies of a dishonest operator, who has the key: each lie is performed, and `verify` calls it by its name."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation.journal import Commit, FaultKind, File
from countersign.domain.attestation.record_reader import SealRecord, SettledDay
from countersign.domain.attestation.timeliness import TimeClass
from countersign.domain.sessions import deadline
from countersign.domain.verification.check_signals import Records, class_of, settled_by
from countersign.domain.verification.report import Report
from countersign.models.errors import InputError
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import report_json, verify_journal
from tests.support.handmade_journal import Handmade, record_path, utc
from tests.support.worked_example import (
    FIRST,
    LATER,
    SECOND,
    STEPS,
    WEIGHTS,
    bars_csv,
    next_day,
    open_first,
    result,
    results,
    settle,
    settle_first,
    worked_example,
)

K = FaultKind
BETTER = {"600519.SH": "1"}
FIRST_DAY = list(STEPS)[:3]


def named(report: Report) -> set[tuple[FaultKind, str]]:
    return {(fault.kind, fault.path) for fault in report.faults}


def settle_again(journal: Handmade, session: str = FIRST, manifest: str = "", **changes: object) -> None:
    """Write a second version of a settled day, from the same bars."""
    journal.manifest = manifest
    days = results(session)
    days[0] |= {"nav": "1200000.00"}
    settle(journal, session, days, version=2, **changes)


# --- one clock for life ---


def test_a_signal_from_after_the_close_under_a_simulated_clock(tmp_path: Path) -> None:
    """The whole lie: an early receipt, marked as simulated, in a commit dated back, its reveal, and the day again."""
    journal = worked_example(tmp_path, order=FIRST_DAY)
    signers = tmp_path / "signers"
    signers.write_text(journal.key.line())
    assert verify_journal(journal.path, signers=signers).holds
    journal.seal("alpha", FIRST, BETTER, utc("2025-01-02 09:10"), revision=3, simulated=True)
    backdated = journal.commit(utc("2025-01-02 09:11"))
    journal.reveal("alpha", FIRST, BETTER, revision=3)
    settle_again(journal)
    journal.commit(utc("2025-01-02 18:30"))
    report = verify_journal(journal.path, signers=signers)
    seal, day = record_path("attestations", "alpha", FIRST, 3), f"settlements/2025/{FIRST}.2.json"
    assert named(report) == {
        (K.CLOCK_MIXED, seal),
        (K.DATE_FORGED, ""),
        (K.LATE, seal),
        (K.FALSE_CORRECTION, day),
    }
    assert [fault.commit for fault in report.faults if fault.kind is K.DATE_FORGED] == [backdated]
    assert [str(each.time_class) for each in report.signals if each.revision == 3] == ["late"]


def test_a_settled_day_of_the_other_clock_mixes_clocks(tmp_path: Path) -> None:
    def simulated(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, simulated=True)

    report = verify_journal(worked_example(tmp_path, instead={"settle second": simulated}).path)
    assert named(report) == {(K.CLOCK_MIXED, f"settlements/2025/{SECOND}.1.json")}


def rehearse(journal: Handmade, *, clock: bool | None = None) -> None:
    """Two signals for one session, all under a simulated clock that is set back in between."""
    if clock is not None:
        journal.clock(simulated=clock)
    journal.terms("alpha", utc("2025-01-01 12:00"))
    journal.seal("alpha", FIRST, LATER, utc("2025-01-02 09:00"), simulated=True)
    journal.commit(utc("2025-01-02 09:01"))
    journal.seal("alpha", FIRST, WEIGHTS, utc("2025-01-02 08:00"), revision=2, simulated=True)
    journal.commit(utc("2025-01-02 08:01"))


@pytest.mark.parametrize("clock", [None, True])
def test_where_all_is_simulated_the_clock_may_be_set_back(tmp_path: Path, clock: bool | None) -> None:
    journal = Handmade.make(tmp_path)
    rehearse(journal, clock=clock)
    report = verify_journal(journal.path)
    assert (report.faults, report.simulated) == ((), True)
    assert "clock       simulated: a rehearsal, whose dates prove nothing" in render_report(report)


def test_one_record_of_the_real_clock_takes_the_relief_from_all(tmp_path: Path) -> None:
    journal = Handmade.make(tmp_path)
    rehearse(journal)
    journal.seal("alpha", SECOND, LATER, utc("2025-01-03 09:00"))
    journal.commit(utc("2025-01-03 09:01"))
    kinds = [fault.kind for fault in verify_journal(journal.path).faults]
    # The second commit is dated before the first one, and its record follows one that is younger.
    assert sorted(kinds) == [K.CHAIN_BROKEN, K.CLOCK_MIXED, K.DATE_FORGED]


def test_the_first_commit_names_the_clock_against_all_records(tmp_path: Path) -> None:
    journal = Handmade.make(tmp_path)
    rehearse(journal, clock=False)
    report = verify_journal(journal.path)
    assert report.simulated is False
    mixed = {path for kind, path in named(report) if kind is K.CLOCK_MIXED}
    assert mixed == {record_path("attestations", "alpha", FIRST, revision) for revision in (1, 2)}


@pytest.mark.parametrize("simulated", [True, False])
def test_a_clock_declared_later(tmp_path: Path, simulated: bool) -> None:
    journal = worked_example(tmp_path)
    journal.clock(simulated=simulated)
    journal.commit(utc("2025-01-04 10:00"))
    assert (K.CLOCK_MIXED, "clock.json") in named(verify_journal(journal.path))


def test_a_clock_changed_later(tmp_path: Path) -> None:
    def declared(journal: Handmade) -> None:
        journal.clock(simulated=False)
        open_first(journal)

    journal = worked_example(tmp_path, instead={"open first": declared}, order=FIRST_DAY)
    assert verify_journal(journal.path).holds
    journal.clock(simulated=True)
    journal.commit(utc("2025-01-04 10:00"))
    assert named(verify_journal(journal.path)) == {(K.ALTERED, "clock.json")}


# --- dates ---


def test_a_commit_without_any_record_dated_back(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.write("README.md", b"# nothing to see\n")
    backdated = journal.commit(utc("2025-01-02 09:00"))
    [fault] = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit) == (K.DATE_FORGED, backdated)


def test_received_after_its_own_commit(tmp_path: Path) -> None:
    def early(journal: Handmade) -> None:
        journal.seal("alpha", SECOND, LATER, utc("2025-01-03 09:10"))

    report = verify_journal(worked_example(tmp_path, instead={"next day": early}).path)
    assert named(report) == {(K.DATE_FORGED, record_path("attestations", "alpha", SECOND))}


@pytest.mark.parametrize(
    ("created", "paths"),
    [
        # After the signal, and then after the commit that has them both too.
        ("2025-01-02 09:00:30", {"attestations"}),
        ("2025-01-02 09:30", {"attestations", "strategies"}),
    ],
)
def test_a_strategy_opened_after_its_first_signal(tmp_path: Path, created: str, paths: set[str]) -> None:
    def late_terms(journal: Handmade) -> None:
        journal.terms("alpha", utc(created))
        journal.seal("alpha", FIRST, LATER, utc("2025-01-02 09:00"))

    report = verify_journal(worked_example(tmp_path, instead={"open first": late_terms}, order=FIRST_DAY[:1]).path)
    assert {kind for kind, _ in named(report)} == {K.DATE_FORGED}
    assert {path.split("/")[0] for _, path in named(report)} == paths


def test_a_reveal_before_its_session_was_over_is_forged(tmp_path: Path) -> None:
    def reveal(journal: Handmade) -> None:
        next_day(journal)
        journal.reveal("alpha", SECOND, LATER)

    def settle_only(journal: Handmade) -> None:
        settle(journal, SECOND)

    journal = worked_example(tmp_path, instead={"next day": reveal, "settle second": settle_only})
    assert named(verify_journal(journal.path)) == {(K.DATE_FORGED, record_path("reveals", "alpha", SECOND))}


# --- order, against any dates ---


def close_day(folder: Path, then: Callable[[Handmade], None]) -> Handmade:
    """A day settled seconds after its close, as its dates say; then something else, seconds later."""
    journal = Handmade.make(folder)
    journal.terms("gamma", utc("2025-01-01 12:00"), execution_price="close")
    journal.seal("gamma", FIRST, LATER, utc("2025-01-02 14:50"), execution_price="close")
    journal.commit(utc("2025-01-02 14:51"))
    journal.reveal("gamma", FIRST, LATER)
    one = results(FIRST)[0] | {"strategy": "gamma"}
    settle(journal, FIRST, [one], settled_at="2025-01-02T07:00:05.000000Z")
    journal.commit(utc("2025-01-02 15:00:10"))
    then(journal)
    journal.commit(utc("2025-01-02 15:00:20"))
    return journal


def test_sealed_after_the_session_was_settled_with_dates_that_fit(tmp_path: Path) -> None:
    def smuggle(journal: Handmade) -> None:
        journal.seal("gamma", FIRST, BETTER, utc("2025-01-02 14:59"), revision=2, execution_price="close")
        journal.reveal("gamma", FIRST, BETTER, revision=2)

    report = verify_journal(close_day(tmp_path, smuggle).path)
    [fault] = report.faults
    assert (fault.kind, fault.path) == (K.LATE, record_path("attestations", "gamma", FIRST, 2))
    assert "whatever its dates say" in fault.detail
    assert [str(each.time_class) for each in report.signals] == ["on_time", "late"]


def test_a_seal_for_a_session_left_out_between_settled_ones_is_late(tmp_path: Path) -> None:
    """A seal after a later session was settled: its own never was, and the prices it would trade at are long known."""

    def skip(journal: Handmade) -> None:
        journal.seal("gamma", "2025-01-01", BETTER, utc("2025-01-01 14:59"), execution_price="close")

    assert (K.LATE, record_path("attestations", "gamma", "2025-01-01")) in named(
        verify_journal(close_day(tmp_path, skip).path)
    )


sessions = st.sampled_from([date(2025, 1, day) for day in (2, 3, 6, 7)])


@given(st.lists(st.tuples(st.sampled_from(["seal", "day"]), sessions), max_size=12))
def test_order_alone_makes_a_signal_late(events: list[tuple[str, date]]) -> None:
    """A seal is late in or after a commit that settled its session or a later one, though its dates be perfect."""
    records, commits = Records(), []
    for place, (what, session) in enumerate(events):
        commits.append(Commit(f"{place}", (), deadline(session, "open"), None))
        file = File("", b"", place)
        if what == "seal":
            closes_at = deadline(session, "open")
            received_at = closes_at - timedelta(minutes=place + 1)
            seal = SealRecord("alpha", session, place, "", 1, "hs300", "open", received_at, closes_at, "", False, None)
            records.seals["alpha", session, place] = seal, file
        else:
            day = SettledDay(session, place, False, datetime.now(UTC), "", "", "", "", (), (), (), (), {})
            records.days.setdefault(session, {})[place] = day, file
    settled = settled_by(records)
    for (_, session, _), (seal, file) in records.seals.items():
        known = any(what == "day" and other >= session for what, other in events[: file.commit + 1])
        assert (class_of(seal, file, commits, settled) is TimeClass.LATE) is known


# --- versions of a day ---


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({}, "nothing that it was settled with"),
        ({"signals": "other"}, "settled with other signals"),
        ({"bars": "other", "terms": "other"}, "settled with other terms"),
    ],
)
def test_a_correction_of_nothing_or_of_too_much(tmp_path: Path, more: dict[str, str], detail: str) -> None:
    journal = worked_example(tmp_path, order=FIRST_DAY)
    bars = json.loads((journal.path / f"settlements/2025/{FIRST}.1.json").read_text())["bars_sha256"]
    settle_again(journal, more=more | {"bars": bars})
    journal.commit(utc("2025-01-02 18:30"))
    [fault] = verify_journal(journal.path).faults
    assert (fault.kind, fault.path) == (K.FALSE_CORRECTION, f"settlements/2025/{FIRST}.2.json")
    assert detail in fault.detail


def test_a_correction_that_leaves_somebody_out(tmp_path: Path) -> None:
    journal = worked_example(tmp_path, order=FIRST_DAY)
    journal.manifest = ""
    settle(journal, FIRST, results(FIRST)[:1], version=2, more={"actions": "other"})
    journal.commit(utc("2025-01-02 18:30"))
    details = {fault.detail for fault in verify_journal(journal.path).faults if fault.kind is K.FALSE_CORRECTION}
    assert "of other strategies than before" in details


# --- ends ---


def ending(folder: Path, retire: Callable[[Handmade], None] | None) -> Handmade:
    """A journal that keeps ends, in which beta is gone from the second settled day."""

    def declared(journal: Handmade) -> None:
        journal.clock(simulated=False)
        open_first(journal)

    def settled_and_ended(journal: Handmade) -> None:
        settle_first(journal)
        journal.commit(utc(f"{FIRST} 18:16"))
        if retire:
            retire(journal)

    def without_beta(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, results(SECOND)[:1])

    return worked_example(
        folder,
        instead={"open first": declared, "settle first": settled_and_ended, "settle second": without_beta},
        at={"settle first": "2025-01-02 20:00"},
    )


def retire_beta(journal: Handmade) -> None:
    journal.retire("beta", utc("2025-01-02 19:00"), FIRST, "1015929.46")


def test_a_strategy_that_ended_is_listed_with_its_nav(tmp_path: Path) -> None:
    report = verify_journal(ending(tmp_path, retire_beta).path)
    assert report.faults == ()
    shown = json.loads(json.dumps(report_json(report), default=str))["retired"]
    assert shown == [
        {
            "strategy": "beta",
            "retired_at": "2025-01-02 11:00:00+00:00",
            "session": FIRST,
            "nav": "1015929.46",
            "recorded": True,
        }
    ]
    text = render_report(report)
    assert "retired     1 strategy\n            beta: 2025-01-02 11:00:00 UTC, NAV 1015929.46 on 2025-01-02" in text


def test_a_loser_gone_without_a_word(tmp_path: Path) -> None:
    [fault] = verify_journal(ending(tmp_path, None).path).faults
    assert (fault.kind, fault.strategy, fault.session) == (K.LEFT_OUT, "beta", SECOND)
    assert "without a record of its end" in fault.detail


def test_in_an_older_journal_a_strategy_that_is_gone_is_only_listed(tmp_path: Path) -> None:
    def without_beta(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, results(SECOND)[:1])

    report = verify_journal(worked_example(tmp_path, instead={"settle second": without_beta}).path)
    assert report.faults == ()
    [gone] = report.retired
    assert (gone.strategy, f"{gone.session}", gone.nav, gone.recorded) == ("beta", FIRST, "1015929.46", False)
    assert "beta: without a record, NAV 1015929.46 on 2025-01-02" in render_report(report)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"nav": "1015929.47"}, "NAV 1015929.47, in the settled day 1015929.46"),
        ({"version": 2}, f"version 2 of {FIRST} is not in the journal"),
        ({"retired_at": "2024-12-31T11:00:00.000000Z"}, "before its last session"),
    ],
)
def test_an_end_that_is_not_the_settled_days(tmp_path: Path, change: dict[str, object], detail: str) -> None:
    def lie(journal: Handmade) -> None:
        journal.retire("beta", utc("2025-01-02 19:00"), FIRST, **({"nav": "1015929.46"} | change))  # type: ignore[arg-type]

    faults = [f for f in verify_journal(ending(tmp_path, lie).path).faults if f.kind is K.RETIREMENT_MISMATCH]
    assert any(detail in fault.detail for fault in faults)


def test_a_strategy_that_goes_on_after_its_end(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.retire("alpha", utc("2025-01-02 19:00"), FIRST, "1015929.46")
    journal.retire("beta", utc("2025-01-03 19:00"), SECOND, "1015929.46")
    journal.commit(utc("2025-01-04 10:00"))
    faults = verify_journal(journal.path).faults
    assert {(fault.kind, fault.strategy) for fault in faults} == {(K.RETIREMENT_MISMATCH, "alpha")}
    assert {fault.detail for fault in faults} == {
        f"settled on {SECOND}, after its end",
        "a signal after its end, 2025-01-02 11:00:00 UTC",
    }


# --- corporate actions ---


def invented_bonus(folder: Path) -> Handmade:
    """On the second day each share of 600000.SH has a new one beside it, says the journal: beta's NAV is 510,000 more.

    Its bars go on as if nothing had been: 10.2 the evening before, 10.0 in the morning.
    """

    def pay(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        held = f"beta,{SECOND},600000.SH,100000.0,10.2,1020000.00,\nbeta,{SECOND},688001.SH,8000.0,51.0,408000.00,\n"
        beta = result("beta", "1525929.46", "97929.46", "HOLD", "", held)
        bonus = [{"symbol": "600000.SH", "cash": "0", "bonus": "1"}]
        settle(journal, SECOND, [results(SECOND)[0], beta], actions=bonus)

    return worked_example(folder, instead={"settle second": pay})


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """A file of the worked example's bars."""
    path = tmp_path / "bars.csv"
    path.write_text(bars_csv())
    return path


def test_an_invented_bonus_is_doubted_by_the_bars_and_refuted_by_the_readers_actions(
    tmp_path: Path, bars: Path
) -> None:
    journal = invented_bonus(tmp_path)
    report = verify_journal(journal.path, strategy="beta", bars=bars)
    assert report.faults == (), "the arithmetic is right: only the action is not"
    [warning] = report_json(report)["warnings"]
    assert (warning["kind"], warning["session"]) == ("unborne_action", SECOND)
    text = render_report(report)
    assert "1 warning:\n  unborne_action 2025-01-03: 600000.SH" in text
    assert text.endswith("Everything holds.")
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,session,cash,bonus\n000001.SZ,2025-01-03,1.5,0\n")
    [fault] = verify_journal(journal.path, strategy="beta", bars=bars, actions=actions).faults
    assert (fault.kind, fault.session) == (K.ACTIONS_MISMATCH, SECOND)
    assert fault.detail == "600000.SH: cash 0, bonus 1 in the journal, none in the actions given"
    actions.write_text("symbol,session,cash,bonus\n600000.SH,2025-01-03,0,1\n")
    assert verify_journal(journal.path, strategy="beta", bars=bars, actions=actions).holds


def test_a_dividend_kept_back_from_its_holders(tmp_path: Path, bars: Path) -> None:
    """An action of a symbol that nobody held or signalled, or of another day, is no fault."""
    actions = tmp_path / "actions.csv"
    rows = ["688001.SH,2025-01-03,0.5,0", "600519.SH,2025-01-03,20,0", "688001.SH,2025-01-06,0.5,0"]
    actions.write_text("\n".join(["symbol,session,cash,bonus", *rows]) + "\n")
    journal = worked_example(tmp_path)
    [fault] = verify_journal(journal.path, bars=bars, actions=actions).faults
    assert (fault.kind, fault.session) == (K.ACTIONS_MISMATCH, SECOND)
    assert fault.detail == "688001.SH: none in the journal, cash 0.5, bonus 0 in the actions given"
    with pytest.raises(InputError, match="actions: expected bars beside them"):
        verify_journal(journal.path, actions=actions)
