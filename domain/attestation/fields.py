"""Fields of untrusted records: each is read and checked by itself; ValueError names the fault."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson

from countersign.domain.provenance import canonical
from countersign.domain.strict_json import RepeatedNameError, read_json

SYMBOL = re.compile(r"^[0-9]{6}\.(?:SH|SZ|BJ)$")


def read_fields(content: bytes) -> dict[str, Any]:
    """Read a record's JSON object, each name once; ValueError for anything else."""
    try:
        fields = orjson.loads(content)
        # A record that is written again to the same bytes has one meaning. To see that costs half of reading it once
        # more; Python's parser, which names what is there twice, costs three times as much as reading it.
        if canonical(fields) != content.removesuffix(b"\n"):
            read_json(content)
    except RepeatedNameError:
        raise
    except (ValueError, orjson.JSONEncodeError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("expected a JSON object")
    return fields


def require_match(fields: Mapping[str, Any], **patterns: re.Pattern[str]) -> None:
    """Check that fields are texts of these patterns."""
    for name, pattern in patterns.items():
        value = fields.get(name)
        if not isinstance(value, str) or not pattern.match(value) or value.endswith("\n"):
            raise ValueError(f"{name}: expected {pattern.pattern}, got {str(value)[:80]!r}")


def require_types(fields: Mapping[str, Any], **kinds: type) -> None:
    """Check that fields are of exactly these types."""
    for name, kind in kinds.items():
        if type(fields.get(name)) is not kind:
            raise ValueError(f"{name}: expected {kind.__name__}, got {str(fields.get(name))[:80]!r}")


def read_day(fields: Mapping[str, Any], name: str) -> date:
    """Read a field that is a date."""
    try:
        return date.fromisoformat(fields[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name}: expected a date, got {str(fields.get(name))[:80]!r}") from None


def read_instant(fields: Mapping[str, Any], name: str) -> datetime:
    """Read a field that is a time with its zone."""
    try:
        moment = datetime.fromisoformat(fields[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name}: expected a time, got {str(fields.get(name))[:80]!r}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{name}: expected a time with its zone, got {fields[name]!r}")
    return moment
