"""Histories to evaluate, as frames: a test's figures of one strategy or several, and the rest in its plainest form."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from countersign.domain.evaluation.metrics import (
    CARRIED_SCHEMA,
    NAV_SCHEMA,
    STRATEGIES_SCHEMA,
    TRADING_SCHEMA,
    VERDICTS_SCHEMA,
    evaluate,
)

FIRST, CAPITAL = date(2025, 1, 1), 1_000_000


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def histories(
    navs: Mapping[str, Sequence[float]], benchmark: Sequence[float | None], starts: Mapping[str, int]
) -> pl.DataFrame:
    """A row a strategy and session: `navs` in CNY from the strategy's start on, `benchmark` from the first session."""
    rows = [
        (slug, day(starts.get(slug, 0) + n), level, benchmark[starts.get(slug, 0) + n])
        for slug, levels in navs.items()
        for n, level in enumerate(levels)
    ]
    kinds = NAV_SCHEMA | {"nav": pl.Float64}
    return pl.DataFrame(rows, schema=kinds, orient="row").cast(pl.Schema(NAV_SCHEMA))


def strategies(*slugs: str, **fields: Any) -> pl.DataFrame:
    """Strategies of one owner, opened before the first session, unless `fields` say otherwise."""
    plain = {"owner": "ann", "initial_capital": CAPITAL, "opened": date(2024, 12, 1)}
    return pl.DataFrame([{"strategy": slug, **plain, **fields} for slug in slugs], schema=STRATEGIES_SCHEMA)


def evaluated(
    nav: pl.DataFrame,
    since: int = 0,
    terms: pl.DataFrame | None = None,
    trading: Sequence[tuple[str, date, float, float]] = (),
    before: pl.DataFrame | None = None,
    verdicts: Sequence[tuple[str, date, str]] = (),
) -> pl.DataFrame:
    """Evaluate from the session of that number on; `trading`: strategy, session, notional and costs in CNY."""
    return evaluate(
        nav,
        day(since),
        strategies=strategies(*nav["strategy"].unique().sort()) if terms is None else terms,
        verdicts=pl.DataFrame(list(verdicts), schema=VERDICTS_SCHEMA, orient="row"),
        trading=pl.DataFrame(list(trading), schema=TRADING_SCHEMA, orient="row"),
        carried=pl.DataFrame(schema=CARRIED_SCHEMA) if before is None else before.select(*CARRIED_SCHEMA),
    )


def newest(levels: Sequence[float], benchmark: Sequence[float | None] | None = None, **fields: Any) -> dict[str, Any]:
    """One strategy's figures as of its last session."""
    nav = histories({"one": levels}, benchmark or [0.0] * len(levels), {})
    return evaluated(nav, len(levels) - 1, strategies("one", **fields)).row(0, named=True)
