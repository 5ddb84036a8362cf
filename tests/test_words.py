"""Words: one name, one meaning."""

import ast
from collections import defaultdict
from pathlib import Path

from countersign.api.app import bare_app

ROOT = Path(__file__).parents[1]
LAYERS = ("api", "cli", "deployments", "domain", "flows", "models", "services", "sources", "store", "tasks")
# A shape on the wire may be called like the table or the value that it shows.
PAIRS = ("models/wire/", "models/tables/")


def test_no_class_is_called_like_another() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: places for name, places in found.items() if len(places) > 1}
    pairs = {
        name
        for name, places in twice.items()
        if len(places) == len(PAIRS) and all(any(place.startswith(pair) for place in places) for pair in PAIRS)
    }
    assert {name: places for name, places in twice.items() if name not in pairs} == {}


def test_operations_keep_their_ids() -> None:
    # Clients are generated from them: a new one is added to the list, an old one stays.
    paths = bare_app().openapi()["paths"].values()
    ids = sorted(operation["operationId"] for path in paths for operation in path.values())
    assert ids == sorted(set(ids))
    assert ids == (ROOT / "tests/golden/operation_ids.txt").read_text().split()
