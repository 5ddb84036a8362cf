"""The lens's standings: one row a strategy, so that lists in order of any figure never go through histories.

NAV is counted up from the lens's own tables. Figures come from the evaluation of a strategy's newest session, which for
a retired one was long ago: figures taken over once are kept for as long as their file stays the same.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from countersign.models.lens.tables import EVALUATIONS

if TYPE_CHECKING:
    import duckdb

FIGURES = ", ".join(name for name in EVALUATIONS.columns if name not in {"strategy", "session"})
NEWEST = """
    CREATE OR REPLACE TEMP TABLE newest AS
    SELECT strategy, session, trading_days, nav, daily_return, cumulative_return, least(session, $evaluated) AS due
    FROM (
        SELECT strategy_id, count(*) AS trading_days, max(session) AS session, max_by(nav, session) AS nav,
            max_by(daily_return, session) AS daily_return, max_by(cumulative_return, session) AS cumulative_return
        FROM ({levels}) GROUP BY strategy_id
    ) JOIN internal.strategy_ids USING (strategy_id)
"""
KEPT = f"""
    CREATE OR REPLACE TEMP TABLE figures AS
    SELECT strategy, evaluated, {FIGURES}
    FROM standings JOIN newest USING (strategy)
    WHERE evaluated = due AND NOT list_contains($changed, evaluated)
"""
MISSING = "SELECT DISTINCT due FROM newest ANTI JOIN figures USING (strategy)"
READ = f"""
    INSERT INTO figures
    SELECT strategy, evaluated, {FIGURES}
    FROM (SELECT * RENAME (session AS evaluated) FROM ({{evaluations}})) rows
    SEMI JOIN (FROM newest ANTI JOIN figures USING (strategy)) missing
    ON rows.strategy = missing.strategy AND rows.evaluated = missing.due
"""
FILL = f"""
    INSERT INTO standings BY NAME
    SELECT strategy, session, trading_days, nav, daily_return, cumulative_return, evaluated, {FIGURES}
    FROM newest LEFT JOIN figures USING (strategy) ORDER BY strategy
"""


def replace_standings(
    db: duckdb.DuckDBPyConnection,
    levels: Sequence[str],
    evaluated: date | None,
    changed: Collection[date],
    evaluations_of: Callable[[Collection[date]], str],
) -> None:
    """Fill the table anew, inside the caller's transaction.

    `levels` are the internal tables that hold NAV, `evaluated` is the newest session evaluated, `changed` are the
    sessions whose evaluations changed since; `evaluations_of` writes the query for those of given sessions.
    """
    tables = " UNION ALL ".join(f"SELECT * FROM internal.{level}" for level in levels)
    db.execute(NEWEST.format(levels=tables), {"evaluated": evaluated or date.min})
    db.execute(KEPT, {"changed": sorted(changed)})
    sessions = {session for (session,) in db.execute(MISSING).fetchall()}
    db.execute(READ.format(evaluations=evaluations_of(sessions)))
    db.execute("DELETE FROM standings")
    db.execute(FILL)
