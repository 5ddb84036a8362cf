"""The agenda: by hand for the mornings that went wrong, and as laws for any runs."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.domain.watchdog.agenda import PLACES, RESERVED, Agenda, Due, Origin, plan, stages_to_catch_up
from countersign.models.timetable import TIMETABLE, WATCHDOG

SLOTS = {slot.stage: slot for slot in TIMETABLE}
# 2024-12-27 is a Friday, 2025-01-01 a holiday.
DAYS = {date(2024, 12, 23) + timedelta(n) for n in (0, 1, 2, 3, 4, 7, 8, 10, 11)}
CATCH_UP, HAND = Origin.CATCH_UP, Origin.HAND


def moment(text: str) -> datetime:
    """A time at the exchange: "30 08:58" in December 2024."""
    return datetime.strptime(f"2024-12-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=EXCHANGE_ZONE)


def run(stage: str, at: str, origin: Origin = Origin.TIMETABLE) -> Due:
    return Due(UUID(int=hash((stage, at, origin)) % 2**128), stage, moment(at), origin)


def decide(due: Sequence[Due], now: str, running: Sequence[Due] = (), caught_up: str | None = None) -> Agenda:
    done = moment(caught_up) if caught_up else None
    return plan(due, running, moment(now), TIMETABLE, DAYS.__contains__, done)


def begun(agenda: Agenda) -> list[tuple[str, str]]:
    return [(each.stage, f"{each.at:%d %H:%M}") for each in agenda.begin]


def reasons(agenda: Agenda) -> dict[tuple[str, str], str]:
    return {(each.stage, f"{each.at:%d %H:%M}"): reason for each, reason in agenda.skip}


def planned(*days: int) -> list[Due]:
    """All that Prefect plans ahead for these days, and three hours of the hourly ones."""
    daily = [run(slot.stage, f"{day} {slot.at:%H:%M}") for day in days for slot in TIMETABLE if not slot.hourly]
    hourly = [
        run(stage, f"{days[0]} {hour}:{SLOTS[stage].at:%M}") for stage in ("poll", "outcomes") for hour in (19, 20)
    ]
    return [*daily, *hourly]


def test_a_start_before_nine_after_days_down_makes_the_signals_first_and_the_watchdog_then() -> None:
    left = planned(26, 27, 28)
    signals, watchdog = run("portfolio-signals", "30 08:58", CATCH_UP), run(WATCHDOG, "30 08:58", CATCH_UP)
    first = decide([*left, signals, watchdog], "30 08:58")
    assert begun(first) == [("portfolio-signals", "30 08:58")]
    # Nothing begins beside it, and nothing of the days before is left.
    beside = decide([*left, watchdog], "30 08:59", [signals])
    assert beside.begin == ()
    kept = {each.stage for each in left} - {each.stage for each, _ in beside.skip}
    assert kept == set()
    after = decide([watchdog], "30 08:59")
    assert begun(after) == [(WATCHDOG, "30 08:58")]


def test_a_late_poll_of_yesterday_has_no_purpose_and_the_last_one_of_this_hour_has() -> None:
    agenda = decide([run("poll", "29 22:20"), run("poll", "30 08:20")], "30 08:58")
    assert begun(agenda) == [("poll", "30 08:20")]
    assert reasons(agenda) == {("poll", "29 22:20"): "its hour is over: the next one does its work"}


def test_a_stage_that_a_watchdog_is_about_to_run_waits_and_is_skipped_once_done() -> None:
    evening = [run("market-ingest", "27 17:30"), run("settle", "27 18:15"), run("evaluate", "27 18:30")]
    watchdog = run(WATCHDOG, "27 18:50", CATCH_UP)
    assert begun(decide([*evening, watchdog], "27 18:50")) == [(WATCHDOG, "27 18:50")]
    assert begun(decide(evening, "27 18:51", [watchdog])) == []
    done = decide(evening, "27 18:52", caught_up="27 18:50")
    assert set(reasons(done).values()) == {"the watchdog of 2024-12-27 18:50 did its work"}
    # It failed: the stages have their own turn, with the patience that a watchdog has not.
    assert begun(decide(evening, "27 18:52")) == [("market-ingest", "27 17:30"), ("settle", "27 18:15")]


def test_a_day_without_a_session_is_passed_over_and_does_not_stand_in_for_the_session_before() -> None:
    friday, saturday = run("settle", "27 18:15"), run("settle", "28 18:15")
    agenda = decide([friday, saturday], "28 19:00")
    assert begun(agenda) == [("settle", "27 18:15")]
    assert reasons(agenda) == {("settle", "28 18:15"): "2024-12-28 is not a session"}
    # Feeds know no sessions; a start, and a run by hand, mean the session before.
    for other in (run("poll", "28 18:20"), run(WATCHDOG, "28 19:00", CATCH_UP), run("settle", "28 19:00", HAND)):
        assert begun(decide([other], "28 19:00")) == [(other.stage, f"{other.at:%d %H:%M}")]


def test_once_its_deadline_has_passed_a_stage_takes_its_turn_like_any_other() -> None:
    signals, poll = run("portfolio-signals", "30 09:00"), run("poll", "30 09:20")
    assert begun(decide([poll, signals], "30 09:14")) == [("portfolio-signals", "30 09:00")]
    # The machine slept: nobody else tells the owners.
    assert begun(decide([poll, signals], "30 09:30")) == [("portfolio-signals", "30 09:00"), ("poll", "30 09:20")]


def test_runs_that_hang_leave_a_place_for_one_with_a_deadline() -> None:
    hanging = [run("settle", "27 18:15"), run("evaluate", "27 18:30")]
    signals, poll = run("portfolio-signals", "30 09:00"), run("poll", "30 08:20")
    assert begun(decide([signals, poll], "30 09:00", hanging)) == [("portfolio-signals", "30 09:00")]
    assert begun(decide([poll], "30 09:00", hanging)) == []
    # One with a deadline that hangs holds the others up until then, and no longer.
    assert begun(decide([poll], "30 09:14", [signals])) == []
    assert begun(decide([poll], "30 09:15", [signals])) == [("poll", "30 08:20")]


@pytest.mark.parametrize(
    ("now", "stages"),
    [
        ("30 08:54", []),
        ("30 08:55", ["portfolio-signals"]),
        ("30 09:04", ["portfolio-signals"]),
        ("30 09:06", ["portfolio-signals", "attestation-retry"]),
        ("30 09:15", []),
        ("30 14:52", ["attestation-retry-close"]),
        ("28 08:58", []),
    ],
)
def test_a_start_runs_stages_near_their_deadline_at_once(now: str, stages: list[str]) -> None:
    assert stages_to_catch_up(moment(now), TIMETABLE, DAYS.__contains__) == [*stages, WATCHDOG]


MINUTE = timedelta(minutes=1)
TIMES = st.integers(0, 10 * 24 * 60).map(lambda minutes: moment("23 00:00") + minutes * MINUTE)
NOW = st.integers(0, 4 * 24 * 60).map(lambda minutes: moment("30 00:00") + minutes * MINUTE)
RUNS = st.lists(
    st.builds(
        Due,
        st.uuids(),
        st.sampled_from([*SLOTS, "unknown"]),
        TIMES,
        st.sampled_from(Origin),
    ),
    max_size=12,
    unique_by=lambda each: each.id,
)


@given(RUNS, RUNS.map(lambda runs: runs[: PLACES + RESERVED]), NOW, st.none() | NOW)
def test_no_plan_skips_without_reason_or_exceeds_the_places(
    due: list[Due], running: list[Due], now: datetime, caught_up: datetime | None
) -> None:
    agenda = plan(due, running, now, TIMETABLE, DAYS.__contains__, caught_up)
    skipped = {each.id for each, _ in agenda.skip}
    assert not skipped & {each.id for each in agenda.begin}
    assert all(reason for _, reason in agenda.skip)
    assert not [each for each, _ in agenda.skip if each.origin is HAND or each.stage == "unknown"]
    assert len(running) + len(agenda.begin) <= PLACES + RESERVED
    # A waiting run waits for another: with nothing running, one begins, or all are skipped.
    if not running:
        assert bool(agenda.begin) == (len(skipped) < len(due))


@given(RUNS, NOW)
def test_run_to_its_end_every_run_begins_once_or_is_skipped_once(due: list[Due], now: datetime) -> None:
    left, begun, skipped, caught_up = list(due), [], [], None
    while left:
        agenda = plan(left, [], now, TIMETABLE, DAYS.__contains__, caught_up)
        begun += agenda.begin
        skipped += [each for each, _ in agenda.skip]
        watched = [each.at for each in agenda.begin if each.stage == WATCHDOG]
        caught_up = max([*watched, *([caught_up] if caught_up else [])], default=None)
        gone = {each.id for each in [*begun, *skipped]}
        assert len(gone) > len(due) - len(left)
        left = [each for each in left if each.id not in gone]
    assert len(begun) + len(skipped) == len(due)
