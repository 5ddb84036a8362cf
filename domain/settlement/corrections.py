"""Corrections: the changes of a settled session's market, and the NAV before and after settling it again. Pure.

Which session to correct, and when, is the operator's decision; this module only gives the facts for it.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from countersign.models.errors import ConflictError

# Inputs of a settlement that are read from the market, which a correction reads anew. Those of listings and
# delistings are there only where there are any.
MARKET = ("actions", "bars_files", "earlier_bars_files", "index_files", "listings", "delistings")
# Inputs that may differ in a corrected session, and in one that only rests on a corrected session.
CORRECTED = frozenset({*MARKET, "bars", "index_levels", "rules"})
FOLLOWING = frozenset({"previous", "index_files", "index_levels", "rules"})
WORDS = {
    "bars_files": "bars",
    "index_files": "index levels",
    "actions": "corporate actions",
    "listings": "listings",
    "delistings": "delistings",
}


class NavChange(NamedTuple):
    """NAV changes of a new version: strategies changed, of how many, and the largest in CNY with its strategy."""

    changed: int
    strategies: int
    strategy: str = ""
    largest: str = ""


def what_changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, in words, the market inputs that differ between `was` (as settled) and `now`.

    History that was added before the first settled session is no change to it; history that was replaced is.
    """
    changed = [word for name, word in WORDS.items() if was.get(name, []) != now.get(name, [])]
    if not set(was["earlier_bars_files"]) <= set(now["earlier_bars_files"]):
        changed.append("bars of earlier sessions")
    return tuple(changed)


def changed_inputs(session: date, was: Mapping[str, Any], now: Mapping[str, Any], *, correct: bool) -> set[str]:
    """Name the inputs of a settled session that have changed.

    The market may change where the session is corrected (`correct`), the state it starts from where the session before
    was corrected, and the rule book in both cases. ConflictError if anything else has changed.
    """
    changed = {name for name in now.keys() | (was.keys() & set(MARKET)) if was.get(name) != now.get(name)}
    allowed = (FOLLOWING if "previous" in changed else frozenset()) | (CORRECTED if correct else frozenset())
    if changed - allowed:
        names = ", ".join(sorted(changed - allowed))
        raise ConflictError(
            f"{session}: settled from other inputs than those found now ({names}); a settled day never changes"
        )
    return changed


def nav_differences(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Compare two versions of a session's NAV; return strategy, before, after and change where they differ, in CNY."""
    both = before.select("strategy", before="nav").join(after.select("strategy", after="nav"), on="strategy")
    change = (pl.col("after") - pl.col("before")).alias("change")
    return both.filter(pl.col("after") != pl.col("before")).with_columns(change).sort("strategy")


def sum_up(differences: pl.DataFrame, strategies: int) -> NavChange:
    """Sum up the result of `nav_differences`; of changes equally large, the first strategy's is named."""
    if differences.is_empty():
        return NavChange(0, strategies)
    largest = differences.sort(pl.col("change").abs(), descending=True, maintain_order=True).row(0, named=True)
    return NavChange(differences.height, strategies, largest["strategy"], f"{largest['change']:+,.2f}")


def describe(change: NavChange) -> str:
    """Write a NAV change down in words."""
    text = f"NAV of {change.changed} of {change.strategies} strategies changed"
    return f"{text}, most that of {change.strategy}: {change.largest} CNY" if change.changed else text
