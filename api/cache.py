"""Cache: bodies of public answers, as bytes, for as long as the lens they were read from is the published one."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

MAX_BYTES = 64 * 1024 * 1024


class Cache:
    """Keeps the answers of one version of the lens; the least recently used go first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._version: str | None = None
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0

    def find(self, version: str, key: Hashable) -> bytes | None:
        """Return what is kept under this key for this version of the lens."""
        with self._lock:
            if version != self._version:
                self._version, self._bytes = version, 0
                self._held.clear()
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def keep(self, version: str, key: Hashable, body: bytes) -> None:
        """Keep an answer, unless the lens has been published anew meanwhile."""
        with self._lock:
            if version == self._version and key not in self._held:
                self._held[key] = body
                self._bytes += len(body)
                while self._bytes > self._max_bytes:
                    self._bytes -= len(self._held.popitem(last=False)[1])
