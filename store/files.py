"""Files that are there whole or not at all: written under a temporary name, flushed to disk, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countersign.models.errors import StoreError


def write_atomically(
    path: Path, content: bytes, *, temporary_folder: Path | None = None, durable: bool = True, mode: int = 0o666
) -> None:
    """Put `content` at `path`, replacing the file there. A crash leaves the old file or the new one, never a part.

    `temporary_folder` (same file system; default: beside the file) keeps left-overs away from folders that are scanned.
    `mode`, less the process's umask, holds from the first byte on.
    """
    folder = temporary_folder or path.parent
    temporary = folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def write_once(path: Path, content: bytes, *, mode: int = 0o666) -> bool:
    """Put `content` at `path` unless a file is there; return whether it did. Of several at once, one does."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    write_atomically(temporary, content, mode=mode)
    with storage_errors(path):
        try:
            os.link(temporary, path)
            sync_folder(path.parent)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals (disk full, read-only, not permitted) into StoreError with the path."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
