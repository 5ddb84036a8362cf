"""The secrets that sign tokens: the newest signs, older ones still verify their tokens.

They are in the home's file `keys/jwt`, one a line, newest first, for its owner alone. An operator with more than one
machine hands the same ones to each by the setting `jwt_secret`.
"""

import hashlib
import secrets
from pathlib import Path

from countersign.models.errors import InputError, StoreError
from countersign.store.files import write_atomically

FILE = "jwt"
MIN_LENGTH = 32
# Rotated twice within a week, the oldest may still have signed a refresh token that is good.
KEPT = 8


def ensure_secrets(home: Path) -> None:
    """Make the first secret of a home; one that is there is kept."""
    if not _path(home).exists():
        _write(home, [secrets.token_hex(32)])


def rotate_secrets(home: Path) -> list[str]:
    """Sign with a new secret from now on; tokens of older ones stay good until they expire. Return all secrets.

    The oldest beyond eight is dropped, and its tokens are good no longer.
    """
    found = [secrets.token_hex(32), *read_secrets(home)][:KEPT]
    _write(home, found)
    return found


def read_secrets(home: Path) -> list[str]:
    """Return the home's secrets, newest first. StoreError if there are none, or other people can read them."""
    path = _path(home)
    try:
        if path.stat().st_mode & 0o077:
            raise StoreError(f"{path}: expected a file for its owner alone (mode 600)")
        found = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: expected the secrets that sign tokens ({error}); run `countersign init`") from error
    if not found:
        raise StoreError(f"{path}: expected a secret a line, got an empty file; remove it and run `countersign init`")
    return found


def changed_at(home: Path) -> int:
    """Return the time when the secrets were last changed, in the file system's count; 0 while there are none."""
    try:
        return _path(home).stat().st_mtime_ns
    except OSError:
        return 0


def parse_secrets(given: str) -> list[str]:
    """Read the setting: secrets separated by commas, newest first."""
    found = [part.strip() for part in given.split(",")]
    if not all(len(secret) >= MIN_LENGTH for secret in found):
        raise InputError("setting jwt_secret", f"secrets of at least {MIN_LENGTH} characters, separated by commas")
    return found


def name_secret(secret: str) -> str:
    """Name a secret without disclosing any of it: the `kid` of the tokens that it signs."""
    return hashlib.sha256(b"countersign/kid/v1\n" + secret.encode()).hexdigest()[:12]


def _path(home: Path) -> Path:
    return home / "keys" / FILE


def _write(home: Path, lines: list[str]) -> None:
    path = _path(home)
    write_atomically(path, ("\n".join(lines) + "\n").encode(), mode=0o600)
