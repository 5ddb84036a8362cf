"""The stream of signals, without storing and sending it: places of readers, filters and pages of events.

External signals and our own come out of two sequences of the ledger, which grow independently. So a reader's place is
one in each of them: it means the same in every process that serves the stream and after every restart, in whichever
order a process came upon the two.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from countersign.models.errors import InputError

Kind = Literal["external", "own"]
_PATTERN = re.compile(r"e(\d{1,18})-s(\d{1,18})\.(\d{1,18})\.(\d{1,18})", re.ASCII)


class Cursor(NamedTuple):
    """A place in the stream: everything up to it has been read.

    `external` is the id of an external signal. The other three are of our own signals: a settlement's id, and within it
    the id of a strategy and the number of its event, from 1; (s, 0, 0) is the place before settlement s.
    """

    external: int = 0
    settlement: int = 0
    strategy: int = 0
    n: int = 0

    def __str__(self) -> str:
        """Write the place as the id of an event."""
        return f"e{self.external}-s{self.settlement}.{self.strategy}.{self.n}"

    @property
    def own(self) -> tuple[int, int, int]:
        """The place in the sequence of our own signals."""
        return self[1:]

    def covers(self, other: "Cursor") -> bool:
        """Whether this place is not behind `other` in either sequence. Two places may be each ahead in one."""
        return self.external >= other.external and self.own >= other.own


def parse_cursor(text: str) -> Cursor:
    """Read the id of an event. InputError for an id that no stream of ours gives."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise InputError("Last-Event-ID", "the id of an event of this stream, such as e1042-s17.3.1")
    return Cursor(*map(int, found.groups()))


class StreamEvent(NamedTuple):
    """A signal as it is sent: `data` is the whole event in bytes; the other fields are for filters."""

    kind: Kind
    source: str
    coin: str | None
    exchange: str | None
    data: bytes


class Filter(NamedTuple):
    """Filter of a reader's events; None leaves a part out. Events of our own have no coin and no exchange."""

    kind: str | None = None
    source: str | None = None
    coin: str | None = None
    exchange: str | None = None

    def wants(self, event: StreamEvent) -> bool:
        """Whether an event passes the filter."""
        return all(asked is None or asked == given for asked, given in zip(self, event, strict=False))


@dataclass(frozen=True)
class Page:
    """Events that follow one another, and the place after them; `more` may be there already."""

    events: tuple[StreamEvent, ...]
    through: Cursor
    more: bool
    _chunks: dict[Filter, bytes] = field(default_factory=dict)

    def chunk(self, wanted: Filter) -> bytes:
        """Return the events that a filter passes, as bytes: the same object for all who ask with it."""
        if wanted not in self._chunks:
            self._chunks[wanted] = b"".join(event.data for event in self.events if wanted.wants(event))
        return self._chunks[wanted]
