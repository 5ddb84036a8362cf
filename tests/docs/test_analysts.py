"""docs/analysts.md keeps its word: every query runs and returns the result shown; the table of tables is the lens's."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from countersign.domain.evaluation.claimed_performance import write_records
from countersign.domain.external.items import normalise
from countersign.models.enums import StrategyStatus
from countersign.models.lens.tables import LENS_TABLES
from countersign.services.evaluation.claimed_performance import upload_claimed
from countersign.services.external.answers import Poll, store_answer
from countersign.services.external.judge import judge_signals
from countersign.services.publication.publish import publish
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.lens.reader import open_lens
from countersign.store.lens.versions import LINK
from tests.support.factors import add_active
from tests.support.feeds import ITEM, NOON, enter
from tests.support.klines import bars, put
from tests.support.settled import make_home, settle, settled_at, weekdays

DOCUMENT = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
QUERIES = re.findall(r"(?<=\n\n)([^\n]*):\n\n```sql\n(.*?)```\n\nColumns: ([^\n]*)", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home: 25 sessions, one corrected, external signals, a claim and an active factor."""
    made = make_home(tmp_path_factory.mktemp("lens") / "home")
    for session in weekdays(25):
        settle(made, session)
    settle(made, weekdays(2)[1], seed=1)
    add_active(made, "alpha", weekdays(5))
    source = enter(made, "feed", "https://feed.example")
    with made.ledger.write() as db:
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([ITEM, ITEM | {"id": 2}]))
        strategy = require_strategy(db, "strategy-00001")
        strategy.status = StrategyStatus.ACTIVE
        records = write_records((day, 100.0 + n % 7) for n, day in enumerate(weekdays(20)))
        upload_claimed(db, strategy, records, 20, settled_at(weekdays(21)[-1]), "operator")
    touched = (94_000.0, 97_000.0, 94_000.0, 97_000.0)
    put(made, bars((94_300.0, 94_400.0, 94_300.0, 94_400.0), touched))
    judge_signals(made, NOON)
    publish(made)
    return made.path


@pytest.fixture
def db(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the lens of `home`."""
    with open_lens(home) as lens, lens.use() as connection:
        yield connection


def test_every_query_of_the_document_is_tested() -> None:
    assert len(QUERIES) == DOCUMENT.count("```sql") == 19


@pytest.mark.parametrize(("sql", "columns"), [pytest.param(sql, names, id=title) for title, sql, names in QUERIES])
def test_a_query_of_the_document_returns_its_columns_and_rows(
    db: duckdb.DuckDBPyConnection, sql: str, columns: str
) -> None:
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
