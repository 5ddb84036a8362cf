"""Timestamps: fetches tokens for the journal's commits from the authorities; the sealer then puts them in the journal.

No Prefect in here: the stand-alone sealer uses it too.
"""

from datetime import datetime

import httpx
import sqlalchemy as sa
from sqlmodel import col, select

from countersign.domain.attestation.records import authority_name
from countersign.models.errors import SourceError
from countersign.models.tables.attestation import TIMESTAMPS, JournalCommit, Timestamp
from countersign.services.notifications.notifications import notify, resolve
from countersign.sources.timestamps import StampedToken, request_token
from countersign.store.home import Home

# So that an authority that was away for long does not hold up the newest commits.
COMMITS_PER_ROUND = 50
KIND = "timestamp authority"


def stamp_pending(home: Home, now: datetime, client: httpx.Client | None = None) -> int:
    """Fetch the missing tokens, newest commits first; return how many came. Safe to repeat.

    An authority that fails is left alone for the rest of the round, and the operator is notified; nothing waits for it.
    Commits that only hold tokens are not stamped: there would be no end to it.
    """
    came = 0
    with client or httpx.Client() as used:
        for url in home.timestamp_authorities:
            authority = authority_name(url)
            missing = missing_tokens(home, authority)
            if not missing:
                continue
            failure = None
            try:
                for sha in missing:
                    token = request_token(used, url, home.journal.git("cat-file", "commit", sha))
                    came += _keep(home, sha, authority, token)
            except SourceError as error:
                failure = str(error)
            _notify(home, authority, failure, now)
    return came


def missing_tokens(home: Home, authority: str) -> list[str]:
    """List commits without a token of this authority, newest first, as many as one round takes."""
    stamped = sa.select(col(Timestamp.commit_sha)).where(col(Timestamp.authority) == authority)
    with home.ledger.read() as db:
        query = select(JournalCommit.sha).where(
            JournalCommit.kind != TIMESTAMPS, col(JournalCommit.sha).not_in(stamped)
        )
        return list(db.exec(query.order_by(col(JournalCommit.committed_at).desc()).limit(COMMITS_PER_ROUND)))


def _keep(home: Home, sha: str, authority: str, token: StampedToken) -> bool:
    """Keep a token, unless another run was quicker."""
    ours = (Timestamp.commit_sha == sha, Timestamp.authority == authority)
    with home.ledger.write() as db:
        if db.exec(select(Timestamp.id).where(*ours)).first() is not None:
            return False
        db.add(Timestamp(commit_sha=sha, authority=authority, stamped_at=token.stamped_at, token=token.response))
    return True


def _notify(home: Home, authority: str, failure: str | None, now: datetime) -> None:
    key = f"{KIND} {authority}"
    with home.ledger.write() as db:
        if failure:
            notify(db, key, KIND, failure, now)
        else:
            resolve(db, key, now)
