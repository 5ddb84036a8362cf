"""A counter in the ledger, read and then written."""

from sqlmodel import Session

from countersign.models.tables.operations import HomeFact
from countersign.store.ledger.ledger import Ledger


def add_one(ledger: Ledger) -> None:
    """Read the counter, and write it one higher."""
    with ledger.write() as db:
        fact = db.get(HomeFact, "count") or HomeFact(key="count", value="0")
        fact.value = str(int(fact.value) + 1)
        db.add(fact)


def count(ledger: Ledger, db: Session | None = None) -> int:
    """Read the counter."""
    if db is None:
        with ledger.read() as own:
            return count(ledger, own)
    fact = db.get(HomeFact, "count", populate_existing=True)
    return int(fact.value) if fact else 0


def add_many(url: str, times: int) -> None:
    """Count on, in a process of its own."""
    for _ in range(times):
        add_one(Ledger(url))


def migrate(url: str) -> None:
    """Migrate, in a process of its own."""
    Ledger(url).migrate()
