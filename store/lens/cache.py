"""Cache: values made from one published version, kept for as long as that version is the published one."""

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class Cache(Generic[T]):
    """Keeps values of one version, for any number of threads; the least recently used go first.

    `size` says how many bytes one of them takes. One that takes more than all may is not kept.
    """

    def __init__(self, max_bytes: int, size: Callable[[T], int]) -> None:
        self._lock = threading.Lock()
        self._version: Hashable = None
        self._held = LRUCache[Hashable, T](max_bytes, size)
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, version: Hashable, key: Hashable, make: Callable[[], T]) -> T:
        """Return the kept value, or make and keep it: once, however many ask for it meanwhile."""
        found = self.find(version, key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault((version, key), threading.Lock())
        try:
            with making:
                found = self.find(version, key)
                if found is None:
                    found = make()
                    self.keep(version, key, found)
        finally:
            with self._lock:
                self._making.pop((version, key), None)
        return found

    def find(self, version: Hashable, key: Hashable) -> T | None:
        """Return the value kept under this key for this version; values of another version are dropped."""
        with self._lock:
            if version != self._version:
                self._version = version
                self._held.clear()
            return self._held.get(key)

    def keep(self, version: Hashable, key: Hashable, made: T) -> None:
        """Keep a value, unless another version has been asked for meanwhile."""
        with self._lock:
            if version == self._version:
                with suppress(ValueError):  # larger than all may be
                    self._held[key] = made
