"""Prefect login: the words that open a home's Prefect server, `operator:` and a secret, in its file `keys/prefect`.

They let their holder run any code as this home's user, so the file is for its owner alone.
"""

import secrets
from pathlib import Path

from countersign.models.errors import StoreError
from countersign.store.files import storage_errors, write_once

FILE = "prefect"
USER = "operator"


def ensure_login(home: Path) -> str:
    """Return the words, `operator:<64 hex digits>`; make them where there are none yet.

    Of two processes that make them at once, both return those that stay. StoreError if other people can read them.
    """
    path = home / "keys" / FILE
    if not path.exists():
        with storage_errors(path.parent):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, f"{USER}:{secrets.token_hex(32)}\n".encode(), mode=0o600)
    return read_login(home)


def read_login(home: Path) -> str:
    """Return the words that are there. StoreError if there are none, or other people can read them."""
    path = home / "keys" / FILE
    with storage_errors(path):
        if path.stat().st_mode & 0o077:
            raise StoreError(f"{path}: expected a file for its owner alone (mode 600)")
        words = path.read_text(encoding="ascii", errors="replace").strip()
    user, _, secret = words.partition(":")
    if not user or len(secret) < 32 or any(mark.isspace() for mark in words):
        raise StoreError(f"{path}: expected a name, a colon and a secret; remove it, and the next start makes another")
    return words
