"""Which rows of a file of signals a replay passes over, and how it says so."""

from datetime import date

import pytest

from countersign.domain.signals.replay import PassedOver, pass_over

FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2024, 3, day) for day in (8, 9, 10, 11))
SINCE, UNTIL = FRIDAY, MONDAY


@pytest.mark.parametrize(
    ("rows", "outside", "no_session", "words"),
    [
        ({}, 0, {}, ""),
        ({FRIDAY: 4, MONDAY: 5}, 0, {}, ""),
        ({date(2024, 3, 1): 2, MONDAY: 5, date(2024, 4, 1): 1}, 3, {}, "3 rows outside 2024-03-08..2024-03-11"),
        ({SATURDAY: 1}, 0, {SATURDAY: 1}, "1 row on 2024-03-09 (no session)"),
        (
            {SUNDAY: 2, SATURDAY: 1, FRIDAY: 9, date(2024, 3, 2): 1},
            1,
            {SATURDAY: 1, SUNDAY: 2},
            "1 row outside 2024-03-08..2024-03-11, 3 rows on 2024-03-09, 2024-03-10 (no session)",
        ),
    ],
)
def test_rows_outside_the_replay_or_on_no_session_are_counted(
    rows: dict[date, int], outside: int, no_session: dict[date, int], words: str
) -> None:
    passed = pass_over(rows, SINCE, UNTIL, [FRIDAY, MONDAY])
    assert passed == PassedOver(outside, no_session)
    assert passed.words(SINCE, UNTIL) == words
    assert bool(passed) == bool(words)
    assert passed.counts() == {"outside": outside, "no_session": {str(day): n for day, n in no_session.items()}}


def test_many_days_are_counted() -> None:
    passed = PassedOver(0, {date(2024, 3, day): 2 for day in range(1, 6)})
    assert passed.words(SINCE, UNTIL) == "10 rows on 2024-03-01, 2024-03-02, 2024-03-03 and 2 more days (no session)"
