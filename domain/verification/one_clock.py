"""One clock: a journal is of the exchange's time or a rehearsal under a simulated clock, for life. Pure.

Its first commit says which: in `clock.json`, or in journals older than that file by the records of the first commit
that has any. A clock changed midway would allow back-dated signals, since a rehearsal's times are checked less.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, File
from countersign.domain.verification.check_signals import Records

WORDS = {True: "simulated", False: "system"}


def is_simulated(records: Records) -> bool:
    """Return whether a journal's clock is a simulated one; one that says nothing of it has the system's."""
    for simulated, file in records.clock:
        if file.commit == 0:
            return simulated
    first, said = None, set[bool]()
    for simulated, file, *_ in _said(records):
        if first is None or file.commit < first:
            first, said = file.commit, {simulated}
        elif file.commit == first:
            said.add(simulated)
    return said == {True}


def check_clock(records: Records, commits: Sequence[Commit]) -> list[Fault]:
    """Name every record that is of another clock than the journal, and a clock that was declared only later."""
    ours = is_simulated(records)
    faults = [
        Fault(
            FaultKind.CLOCK_MIXED, "the clock was declared after the first commit", commits[file.commit].name, file.path
        )
        for _, file in records.clock
        if file.commit
    ]
    for simulated, file, slug, session in _said(records):
        if simulated is not ours:
            detail = f"of the {WORDS[simulated]} clock; the journal has the {WORDS[ours]} one"
            where = (commits[file.commit].name, file.path, slug, str(session or ""))
            faults.append(Fault(FaultKind.CLOCK_MIXED, detail, *where))
    return faults


def _said(records: Records) -> Iterator[tuple[bool, File, str, date | None]]:
    """Each record that names its clock, with its strategy and session."""
    for (slug, session, _), (seal, file) in records.seals.items():
        yield seal.simulated, file, slug, session
    for session, versions in records.days.items():
        for day, file in versions.values():
            yield day.simulated, file, "", session
    for slug, (retirement, file) in records.retirements.items():
        yield retirement.simulated, file, slug, retirement.session
