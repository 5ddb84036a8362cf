"""The ledger: guarantees to concurrent writers and readers, and the schemas that it accepts."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel, select

import countersign.models.tables.registry  # noqa: F401 - registers every table
from countersign.models.errors import InputError, StoreError
from countersign.models.tables.operations import AuditEntry, HomeFact
from countersign.store.ledger.ledger import Ledger
from tests.support import processes
from tests.support.counting import add_many, add_one, count, migrate
from tests.support.homes import Databases

TOLD_NOBODY = "hunter2"
NOW = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_threads_that_read_and_then_write_lose_nothing(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(add_one, ledger) for _ in range(40)]:
            future.result()
    assert count(ledger) == 40


def test_processes_that_read_and_then_write_lose_nothing(ledger_url: str) -> None:
    assert processes.join(*(processes.start(add_many, ledger_url, 10) for _ in range(4))) == [0] * 4
    assert count(Ledger(ledger_url)) == 40


def test_the_migrations_make_the_tables_of_the_models(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    ledger.migrate()
    ledger.migrate()
    ledger.require_current_schema()
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_processes_that_migrate_at_once_do_not_meet(empty_url: str) -> None:
    assert processes.join(*(processes.start(migrate, empty_url) for _ in range(2))) == [0, 0]
    Ledger(empty_url).require_current_schema()


def test_a_ledger_without_a_schema_is_refused(empty_url: str) -> None:
    with pytest.raises(StoreError, match="countersign init"):
        Ledger(empty_url).require_current_schema()


def test_looking_at_a_ledger_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.db"):
        Ledger(f"sqlite:///{tmp_path / 'nothing.db'}").require_current_schema()
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_of_a_newer_version_is_refused(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"expected schema .*, got 9999"):
        ledger.require_current_schema()
    with pytest.raises(StoreError, match="got 9999"):
        ledger.migrate()


@pytest.mark.parametrize("url", ["nonsense secret", "oracle+nothing://u:secret@h/d"])
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Ledger(url).require_current_schema()
    assert caught.value.field == "database_url"
    assert "secret" not in str(caught.value)


def test_a_server_out_of_reach_is_a_store_error_without_the_password() -> None:
    ledger = Ledger("postgresql://someone:secret@127.0.0.1:1/ledger?connect_timeout=2")
    for look in (ledger.require_current_schema, lambda: count(ledger), lambda: add_one(ledger), ledger.migrate):
        with pytest.raises(StoreError) as caught:
            look()
        assert "secret" not in f"{caught.value}{ledger!r}"


def test_a_row_that_cannot_be_written_shows_nothing_of_itself(empty_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ledger = Ledger(empty_url)
    ledger.migrate()
    if ledger.engine.dialect.name == "sqlite":
        with ledger.engine.connect() as connection:  # the pool's one connection: the database is full
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full") as caught, ledger.write() as db:
            db.add(HomeFact(key="secret", value=TOLD_NOBODY + " " * 10_000))
            db.flush()
        logging.getLogger("api").error("503", exc_info=caught.value)
    with pytest.raises(StatementError) as wrong, ledger.engine.begin() as connection:
        connection.execute(text("SELECT :value FROM nowhere"), {"value": TOLD_NOBODY})
    logging.getLogger("api").error("500", exc_info=wrong.value)
    assert "SQL parameters hidden" in caplog.text
    assert TOLD_NOBODY not in caplog.text


def test_a_time_comes_back_as_the_same_instant_in_utc(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    shanghai = NOW.astimezone(timezone(timedelta(hours=8)))
    with ledger.write() as db:
        db.add(AuditEntry(at=shanghai, actor="operator", action="b", subject="c"))
    with ledger.read() as db:
        found = db.exec(select(AuditEntry.at)).one()
        assert db.exec(select(AuditEntry.id).where(AuditEntry.at == shanghai)).all()
    assert found == NOW
    assert found.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with pytest.raises(StatementError, match="expected an aware datetime"), ledger.write() as db:
        db.add(AuditEntry(at=NOW.replace(tzinfo=None), actor="operator", action="b", subject="c"))
    with ledger.read() as db:
        assert db.exec(select(AuditEntry)).all() == []


def test_a_reader_sees_one_state_throughout(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.read() as db:
        before = count(ledger, db)
        add_one(ledger)
        assert count(ledger, db) == before
    assert count(ledger) == before + 1


def test_a_readers_writes_are_dropped_and_its_rows_stay_readable(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    add_one(ledger)
    with ledger.read() as db:
        fact = db.exec(select(HomeFact).where(HomeFact.key == "count")).one()
        db.add(HomeFact(key="left", value="behind"))
        db.flush()
    assert fact.value == "1"
    with ledger.read() as db:
        assert db.get(HomeFact, "left") is None


def test_a_transaction_that_fails_leaves_nothing(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)

    def fail() -> None:
        with ledger.write() as db:
            db.add(HomeFact(key="a", value="1"))
            db.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    add_one(ledger)  # and the lock is free
    with ledger.read() as db:
        assert db.get(HomeFact, "a") is None


def test_ledgers_copied_for_tests_are_apart(databases: Databases, ledger_url: str) -> None:
    add_one(Ledger(ledger_url))
    copy = Ledger(databases.copy(ledger_url))
    add_one(copy)
    assert (count(Ledger(ledger_url)), count(copy)) == (1, 2)
    copy.engine.dispose()
