"""Facts about the home itself, as the ledger keeps them: a few texts, each under a name."""

from sqlmodel import Session

from countersign.models.tables.operations import HomeFact

# The journal's newest commit, as the sealer left it.
JOURNAL_HEAD = "journal_head"
# The same commit, and the kind of clock that its journal has for life.
JOURNAL_CLOCK = "journal_clock"
# The remote's newest commit, as a push or a look left it.
REMOTE_HEAD = "remote_head"
# A commit of ours that the remote has and the journal does not: it is older than its remote.
REMOTE_AHEAD = "remote_ahead"
# Digest ("" until it was taken), identity and contents of the lens's newest versions, as JSON.
LENS_DIGESTS = "lens_digests"
# Time of the sealer's last round, by the wall clock.
SEALER_SEEN = "sealer_seen"


def read_fact(db: Session, key: str) -> str | None:
    """Return a fact, None while there is none."""
    found = db.get(HomeFact, key)
    return found.value if found else None


def keep_fact(db: Session, key: str, value: str | None) -> None:
    """Put a fact in place of the one before; None takes it away."""
    found = db.get(HomeFact, key)
    if value is None:
        if found is not None:
            db.delete(found)
        return
    row = found or HomeFact(key=key, value=value)
    row.value = value
    db.add(row)
