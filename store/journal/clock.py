"""The journal's clock as the repository says it: one for life, and no home with another one may write to it."""

from typing import Protocol

from countersign.domain.attestation.fields import read_fields
from countersign.domain.attestation.record_reader import read_clock
from countersign.domain.attestation.records import CLOCK, SEALS, SETTLEMENTS
from countersign.models.errors import ConflictError
from countersign.store.journal.git_commands import MISSING, read_batch

WORDS = {True: "simulated", False: "system"}


class Repository(Protocol):
    """Repository of a journal, as far as it is needed here."""

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run git on the repository; return its output."""
        ...


def journal_clock(journal: Repository, head: str) -> bool | None:
    """Return whether the journal's clock is a simulated one; None if it is not recorded.

    `clock.json` says it, or in a journal older than that file a record of the first commit.
    """
    ((kind, content),) = read_batch(journal.git("cat-file", "--batch", given=f"{head}:{CLOCK}\n".encode()))
    if kind != MISSING:
        return read_clock(CLOCK, content)
    first = journal.git("rev-list", "--max-parents=0", head).decode().split()[0]
    paths = journal.git("ls-tree", "-r", "-z", "--name-only", first, SEALS, SETTLEMENTS).decode().split("\0")
    if not paths[0]:
        return None
    return bool(read_fields(journal.git("cat-file", "blob", f"{first}:{paths[0]}"))["simulated"])


def require_clock(journal: Repository, head: str, *, simulated: bool) -> None:
    """Refuse a clock that is not the journal's; ConflictError."""
    found = journal_clock(journal, head)
    if found not in {None, simulated}:
        raise ConflictError(
            f"clock_mixed: the journal has the {WORDS[not simulated]} clock for life, and refuses records of the"
            f" {WORDS[simulated]} one"
        )
