"""docs/analysts.md keeps its word: every query runs and returns what it says, and the table of tables is the lens's."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from domain.external import normalise
from models.lens import LENS_TABLES
from store.external import Poll, store_answer
from store.lens import LINK, publish
from store.lens_reader import open_lens
from tests.support.factors import add_active
from tests.support.feeds import ITEM, NOON, enter
from tests.support.settled import make_home, settle, weekdays

DOCUMENT = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
QUERIES = re.findall(r"(?<=\n\n)([^\n]*):\n\n```sql\n(.*?)```\n\nColumns: ([^\n]*)", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_home(tmp_path_factory.mktemp("lens") / "home")
    for session in weekdays(25):
        settle(made, session)
    settle(made, weekdays(2)[1], seed=1)
    add_active(made, "alpha", weekdays(5))
    source = enter(made, "feed", "https://feed.example")
    with made.ledger.write() as db:
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([ITEM, ITEM | {"id": 2}]))
    publish(made)
    return made.path


@pytest.fixture
def db(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_lens(home) as lens, lens.use() as connection:
        yield connection


def test_every_query_of_the_document_is_tested() -> None:
    assert len(QUERIES) == DOCUMENT.count("```sql") == 16


@pytest.mark.parametrize(("sql", "columns"), [pytest.param(sql, names, id=title) for title, sql, names in QUERIES])
def test_query(db: duckdb.DuckDBPyConnection, sql: str, columns: str) -> None:
    found = db.execute(sql)
    assert ", ".join(column[0] for column in found.description or ()) == columns
    rows = found.fetchall()
    assert rows
    assert len(set(rows)) == len(rows)


def test_the_table_of_tables_is_the_lens() -> None:
    documented = re.findall(r"^\| (\w+) \| [^|]* \| ([\w, ]*) \|$", DOCUMENT, re.MULTILINE)
    assert documented[1:] == [(table.name, ", ".join(table.columns)) for table in LENS_TABLES]


def test_the_python_example_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    monkeypatch.chdir(home)
    seen: dict[str, object] = {}
    exec(example.replace("my-strategy", "strategy-00001"), seen)  # noqa: S102 - the document's own words
    assert len(seen["rows"]) == len(seen["frame"].rows()) / 3 == len(seen["table"]) / 3 == 25  # type: ignore[arg-type, attr-defined]
    assert LINK in example
