"""Accounts: no two have nicknames that look the same or e-mails that differ in case, however they come to them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from countersign.models.errors import ConflictError
from countersign.models.tables.accounts import UNCLAIMED, ApiKey, User
from countersign.models.tables.operations import AuditEntry, Notification
from countersign.services.accounts.accounts import change_profile, find_user, hash_key
from countersign.services.strategies.lifecycle import ensure_user
from countersign.store.ledger.ledger import MIGRATIONS, Ledger
from tests.support.homes import Databases, disposed
from tests.support.waiting import wait_until

NOW = datetime(2025, 1, 2, tzinfo=UTC)
SAME = (
    ("nickname", ("Straße", "STRASSE", "strasse", "ＳＴＲＡＳＳＥ")),
    ("email", ("ann@example.com", "ANN@example.com", "Ann@Example.com", "ann@EXAMPLE.com")),
)


def open_accounts(ledger: Ledger, count: int) -> list[int]:
    with ledger.write() as db:
        users = [User(nickname=f"user_{n}", created_at=NOW) for n in range(count)]
        db.add_all(users)
        db.flush()
        return [user.id for user in users]


@pytest.mark.parametrize(("field", "values"), SAME)
def test_of_many_at_once_one_gets_the_name(ledger_url: str, field: str, values: tuple[str, ...]) -> None:
    ledger = Ledger(ledger_url)
    users = open_accounts(ledger, 4)

    def take(user_id: int, value: str) -> str:
        try:
            with ledger.write() as db:
                change_profile(db, user_id, **{field: value})  # type: ignore[arg-type]
        except ConflictError as error:
            return str(error)
        return "taken by me"

    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(take, users, values))
    assert said.count("taken by me") == 1
    assert all(words.startswith(f"{field}: ") and words.endswith(" is taken") for words in said[:-1])


@pytest.mark.parametrize(("field", "values"), SAME)
def test_who_looked_before_the_other_was_there_is_refused_by_the_database(
    databases: Databases, field: str, values: tuple[str, ...]
) -> None:
    """Two transactions without the writers' turns: the second looks, finds nothing, writes, and waits for the first."""
    with disposed(databases.ledger("postgresql")) as url:
        ledger = Ledger(url)
        first_id, second_id = open_accounts(ledger, 2)

        def take_too() -> None:
            with Session(ledger.engine) as db:
                change_profile(db, second_id, **{field: values[1]})  # type: ignore[arg-type]
                db.commit()

        def somebody_waits() -> bool:
            with ledger.engine.connect() as connection:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                return bool(connection.execute(text(waiting)).scalar_one())

        with ThreadPoolExecutor(1) as pool, Session(ledger.engine) as db:
            change_profile(db, first_id, **{field: values[0]})  # type: ignore[arg-type]
            later = pool.submit(take_too)
            wait_until(somebody_waits)
            db.commit()
            with pytest.raises(ConflictError, match=f"^{field}: .* is taken$"):
                later.result()
        with ledger.read() as reading:
            found = [getattr(reading.get_one(User, each), field) for each in (first_id, second_id)]
        assert found == [values[0], None if field == "email" else "user_1"]


@pytest.mark.parametrize("field", ["nickname", "email"])
def test_no_writer_gets_around_it(ledger_url: str, field: str) -> None:
    values = dict(SAME)[field]
    ledger = Ledger(ledger_url)
    with pytest.raises(IntegrityError), ledger.write() as db:
        for n, value in enumerate(values[:2]):
            db.add(User(**{"nickname": f"user_{n}", "created_at": NOW} | {field: value}))
    assert open_accounts(ledger, 1)


def test_an_account_is_found_whatever_the_case(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.write() as db:
        ann = ensure_user(db, "Ann", NOW)
        change_profile(db, ann.id, email="Ann@Example.com")
        assert {find_user(db, who).id for who in ("ann", "ＡＮＮ", "ANN@example.com", str(ann.id))} == {ann.id}
        assert ensure_user(db, "ANN", NOW).id == ann.id
        assert change_profile(db, ann.id, nickname="aNN").nickname == "aNN"


def before(url: str) -> Config:
    """Take a ledger back to the version without keys of nicknames."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.downgrade(config, "0014")
    return config


def test_doubles_of_before_are_told_apart_and_told(ledger_url: str) -> None:
    """The oldest keeps its name, and the platform's own account keeps its own; a person loses that one."""
    ledger = Ledger(ledger_url)
    before(ledger_url)
    names = ["Ann", "ann", "user_2", "ＡＮＮ", "Unclaimed", "bo", UNCLAIMED]
    insert = 'INSERT INTO "user" (id, nickname, token_epoch, tier, is_admin, created_at, disabled_at) VALUES '
    with ledger.engine.begin() as connection:
        for n, name in enumerate(names, 1):
            since = NOW if name == UNCLAIMED else None
            row = {"id": n, "name": name, "no": False, "now": NOW, "since": since}
            connection.execute(text(f"{insert} (:id, :name, 0, 'free', :no, :now, :since)"), row)
        connection.execute(
            text(
                "INSERT INTO api_key (id, user_id, name, key_hash, last_four, created_at)"
                " VALUES (1, 2, 'agent', :hash, 'abcd', :now)"
            ),
            {"hash": hash_key("csk_abcd"), "now": NOW},
        )
    ledger.migrate()
    with ledger.read() as db:
        found = db.exec(select(User).order_by(col(User.id))).all()
        assert [user.nickname for user in found] == ["Ann", "user_2x", "user_2", "user_4", "user_5", "bo", UNCLAIMED]
        assert [user.nickname_key for user in found] == [user.nickname.lower() for user in found]
        told = {each.user_id: each.text for each in db.exec(select(Notification))}
        log = [
            (each.actor, each.subject, each.detail) for each in db.exec(select(AuditEntry).order_by(col(AuditEntry.id)))
        ]
        assert db.exec(select(ApiKey.user_id)).all() == [2]
        assert ensure_user(db, UNCLAIMED, NOW).id == 7
    assert told[2] == "your nickname ann is now user_2x: another account has one that looks the same"
    assert set(told) == {2, 4, 5}
    assert [subject for _, subject, _ in log] == ["account:2", "account:4", "account:5"]
    assert {actor for actor, _, _ in log} == {"operator"}
    assert log[1][2] == "ＡＮＮ became user_4: another account has one that looks the same"


@pytest.mark.parametrize("password", [None, "hash"])
def test_nobody_with_a_way_in_goes_on_as_the_platforms_own(ledger_url: str, password: str | None) -> None:
    ledger = Ledger(ledger_url)
    before(ledger_url)
    with ledger.engine.begin() as connection:
        connection.execute(
            text(
                'INSERT INTO "user" (nickname, password_hash, token_epoch, tier, is_admin, created_at, disabled_at)'
                " VALUES (:name, :password, 0, 'free', :no, :now, :since)"
            ),
            {"name": UNCLAIMED, "password": password, "no": False, "now": NOW, "since": NOW if password else None},
        )
    ledger.migrate()
    with ledger.write() as db:
        assert db.get_one(User, 1).nickname == "user_1"
        assert ensure_user(db, UNCLAIMED, NOW).id == 2
