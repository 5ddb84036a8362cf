"""Signals of a replay as handed in, and the count of rows that belong to none of its sessions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from countersign.domain.tables import Day, Number, Table, Text
from countersign.models.targets import SYMBOL_PATTERN
from countersign.models.terms import SLUG_PATTERN

SIGNAL_TABLE = Table(
    "signals",
    {
        "strategy": Text(SLUG_PATTERN, "the slug of a strategy"),
        "session": Day(),
        "symbol": Text(SYMBOL_PATTERN, "six digits and a venue, such as 600519.SH"),
        # 5e-324 is the least double above 0.
        "weight": Number(5e-324, 1, nullable=False, strict=True, words="a number in (0, 1]"),
    },
    key=("session", "strategy", "symbol"),
    aliases={"date": "session"},
)
DAYS_SHOWN = 3


@dataclass(frozen=True)
class PassedOver:
    """Rows that a replay does not take: of days outside its range, and of days in it that are no sessions, by day."""

    outside: int
    no_session: Mapping[date, int]

    def __bool__(self) -> bool:
        return bool(self.outside or self.no_session)

    def counts(self) -> dict[str, Any]:
        """Return the counts by their names, days as text."""
        return {"outside": self.outside, "no_session": {str(day): n for day, n in self.no_session.items()}}

    def words(self, since: date, until: date) -> str:
        """Say how many rows, and why."""
        parts = [f"{_rows(self.outside)} outside {since}..{until}"] if self.outside else []
        days = sorted(self.no_session)
        if days:
            named = ", ".join(str(day) for day in days[:DAYS_SHOWN])
            more = f" and {len(days) - DAYS_SHOWN} more days" if len(days) > DAYS_SHOWN else ""
            parts.append(f"{_rows(sum(self.no_session.values()))} on {named}{more} (no session)")
        return ", ".join(parts)


def pass_over(rows: Mapping[date, int], since: date, until: date, sessions: Collection[date]) -> PassedOver:
    """Count the rows, given by day, that a replay of these `sessions` from `since` to `until` passes over."""
    inside = {day: count for day, count in rows.items() if since <= day <= until}
    strays = {day: count for day, count in sorted(inside.items()) if day not in sessions}
    return PassedOver(sum(rows.values()) - sum(inside.values()), strays)


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
