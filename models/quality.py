"""Findings of the quality gate on a session's bars, before anything is settled with them."""

from dataclasses import dataclass, field

from countersign.models.enums import Severity


@dataclass(frozen=True)
class Finding:
    """One rule that a session's data broke: how many rows, and the first few symbols of them in ascending order."""

    rule: str
    severity: Severity
    count: int
    detail: str
    symbols: tuple[str, ...] = field(default=())
