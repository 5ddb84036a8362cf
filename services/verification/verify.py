"""Verification of a clone, and audit of a foreign repository: read, one domain call, the answer as JSON has it.

No server, no home and no network: everything comes from the paths given.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from countersign.domain.attestation.records import ALLOWED_SIGNERS
from countersign.domain.attestation.signers import Signer, read_signers
from countersign.domain.market.bars import ACTION_TABLE, BAR_TABLE
from countersign.domain.market.listings import normalise_instruments
from countersign.domain.tables import normalise
from countersign.domain.verification.audit import FOLDER, Audit, AuditFinding, audit
from countersign.domain.verification.report import Report, VerifiedSignal, verify
from countersign.models.errors import InputError
from countersign.sources.files.tables import read_checked
from countersign.store.journal.git_reader import open_repository
from countersign.store.journal.reader import parse_commit, read_journal
from countersign.store.journal.receipts import read_receipts
from countersign.store.journal.timestamp_tokens import load_authorities


def verify_journal(
    path: Path,
    *,
    strategy: str | None = None,
    bars: Path | None = None,
    actions: Path | None = None,
    instruments: Path | None = None,
    signers: Path | None = None,
    authorities: Sequence[Path] = (),
    contains: Sequence[str] = (),
    receipts: Path | None = None,
) -> Report:
    """Verify the journal at `path`, a clone of it or a bare repository.

    `bars` is a Parquet or CSV file as for `market import`, from before the first settled session on, `actions` one as
    for `market import-actions`, whose rows are compared with the journal's, `instruments` one as for
    `market import-instruments`, compared with its listings and delistings. `signers` is an
    allowed_signers file, `authorities` are PEM files of timestamp authorities' certificates, all from a source that the
    reader trusts more than the journal. `contains` are names of commits (40 hex digits) that the reader knows of.
    `receipts` is a folder with the receipts of submissions.
    InputError for wrong arguments, StoreError for a damaged repository; faults of the journal are in the report.
    """
    pinned = _read_signers(signers) if signers else None
    market = read_checked(bars, lambda frame: normalise(frame, BAR_TABLE)) if bars else None
    for name, path_given in (("actions", actions), ("instruments", instruments)):
        if path_given and not bars:
            raise InputError(name, "bars beside them (--bars), to tell which symbols they matter for", path_given)
    paid = read_checked(actions, lambda frame: normalise(frame, ACTION_TABLE)) if actions else None
    listed = read_checked(instruments, normalise_instruments) if instruments else None
    given = read_receipts(receipts) if receipts else None
    with _no_search_for_cycles():
        journal = read_journal(path, load_authorities(authorities))
        return verify(
            journal,
            strategy=strategy,
            signers=pinned,
            contains=contains,
            bars=market,
            actions=paid,
            instruments=listed,
            receipts=given,
        )


def audit_repository(path: Path) -> Audit:
    """Audit a foreign attestation repository; InputError if `path` is none, StoreError if it is damaged."""
    with open_repository(path) as repository:
        names = repository.history()
        changes = repository.changes(names, under=FOLDER)
        objects = repository.read({change.blob for change in changes})
    commits = [parse_commit(name, objects.commits.get(name)) for name in names]
    unreadable = dict.fromkeys(objects.corrupt | objects.oversized, "")
    return audit(commits, changes, objects.blobs, unreadable)


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it: every field, and `holds`."""
    fields = {name: getattr(report, name) for name in Report.__dataclass_fields__}
    signals = [_signal_json(signal) for signal in report.signals]
    rows = {name: [asdict(each) for each in fields[name]] for name in ("retired", "faults")}
    warnings = [each._asdict() for each in report.warnings]
    held = report.receipts
    receipts = held and {name: getattr(held, name) for name in ("receipts", "sealed", "not_yet")}
    return {"holds": report.holds} | fields | rows | {"signals": signals, "warnings": warnings, "receipts": receipts}


def _signal_json(signal: VerifiedSignal) -> dict[str, Any]:
    fields = {name: getattr(signal, name) for name in VerifiedSignal.__slots__}
    fields["tokens"] = [asdict(token) for token in signal.tokens]
    return {("class" if name == "time_class" else name): value for name, value in fields.items()}


def audit_json(done: Audit) -> dict[str, Any]:
    """Return an audit as JSON has it."""
    findings = [_finding_json(finding) for finding in done.findings]
    return {name: getattr(done, name) for name in Audit.__dataclass_fields__} | {"findings": findings}


def _finding_json(finding: AuditFinding) -> dict[str, Any]:
    fields = {name: getattr(finding, name) for name in AuditFinding.__slots__}
    return {("class" if name == "kind" else name): value for name, value in fields.items()}


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let Python not look for reference cycles: a year's records, a million objects, live to the end and have none."""
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


def _read_signers(path: Path) -> tuple[Signer, ...]:
    try:
        signers = read_signers(path.read_bytes())
    except OSError as error:
        raise InputError("signers", f"an {ALLOWED_SIGNERS} file", f"{path}: {error}") from error
    if not signers:
        raise InputError("signers", "at least one ssh-ed25519 key that may sign for git", path)
    return signers
