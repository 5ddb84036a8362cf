"""Half-open connections: a request is not complete, or an answer is not read.

They are bounded by address and altogether.

Where there is one too many, the one that has waited longest gives way: a request that comes at once is served, however
many others wait, from its own address too.
"""

from collections import OrderedDict
from typing import Protocol

MOST_OF_AN_ADDRESS = 256
MOST = 2_048


class Connection(Protocol):
    """A connection that can be ended."""

    def make_room(self) -> None:
        """End it."""


class HalfOpen:
    """The half-open connections of a server, oldest first."""

    def __init__(self, of_an_address: int = MOST_OF_AN_ADDRESS, altogether: int = MOST) -> None:
        self._of_an_address, self._altogether = of_an_address, altogether
        self._all: OrderedDict[Connection, str | None] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Connection, None]] = {}

    def add(self, connection: Connection, address: str | None) -> None:
        """Count a connection, once; `address` None: not by address, as a proxy's."""
        if connection in self._all:
            return
        self._all[connection] = address
        if address is not None:
            theirs = self._by_address.setdefault(address, OrderedDict())
            theirs[connection] = None
            if len(theirs) > self._of_an_address:
                self._end(next(iter(theirs)))
        if len(self._all) > self._altogether:
            self._end(next(iter(self._all)))

    def discard(self, connection: Connection) -> None:
        """Count it no longer."""
        address = self._all.pop(connection, None)
        theirs = self._by_address.get(address) if address is not None else None
        if theirs is not None:
            theirs.pop(connection, None)
            if not theirs:
                del self._by_address[address or ""]

    def _end(self, connection: Connection) -> None:
        self.discard(connection)
        connection.make_room()
