"""JSON of somebody else's: exactly what has one meaning is read, and what has none fails nobody."""

import ast
import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation.fields import read_fields
from countersign.domain.strict_json import (
    MOST_DIGITS,
    Repeated,
    RepeatedNameError,
    levels,
    read_items_json,
    read_json,
    repeated_name,
)

ROOT = Path(__file__).parents[2]
# What these read, we wrote ourselves: the ledger's columns, files of a home, and lines between processes of ours. The
# bodies of factor values are counted first, and read strictly where the count says so (api.requests.value_bodies).
OUR_OWN = {
    "api/requests/column_bodies.py",
    "api/requests/column_reader.py",
    "api/requests/value_bodies.py",
    "api/routers/factors.py",
    "deployments/orchestration/server.py",
    "services/attestation/disclosures.py",
    "services/attestation/retirements.py",
    "services/evaluation/evaluations.py",
    "services/publication/snapshot.py",
    "services/publication/stream.py",
    "services/settlement/corrections.py",
    "services/settlement/planning.py",
    "services/settlement/quality.py",
    "services/settlement/quality_reports.py",
    "services/settlement/settle.py",
    "store/lens/digest.py",
    "store/sessions.py",
}
READERS = {"domain/strict_json.py", "domain/attestation/fields.py"}
# A mapping is read strictly before it is entered.
CHECKED = {"domain/external/feeds.py"}
PARSERS = {"json.load", "json.loads", "orjson.loads", "pl.read_json", "pl.read_ndjson"}


class Pairs(list[Any]):
    """An object's members, names perhaps more than once."""


NAMES = st.text(max_size=3)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(Pairs),
    max_leaves=12,
)


def written(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{written(each)}" for name, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def repeats(value: Any) -> bool:
    inner = [each for _, each in value] if isinstance(value, Pairs) else value if isinstance(value, list) else []
    names = [name for name, _ in value] if isinstance(value, Pairs) else []
    return len(names) != len(set(names)) or any(map(repeats, inner))


@given(VALUES)
def test_exactly_what_repeats_a_name_is_refused(value: Any) -> None:
    text = written(value)
    marked = read_items_json(text)
    if repeats(value):
        with pytest.raises(RepeatedNameError):
            read_json(text)
        assert repeated_name(marked) is not None
    else:
        assert repeated_name(marked) is None
        assert read_json(text) == marked == json.loads(text)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4).map(Pairs))
def test_a_record_is_read_exactly_where_it_has_one_meaning(value: Pairs) -> None:
    text = written(value).encode()
    if repeats(value):
        with pytest.raises(ValueError, match="expected each name once in an object, got"):
            read_fields(text)
    elif all(-(2**63) <= number < 2**64 for number in numbers(value)):
        assert read_fields(text) == json.loads(text)


def numbers(value: Any) -> list[int]:
    if isinstance(value, list):
        inner = [each for _, each in value] if isinstance(value, Pairs) else value
        return [number for each in inner for number in numbers(each)]
    return [value] if isinstance(value, int) else []


@pytest.mark.parametrize("read", [read_json, read_items_json, read_fields], ids=lambda read: read.__name__)
@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a":"\xff"}', b"[" * 100_000, b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 100_000, b'{"a":1}{}'],
    ids=["nothing", "cut", "no unicode", "deep", "deep and whole", "deep objects", "two texts"],
)
def test_what_is_no_json_is_a_value_error(read: Callable[[bytes], Any], text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(text)


@pytest.mark.parametrize("depth", range(100, 1200, 100))
def test_a_record_of_any_depth_is_read_or_refused(depth: int) -> None:
    text = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    with suppress(ValueError):
        assert read_fields(text) == json.loads(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "9" * (MOST_DIGITS + 1)])
def test_a_number_that_is_none_is_refused_whole_or_is_a_text_among_items(number: str) -> None:
    text = f'[1, {number}, {{"a": {number}}}]'
    with pytest.raises(ValueError, match=r"no number of JSON|digits"):
        read_json(text)
    assert read_items_json(text) == [1, number, {"a": number}]


def test_an_item_with_a_name_twice_keeps_all_of_it() -> None:
    found = read_items_json('{"items": [{"id": 1, "id": 2}, {"id": 3, "x": {"y": 0.10, "y": null}}], "n": 1}')
    first, second = found["items"]
    assert first == Repeated("id", (("id", 1), ("id", 2)))
    assert second == {"id": 3, "x": Repeated("y", (("y", Decimal("0.10")), ("y", None)))}
    assert [repeated_name(each) for each in (first, second)] == ["id", "y"]
    assert repeated_name(found, outside=found["items"]) is None


@given(st.integers(0, 300), VALUES.filter(lambda value: not repeats(value)))
def test_levels_are_counted(more: int, value: Any) -> None:
    found = read_json(written(value))
    assert levels(json.loads("[" * more + written(value) + "]" * more)) == more + levels(found)
    assert (levels(1), levels([]), levels({"a": [1]})) == (0, 1, 2)


def calls(path: Path) -> set[str]:
    """Calls in a file that parse JSON by other means than ours."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in PARSERS or name.endswith((".json", ".model_validate_json", ".validate_json")):
                found.add(name)
    return found


def test_nobody_reads_others_json_by_other_means() -> None:
    layers = ("api", "cli", "deployments", "domain", "flows", "models", "services", "sources", "store", "tasks")
    paths = [*ROOT.glob("*.py"), *(path for layer in layers for path in (ROOT / layer).rglob("*.py"))]
    reading = {path.relative_to(ROOT).as_posix() for path in paths if calls(path)}
    assert reading == OUR_OWN | READERS | CHECKED
