"""Quality reports in the home: where they lie, and the facts that they rest on."""

from datetime import date
from pathlib import Path
from typing import Any

import orjson

REPORTS = "quality"
VALIDATION = "great_expectations"


def report_path(session: date) -> str:
    """Return the path of a session's page for people, relative to the home folder."""
    return f"{REPORTS}/{session}/report.html"


def facts_of(record: Path) -> dict[str, Any]:
    """Read the facts that a report rests on; an empty mapping without a readable report."""
    try:
        facts = orjson.loads(record.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return {name: value for name, value in facts.items() if name != VALIDATION}
