"""A full disk: writes get 503 and leave nothing; reads are answered."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from sqlmodel import col, select

from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.store.home import Home
from tests.support.serving import SIGNAL, open_one


@contextmanager
def full_disk() -> Iterator[None]:
    """Let the system take not one more byte of any file from this process, in which the api runs too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python has no ear for SIGXFSZ: writing fails, as it does on a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def kept(home: Home) -> list[tuple[object, ...]]:
    with home.ledger.read() as db:
        signals = [(row.revision, row.portfolio) for row in db.exec(select(Signal).order_by(col(Signal.id)))]
        return [(row.slug, row.status) for row in db.exec(select(Strategy))] + signals


def test_a_submission_while_the_disk_is_full_is_kept_whole_or_not_at_all(
    desk: Home, web: httpx.Client, me: dict[str, str]
) -> None:
    open_one(web, me)
    for revision, signals in ((1, SIGNAL), (2, SIGNAL[:1])):
        before, body = kept(desk), {"trade_date": "2025-01-02", "signals": signals}
        beta = {"name": "beta", "slug": "beta"}
        with full_disk():
            sent = [("/strategies/alpha/signals", body), ("/strategies", beta), ("/strategies/alpha/signals", body)]
            answers = [web.post(path, json=each, headers=me) for path, each in sent]
            shown = web.get("/strategies/alpha/signals", headers=me)
        for refused in answers:
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json() == {"detail": "the platform's store does not answer; try again"}
        assert (shown.status_code, len(shown.json()["signals"])) == (200, revision - 1)
        assert kept(desk) == before
        taken = web.post("/strategies/alpha/signals", json=body, headers=me)
        assert (taken.status_code, taken.json()["revision"]) == (201, revision)
    assert kept(desk) == [("alpha", "active"), (1, "000001.SZ=0.25 600519.SH=0.5"), (2, "600519.SH=0.5")]
