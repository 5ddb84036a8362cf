"""A disk that can be filled: a file system in memory, which is made as small as its content, and large again.

Needs root, and Linux; elsewhere `mounted` gives a plain folder, whose disk is never filled.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# More than the watchdog wants to be free. Only written pages take memory.
SIZE_BYTES = 8 * 1024**3
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Disk:
    """The folder `path`; `real`: whether it is a file system of its own."""

    path: Path
    real: bool

    def fill(self, left_bytes: int) -> bool:
        """Leave room for so many bytes; return whether it was done: more may be written at the same moment."""
        found = os.statvfs(self.path)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        return self._resize(used + left_bytes // PAGE_BYTES * PAGE_BYTES)

    def free(self) -> None:
        """Make room again."""
        assert self._resize(SIZE_BYTES)

    def _resize(self, size: int) -> bool:
        done = subprocess.run(["mount", "-o", f"remount,size={size}", str(self.path)], capture_output=True, check=False)
        return done.returncode == 0


@contextmanager
def mounted(path: Path) -> Iterator[Disk]:
    """Mount a disk for the block, or give a plain folder where that is not allowed."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=700", "soak", str(path)]
    try:
        real = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        real = False
    try:
        yield Disk(path, real)
    finally:
        if real:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
