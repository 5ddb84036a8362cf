"""Artifacts: a flow shows a table in Prefect's UI under a lasting key; the UI keeps the table's history.

People look at an artifact. No code reads one back: the ledger and the lake hold the results.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import create_table_artifact

# The UI renders a table as a whole.
MOST_ROWS = 500


def artifact_key(*words: str) -> str:
    """Make a key such as Prefect demands, of lower-case letters, digits and dashes: ("Quality", "A 1") → quality-a-1.

    The session stays out of it: the same key each day gives one artifact with a history.
    """
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


def show_table(rows: Sequence[Mapping[str, Any]], *words: str, description: str = "") -> UUID | None:
    """Show rows, at most `MOST_ROWS` (the description says so), under the key made of `words`. Inside a run only."""
    shown = [{name: _plain(value) for name, value in row.items()} for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        description = f"{description}\n\nThe first {MOST_ROWS} of {len(rows)} rows.".strip()
    artifact = create_table_artifact(table=shown, key=artifact_key(*words), description=description or None)
    return artifact if isinstance(artifact, UUID) else None


def _plain(value: object) -> object:
    """JSON has no dates and no decimals; a table for people can do with their text."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)
