"""Git's formats as functions on bytes: folders (trees), signed commits, packs that hold objects. No repository here.

Formats: gitformat-pack(5), and the "Git Objects" chapter of Pro Git. SHA-1 object names.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

COMMIT, TREE, BLOB = "commit", "tree", "blob"
FILE, FOLDER = b"100644", b"40000"
_PACK_TYPES = {COMMIT: 1, TREE: 2, BLOB: 3}


class Entry(NamedTuple):
    """What a name in a folder stands for: a file or another folder, and the object's name (20 bytes)."""

    mode: bytes
    oid: bytes


Tree = dict[bytes, Entry]


class Objects:
    """New objects on their way into one pack; the same object twice counts once."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[str, bytes]] = {}

    def add(self, kind: str, content: bytes) -> bytes:
        """Add an object; return its name."""
        oid = object_id(kind, content)
        self._found[oid] = (kind, content)
        return oid

    def pack(self) -> bytes:
        """Return them as a pack: compressed one by one, whole (git's own repacking finds the deltas later)."""
        return _pack(self._found.values())


def object_id(kind: str, content: bytes) -> bytes:
    """Return an object's name, 20 bytes."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).digest()


def read_tree(content: bytes) -> Tree:
    """Read a folder: name to entry."""
    tree, start = Tree(), 0
    while start < len(content):
        space = content.index(b" ", start)
        end = content.index(b"\0", space)
        tree[content[space + 1 : end]] = Entry(content[start:space], content[end + 1 : end + 21])
        start = end + 21
    return tree


def write_tree(tree: Tree) -> bytes:
    """Write a folder; folders sort as if their names ended in a slash."""
    names = sorted(tree, key=lambda name: name + b"/" if tree[name].mode == FOLDER else name)
    return b"".join(tree[name].mode + b" " + name + b"\0" + tree[name].oid for name in names)


def signed_commit(
    tree: bytes, parent: str | None, author: str, time: datetime, message: str, sign: Callable[[bytes], str]
) -> bytes:
    """Write a commit; `sign` turns the unsigned bytes into an armoured signature, which goes into the header."""
    who = f"{author} {int(time.timestamp())} +0000"
    head = f"tree {tree.hex()}\n" + (f"parent {parent}\n" if parent else "") + f"author {who}\ncommitter {who}\n"
    body = f"\n{message}\n"
    signature = sign((head + body).encode()).rstrip("\n").replace("\n", "\n ")
    return f"{head}gpgsig {signature}\n{body}".encode()


def _pack(objects: Collection[tuple[str, bytes]]) -> bytes:
    parts = [b"PACK" + struct.pack(">II", 2, len(objects))]
    for kind, content in objects:
        size = len(content)
        byte, size = (_PACK_TYPES[kind] << 4) | (size & 15), size >> 4
        header = bytearray()
        while size:
            header.append(byte | 0x80)
            byte, size = size & 0x7F, size >> 7
        header.append(byte)
        parts += (bytes(header), zlib.compress(content, 1))
    whole = b"".join(parts)
    return whole + hashlib.sha1(whole, usedforsecurity=False).digest()
