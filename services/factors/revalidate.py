"""Revalidation: measuring factors again on the bars as they are now, a chunk of them at a time."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from countersign.services.factors.revalidation import SHOWN, Revalidated, affected, revalidate
from countersign.services.market.closes import Closes
from countersign.store.home import Home
from countersign.store.ledger.chunks import chunked

FACTORS_PER_CHUNK = 25


def find_affected(home: Home, since: date, until: date) -> list[list[str]]:
    """List the factors measured on bars from `since` to `until`, in chunks."""
    with home.ledger.read() as db:
        found = affected(db, home.sessions, since, until)
    return list(chunked(found, FACTORS_PER_CHUNK))


def revalidate_chunk(home: Home, closes: Closes, factor_ids: Sequence[str]) -> list[Revalidated]:
    """Measure factors again, one after the other; each is committed by itself, and none keeps another out."""
    found = (revalidate(home.lake, home.sessions, closes, each, home.clock.now()) for each in factor_ids)
    return [each for each in found if each is not None]


def row_of(done: Revalidated) -> dict[str, Any]:
    """Show a factor's figures before and after."""
    row: dict[str, Any] = {"factor": done.name, "id": done.factor, "status": done.status}
    for name, before, after in zip(SHOWN, done.before, done.after, strict=True):
        row |= {f"{name} before": _round(before), f"{name} after": _round(after)}
    return row | {"fails": done.fails, "error": done.error}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
