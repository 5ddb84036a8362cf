"""Chunks of identifiers: all of them, in order, and in one place of the code."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.store.ledger.chunks import IDS_PER_STATEMENT, chunked

ROOT = Path(__file__).parents[3]


@given(st.lists(st.integers()), st.integers(1, 12))
def test_chunks_hold_all_ids_in_order_and_only_the_last_is_short(ids: list[int], size: int) -> None:
    chunks = list(chunked(iter(ids), size))
    assert [each for chunk in chunks for each in chunk] == ids
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(1 <= len(chunk) <= size for chunk in chunks[-1:])


@pytest.mark.parametrize("count", [0, 1, IDS_PER_STATEMENT, IDS_PER_STATEMENT + 1])
def test_chunks_without_a_size_fill_one_statement(count: int) -> None:
    lengths = [len(chunk) for chunk in chunked(range(count))]
    assert lengths == {0: [], 1: [1], 500: [500], 501: [500, 1]}[count]


@pytest.mark.parametrize("size", [0, -1])
def test_size_below_one_is_an_error(size: int) -> None:
    with pytest.raises(ValueError, match="size: expected 1 or more, got"):
        list(chunked([1, 2], size))


def test_lists_are_cut_into_chunks_in_one_place() -> None:
    step = re.compile(r"range\(0, len\(\w+\), ")
    paths = [path for top in ("store", "services", "tasks", "flows", "api") for path in (ROOT / top).rglob("*.py")]
    assert ROOT / "store/ledger/chunks.py" in paths
    assert [str(path.relative_to(ROOT)) for path in paths if step.search(path.read_text())] == []
