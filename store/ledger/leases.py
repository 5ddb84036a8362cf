"""Leases: the right to do one piece of work, held in the ledger by one live process at a time.

Prefect's own limits cannot be that lock (a killed run holds its slot for minutes, or for ever). A lease expires by
itself, is renewed while its holder works, and a holder on this machine that is dead loses it at once. So does a holder
within this process that works no more: one that could not give its lease back while the ledger was away.
"""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from countersign.models.errors import LeaseError, StoreError
from countersign.models.tables.operations import Lease
from countersign.store.clock import wall_clock
from countersign.store.ledger.ledger import Ledger
from countersign.store.processes import ProcessIdentity

LIFETIME = timedelta(seconds=90)
RENEWAL_SECONDS = 20.0

_log = logging.getLogger("lease")
# The holders of this process that are at work.
_working: set[str] = set()


@contextmanager
def lease(ledger: Ledger, name: str) -> Iterator[None]:
    """Hold the lease `name` for the block. LeaseError, naming the holder, if another live process or thread has it."""
    me = ProcessIdentity.current()
    holder = f"{me.host}:{me.pid}:{me.created}:{secrets.token_hex(4)}"
    # Before the ledger names it: another thread may look there at any time.
    _working.add(holder)
    try:
        _acquire(ledger, name, holder)
        done = threading.Event()
        keeper = threading.Thread(target=_keep, args=(ledger, name, holder, done), name=f"lease {name}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()
            _release(ledger, name, holder)
    finally:
        _working.discard(holder)


def is_held(ledger: Ledger, name: str) -> bool:
    """Whether a live process holds the lease `name` now: a moment's answer, nothing to start work upon."""
    with ledger.read() as db:
        found = db.get(Lease, name)
    return found is not None and found.expires_at > wall_clock() and holder_lives(found.holder)


def holder_lives(holder: str) -> bool:
    """Whether a lease's holder may be at work; of a process on another machine that cannot be seen from here."""
    owner = _identity(holder)
    if not owner.here:
        return True
    process = owner.process()
    return process is not None and (process.pid != os.getpid() or holder in _working)


def holder_is_here(holder: str) -> bool:
    """Whether a lease's holder is a process of this machine, of which `holder_lives` is certain."""
    return _identity(holder).here


def _acquire(ledger: Ledger, name: str, holder: str) -> None:
    now = wall_clock()
    with ledger.write() as db:
        found = db.get(Lease, name)
        if found and found.expires_at > now:
            owner = _identity(found.holder)
            if holder_lives(found.holder):
                raise LeaseError(
                    f"{name}: held by process {owner.pid} on {owner.host} since {found.acquired_at:%F %T} UTC"
                )
        row = found or Lease(name=name, holder=holder, acquired_at=now, expires_at=now)
        row.holder, row.acquired_at, row.expires_at = holder, now, now + LIFETIME
        db.add(row)


def _keep(ledger: Ledger, name: str, holder: str, done: threading.Event) -> None:
    while not done.wait(RENEWAL_SECONDS):
        try:
            with ledger.write() as db:
                found = db.get(Lease, name)
                if found is None or found.holder != holder:
                    return
                found.expires_at = wall_clock() + LIFETIME
                db.add(found)
        except StoreError:
            continue  # the ledger is busy or away; the lease has lifetime left, and the next round tries again


def _release(ledger: Ledger, name: str, holder: str) -> None:
    try:
        with ledger.write() as db:
            found = db.get(Lease, name)
            if found and found.holder == holder:
                db.delete(found)
    except StoreError as error:
        # The next holder of this process takes it at once; why the work ended is the more important news.
        _log.warning("%s: the lease could not be given back: %s", name, error)


def _identity(holder: str) -> ProcessIdentity:
    host, pid, created, _ = holder.rsplit(":", 3)
    return ProcessIdentity(host, int(pid), float(created))
