"""Prose of the code: the first line of a docstring names its subject, and asks no question."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUESTION = re.compile(r"(What|Who|Whoever|Whatever|Whose|Where)\b")


def questions(source: str) -> Iterator[str]:
    """Yield the first lines of docstrings that begin with a question word."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if QUESTION.match(text):
                yield text.partition("\n")[0]


def test_no_docstring_begins_with_a_question_word() -> None:
    tops = [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    paths = [found for top in tops for found in (top.rglob("*.py") if top.is_dir() else [top]) if found.suffix == ".py"]
    assert Path(__file__) in paths
    found = [f"{path.relative_to(ROOT)}: {line}" for path in sorted(paths) for line in questions(path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("What a seal holds.", True),
        ("Whose key signed.", True),
        ("Where a seal lies.", True),
        ("Path of a seal in the journal.", False),
        ("Whether a seal is late.", False),
        ("Whole journals.", False),
    ],
)
@pytest.mark.parametrize(
    "code", ['"""{}"""', 'class A:\n    """{}"""', 'async def f():\n    """{}\n\n    More.\n    """']
)
def test_a_question_word_is_found_in_every_kind_of_docstring(code: str, line: str, found: bool) -> None:
    assert list(questions(code.format(line))) == [line] * found
