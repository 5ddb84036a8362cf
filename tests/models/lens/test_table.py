"""Tables of the lens: the frames that fill them have their types."""

import duckdb
import polars as pl
import pytest

from countersign.models.lens.table import FRAME_TYPES, MONEY, SYMBOL, LensTable


@pytest.mark.parametrize("sql_type", FRAME_TYPES)
def test_duckdb_takes_a_column_for_the_sql_type_of_its_declaration(sql_type: str) -> None:
    table = LensTable("any", "Any table", {"column": (sql_type, "any column")})
    with duckdb.connect() as db:
        db.register("frame", pl.DataFrame({"column": [None]}, schema=table.frame_schema()).to_arrow())
        described = db.execute("SELECT column_name, column_type FROM (DESCRIBE FROM frame)").fetchall()
    assert described == [("column", sql_type)]


def test_a_column_that_duckdb_converts_has_the_type_it_is_given() -> None:
    table = LensTable("any", "Any table", {"symbol": SYMBOL, "capital": (MONEY, "CNY")})
    assert table.frame_schema(capital=pl.Int64()) == {"symbol": pl.String(), "capital": pl.Int64()}
