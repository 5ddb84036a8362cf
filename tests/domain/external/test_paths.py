"""Paths into JSON: where they lead, which can lead nowhere at all, and which found nothing in a whole answer."""

from typing import Any

import pytest

from countersign.domain.external.paths import check_path, dig, find_missing
from countersign.models.errors import InputError

ANSWER = {"data": [{"items": [1, 2]}, {"0": "named", "tp": {"1": 5}}], "none": None, "-1": "odd", "a b": 1}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ANSWER),
        ("data.0.items", [1, 2]),
        ("data.0.items.1", 2),
        ("data.1.0", "named"),
        ("data.1.tp.1", 5),
        ("none", None),
        ("a b", 1),
        *((path, "nowhere") for path in ("data.2", "data.-1", "data.00", "data.x", "data.+0", "data.٠", "none.x")),
        *((path, "nowhere") for path in ("data.0.items.1.0", "a b.0", "x", "data.99999999999999999999")),
    ],
)
def test_a_path_leads_to_its_value_or_to_the_default(path: str, found: Any) -> None:
    assert dig(ANSWER, path, "nowhere") == found


@pytest.mark.parametrize("path", ["id", "targets.0", "data.0.items", "a b.c", "Preis (€)", "0", "x-1", "tp.-"])
def test_a_valid_path_is_taken(path: str) -> None:
    check_path("mapping.fields.id", path)


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", " ", "a. .b", "targets.-1", "-1", "a\nb", "a\x00", "a\x7f"]
)
def test_a_malformed_path_is_refused_by_its_field(path: str) -> None:
    with pytest.raises(InputError, match=r"^mapping\.fields\.id: expected names joined by single dots") as caught:
        check_path("mapping.fields.id", path)
    assert str(caught.value).isprintable()


def test_a_field_is_missing_if_no_item_has_it_and_not_if_it_is_empty() -> None:
    paths = {"id": "no", "target1": "tp.0", "target2": "tp.1", "target3": "tp.2", "ask": "ask", "type": "kind"}
    items = [{"no": 1, "tp": [5], "kind": None}, "nonsense", {"no": 2, "tp": [5, None], "ask": ""}]
    assert find_missing(items, paths) == ("target3",)
    assert find_missing(items[:2], paths) == ("target2", "target3", "ask")
    assert find_missing(["nonsense"], paths) == tuple(paths)


def test_a_field_that_was_found_is_looked_for_no_more() -> None:
    looked: list[str] = []

    class Noted(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            looked.append(name)
            return super().get(name, default)

    assert find_missing([Noted(a=1), Noted(b=1), *[Noted(a=1, b=1)] * 1000], {"a": "a", "b": "b"}) == ()
    assert looked == ["a", "b", "b"]
