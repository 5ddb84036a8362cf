"""The error tree. Foreign errors are wrapped at the seam where they enter; a message says what was expected and got.

    CountersignError
    ├── InputError          bad input; names the field (command line: exit 2, HTTP: 422)
    │   └── RowError        one row of a table is wrong; names the row, too
    ├── MissingError        nothing of that name is there, or the asker may not see it (HTTP: 404)
    ├── HorizonError        a date past the last one the exchange calendar knows
    ├── RefusedError        well-formed, but not allowed: the deadline passed, the strategy is retired (HTTP: 400)
    ├── ConflictError       the same name or key already holds something else; nothing was changed
    ├── HeldError           settlement waits: the quality gate or an earlier session holds it
    ├── LeaseError          another live run holds the lease
    ├── StoreError          our own bytes at rest are missing, altered, or cannot be written
    └── SourceError         somebody else's service failed
        ├── SourceBusy      worth trying again later (carries retry_after_seconds)
        └── SourceRefused   trying again will not help: a bad key, a bad request, an answer that makes no sense

An expected outcome (no signal today, nothing to settle) is data, never one of these.
"""


class CountersignError(Exception):
    """Root of every error that Countersign raises on purpose."""


class InputError(CountersignError):
    """Bad input. `field` is the name the caller used; the message says what was expected and what came.

    A caller that knows more of the place, such as file and line, sets `where`, which replaces the field in the message.
    """

    def __init__(self, field: str, expected: str, got: object = None, *, where: str | None = None) -> None:
        self.field = field
        self.expected = expected
        self.got = got
        self.where = where or field
        super().__init__(f"{self.where}: expected {expected}" + ("" if got is None else f", got {got}"))


class RowError(InputError):
    """Bad input in `row` of a table, counted from 1; `value` came there, and `more` other rows have the same fault."""

    def __init__(self, field: str, expected: str, value: str, row: int, more: int = 0) -> None:
        self.row = row
        self.value = value
        self.more = more
        super().__init__(field, expected, f"{value} in row {row}{self.others}")

    @property
    def others(self) -> str:
        """Say how many other rows have the fault."""
        return f" (and in {self.more} more)" if self.more else ""


class MissingError(CountersignError):
    """Nothing of that name is there, or it is somebody else's. `what` is the kind of thing that was asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")


class HorizonError(CountersignError):
    """A date past the exchange calendar's horizon; extend it in calendar_overrides.toml."""


class RefusedError(CountersignError):
    """A request that makes sense but is not allowed in the present state; the message says which state."""


class ConflictError(CountersignError):
    """The same key already holds something different."""


class HeldError(CountersignError):
    """A session cannot be settled yet; the message names the session and the reason."""


class LeaseError(CountersignError):
    """Another live run holds the lease; the message names it."""


class StoreError(CountersignError):
    """Bytes of ours are missing, altered, or could not be written."""


class SourceError(CountersignError):
    """A foreign service failed."""


class SourceBusy(SourceError):  # noqa: N818 - a state of the source, as HTTP names it
    """The service is out of reach or asks us to wait; try again after `retry_after_seconds` (None: as you like)."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class SourceRefused(SourceError):  # noqa: N818 - see above
    """The service will go on refusing this request; an operator has to look."""
