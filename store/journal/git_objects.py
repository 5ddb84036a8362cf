"""Git's objects as functions on bytes: their names, folders (trees), signed commits. No repository here.

Formats: the "Git Objects" chapter of Pro Git. SHA-1 object names.
"""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

COMMIT, TREE, BLOB = "commit", "tree", "blob"
FILE, FOLDER = b"100644", b"40000"
MODES = rb"(100644|40000|100755|120000|160000)"
ENTRIES = {length: re.compile(MODES + rb" ([^\0/]+)\0(?s:.{%d})" % length) for length in (20, 32)}
UNNAMEABLE = frozenset({b".", b"..", b".git"})


class Entry(NamedTuple):
    """Entry of a folder: the mode of a file or of another folder, and the object's name (20 bytes)."""

    mode: bytes
    oid: bytes


Tree = dict[bytes, Entry]


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


def tree_fault(content: bytes, oid_length: int = 20) -> str:
    """Name the fault of a folder that git would not have written, "" for none; `git fsck` looks for the same.

    Git reads on over names that are there twice or in another order, or modes written otherwise, and its commands
    differ in the one that they show.
    """
    entries = ENTRIES[oid_length].findall(content)
    if sum(len(mode) + len(name) for mode, name in entries) + (oid_length + 2) * len(entries) != len(content):
        return "entries that are none of git's"
    names = [name + b"/" if mode == FOLDER else name for mode, name in entries]
    if len({name for _, name in entries}) != len(entries):
        return "a name is there twice"
    if sorted(names) != names:
        return "names that are not in git's order"
    dotted = names[bisect_left(names, b".") : bisect_left(names, b"/")]
    unnameable = any(name.rstrip(b"/").lower() in UNNAMEABLE for name in dotted)
    return "a name that no folder may have" if unnameable else ""


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
