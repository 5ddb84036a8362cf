"""Packs: new objects on their way into a repository, written down with their index in one go.

Written here and not by `git index-pack`, which unpacks and hashes again the objects that were hashed and packed a
moment ago, in a process of its own. Formats: gitformat-pack(5), pack version 2 and index version 2.
"""

import hashlib
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from countersign.store.files import storage_errors, write_atomically
from countersign.store.journal.git_objects import BLOB, COMMIT, TREE, object_id

_TYPES = {COMMIT: 1, TREE: 2, BLOB: 3}
_LONG = 0x80000000
_MODE = 0o444


class NewObjects:
    """New objects; the same object twice counts once."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[str, bytes]] = {}

    def add(self, kind: str, content: bytes) -> bytes:
        """Add an object; return its name."""
        oid = object_id(kind, content)
        self._found[oid] = (kind, content)
        return oid

    def write(self, repository: Path) -> None:
        """Put them into a repository as one pack; they are on the disk when this returns. StoreError if it refuses.

        The index comes last: git does not see a pack without one, so a crash leaves all of the objects or none.
        """
        packed = [_packed(kind, content) for kind, content in self._found.values()]
        pack = b"".join((b"PACK" + struct.pack(">II", 2, len(packed)), *packed))
        checksum = hashlib.sha1(pack, usedforsecurity=False).digest()
        places = accumulate(map(len, packed), initial=12)  # one more than there are objects: the end
        index = pack_index(
            [(*row,) for row in zip(self._found, map(zlib.crc32, packed), places, strict=False)], checksum
        )
        target = repository / "objects" / "pack" / f"pack-{checksum.hex()}.pack"
        with storage_errors(target):
            write_atomically(target, pack + checksum, mode=_MODE)
            write_atomically(target.with_suffix(".idx"), index, mode=_MODE)


def pack_index(objects: Iterable[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """Write the index of a pack with this checksum: name, CRC-32 (of the packed bytes) and place of each object."""
    rows = sorted(objects)
    names = [name for name, _, _ in rows]
    far = [place for _, _, place in rows if place >= _LONG]
    numbers = iter(range(len(far)))
    parts = [
        b"\xfftOc" + struct.pack(">I", 2),
        _numbers(bisect_left(names, bytes([first + 1])) for first in range(255)),
        _numbers([len(names)]),
        *names,
        _numbers(crc for _, crc, _ in rows),
        _numbers(place if place < _LONG else _LONG | next(numbers) for _, _, place in rows),
        struct.pack(f">{len(far)}Q", *far),
        checksum,
    ]
    whole = b"".join(parts)
    return whole + hashlib.sha1(whole, usedforsecurity=False).digest()


def _numbers(values: Iterable[int]) -> bytes:
    listed: Sequence[int] = list(values)
    return struct.pack(f">{len(listed)}I", *listed)


def _packed(kind: str, content: bytes) -> bytes:
    """Pack an object: compressed, whole (git's own repacking finds the deltas later)."""
    size = len(content)
    byte, rest = (_TYPES[kind] << 4) | (size & 15), size >> 4
    header = bytearray()
    while rest:
        header.append(byte | 0x80)
        byte, rest = rest & 0x7F, rest >> 7
    header.append(byte)
    # A window as large as the content: a whole one takes seven times as long to set up as a seal to compress.
    window = min(15, max(10, size.bit_length()))
    deflate = zlib.compressobj(1, zlib.DEFLATED, window, min(8, window - 6))
    return bytes(header) + deflate.compress(content) + deflate.flush()
