"""Migrations of a ledger that is in use: rows that point at one another stand in no migration's way."""

from datetime import UTC, datetime

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from countersign.store.ledger.ledger import MIGRATIONS, Ledger


def test_an_address_with_letters_on_their_way_is_migrated(empty_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = empty_url
    command.upgrade(config, "0012")
    ledger = Ledger(empty_url)
    with ledger.engine.begin() as connection:
        for row in (
            "address (id, url, created_at, failures) VALUES (1, 'https://example.com', :now, 0)",
            "notification (id, key, kind, text, created_at) VALUES (1, 'k', 'k', 't', :now)",
            "delivery (notification_id, address_id, queued_at) VALUES (1, 1, :now)",
        ):
            connection.execute(text(f"INSERT INTO {row}"), {"now": datetime(2025, 1, 2, tzinfo=UTC)})
    ledger.migrate()
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT address_id FROM delivery")).scalars().all() == [1]
