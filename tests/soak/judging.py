"""The verdict on a disturbed home: its promises, its content, and its equality with an undisturbed home.

Each check gives the faults that it finds, in words; none are found in a home that lost nothing. The home is at rest.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlmodel import col, select

from countersign.deployments.orchestration.environment import ROOT
from countersign.domain.attestation.records import seal_path
from countersign.models.tables.attestation import Seal
from countersign.models.tables.external import ExternalSignal
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.operations import Lease
from countersign.services.attestation.pushing import remote_head
from countersign.services.notifications.notifications import open_alerts
from countersign.services.publication.publish import publish, rebuild
from countersign.services.watchdog.checks import ORPHAN_AFTER, sweep_orphans
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.journal.lock import LOCK
from countersign.store.ledger.leases import holder_lives
from tests.soak import content
from tests.soak.herd import those_of
from tests.support.journals import check_journal, git, history

SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True)
class Evidence:
    """Evidence that a home is judged by: a home that lived the same plan in peace, the answers to submissions, the
    feed's signals that it must have and may have, and the number of deaths, which explain unfinished files.
    """

    undisturbed: Home
    accepted: Mapping[tuple[str, date, int], dict[str, Any]]
    feed_must: set[tuple[str, str]]
    feed_may: set[tuple[str, str]]
    bars: Path
    deaths: int


def judge(home: Home, evidence: Evidence) -> list[str]:
    """Return all faults of a home; a part too damaged to be looked at is a fault too."""
    faults = []
    for check in (_records, _journal, _promises, _ledger, _differences, _lake, _lens, _feed, _left_overs):
        try:
            faults += check(home, evidence)
        except Exception as error:
            faults.append(f"{check.__name__.strip('_')}: {error!r}"[:SHOWN_CHARACTERS])
    return faults


def standing(home: Home) -> Iterator[str]:
    """Give the watchdog's and `status`' complaints about a home at work: none, if all is well."""
    for words in (("run", "watchdog"), ("status",)):
        code, said = countersign(*words, "--home", str(home.path))
        if code or "problem:" in said or "warning:" in said:
            yield f"{' '.join(words)}: exit code {code}: {said}"


def countersign(*words: str) -> tuple[int, str]:
    """Run a command as people do; return its exit code and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "countersign.cli", *words], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.returncode, (done.stdout + done.stderr)[-SHOWN_CHARACTERS:]


def _records(home: Home, _evidence: Evidence) -> Iterator[str]:
    """The journal is whole and signed, and agrees with the ledger and the lake, byte for byte."""
    check_journal(home)
    yield from ()


def _journal(home: Home, evidence: Evidence) -> Iterator[str]:
    """The remote is where the journal is, and a clone of it verifies, every NAV included."""
    head = home.journal.head()
    if head is None or remote_head(home) != head.sha:
        yield "journal: the remote is not where the journal is"
    with TemporaryDirectory() as folder:
        git(Path(folder), "clone", "-q", str(home.journal_remote), "clone")
        code, said = countersign("verify", f"{folder}/clone", "--bars", str(evidence.bars))
    if code:
        yield f"verify: {said}"


def _promises(home: Home, evidence: Evidence) -> Iterator[str]:
    """Every submission that was answered is sealed as it was answered, in the commit that was named."""
    added, _ = history(home.path / "journal")
    files = content.journal(home)
    for (slug, session, revision), told in evidence.accepted.items():
        path = seal_path(slug, session, revision)
        if told["signal_hash"] not in files.get(path, b"").decode():
            yield f"promise: {path} was accepted and is not sealed as it was"
        elif told["attestation"]["committed"] and told["attestation"]["sha"] != added[path]:
            yield f"promise: {path} was answered with another commit than the one that holds it"


def _ledger(home: Home, _evidence: Evidence) -> Iterator[str]:
    """The ledger's file is whole, no claim and no matter is open, and no lease is held."""
    with closing(sqlite3.connect(home.path / "ledger.db")) as db:
        found = [*db.execute("PRAGMA integrity_check"), *db.execute("PRAGMA foreign_key_check")]
    if found != [("ok",)]:
        yield f"ledger: {found}"
    with home.ledger.read() as opened:
        claims = opened.exec(select(Seal).where(col(Seal.commit_sha).is_(None))).all()
        leases = [row.name for row in opened.exec(select(Lease)) if holder_lives(row.holder)]
        matters = [matter.text for matter in open_alerts(opened)]
    if claims or leases or matters:
        yield f"ledger: {len(claims)} claims, leases {leases}, open matters {matters}"


def _differences(home: Home, evidence: Evidence) -> Iterator[str]:
    """Journal, ledger and lens hold what those of the undisturbed home do, byte for byte and row for row."""
    for name, look in (("journal", content.journal), ("ledger", content.ledger), ("lens", content.lens)):
        ours: Mapping[str, Any] = look(home)
        theirs: Mapping[str, Any] = look(evidence.undisturbed)
        for part in sorted(ours.keys() | theirs.keys()):
            if ours.get(part) != theirs.get(part):
                yield f"{name}: {part}: {_first_difference(ours.get(part), theirs.get(part))}"[:SHOWN_CHARACTERS]


def _first_difference(ours: Any, theirs: Any) -> str:
    if isinstance(ours, list) and isinstance(theirs, list):
        left, right = ([row for row in one if row not in other] for one, other in ((ours, theirs), (theirs, ours)))
        return f"{len(ours)} rows, undisturbed {len(theirs)}; only here {left[:2]}, only there {right[:2]}"
    return f"{ours!r}, undisturbed {theirs!r}"


def _lake(home: Home, evidence: Evidence) -> Iterator[str]:
    """Every committed file is there with its digest; files that deaths left unfinished are few, and swept once old."""
    with home.ledger.read() as db:
        files = list(db.exec(select(LakeFile)))
    yield from (f"lake: {fault}" for fault in home.lake.verify(files))
    orphans = home.lake.orphans()
    if len(orphans) > evidence.deaths:
        yield f"lake: {len(orphans)} orphans, such as {orphans[0]}, after {evidence.deaths} deaths"
    old = (wall_clock() - 2 * ORPHAN_AFTER).timestamp()
    for path in orphans:
        os.utime(path, (old, old))
    sweep_orphans(home)
    if home.lake.orphans():
        yield f"lake: {home.lake.orphans()} are not swept"


def _lens(home: Home, _evidence: Evidence) -> Iterator[str]:
    """The lens that was published through all deaths equals a lens made from nothing."""
    publish(home)  # the poller has brought more since
    shown = content.lens(home, whole=True)
    rebuild(home)
    whole = content.lens(home, whole=True)
    for name, rows in shown.items():
        if rows != whole[name]:
            yield f"lens: {name} is not what it is made anew: {_first_difference(rows, whole[name])}"


def _feed(home: Home, evidence: Evidence) -> Iterator[str]:
    """The feed's signals are all stored, no signal is stored that it never sent, and none twice in a row."""
    with home.ledger.read() as db:
        rows = list(db.exec(select(ExternalSignal).order_by(col(ExternalSignal.revision))))
    stored = {(row.external_id, row.stop_loss) for row in rows}
    missing, invented = evidence.feed_must - stored, stored - evidence.feed_may
    if missing or invented:
        yield f"feed: {missing} are missing, {invented} were never said"
    seen: dict[str, list[ExternalSignal]] = {}
    for row in rows:
        seen.setdefault(row.external_id, []).append(row)
    for number, revisions in seen.items():
        contents = [row.content_sha256 for row in revisions]
        if [row.revision for row in revisions] != [*range(1, len(revisions) + 1)] or len(set(contents)) < len(contents):
            yield f"feed: the revisions of {number} are not counted up, or one is there twice"


def _left_overs(home: Home, _evidence: Evidence) -> Iterator[str]:
    """No lock, no temporary file and no process is left."""
    found = [path for path in home.path.rglob("*") if path.name.endswith((".lock", ".tmp")) or "tmp_" in path.name]
    # Both are held by the living alone: nobody minds that their files are there.
    found = [path for path in found if path.name not in {LOCK, "up.lock"} and home.lake_path not in path.parents]
    if found:
        yield f"left over: {[str(path.relative_to(home.path)) for path in found]}"
    processes = [" ".join(process.cmdline()) for process in those_of(home.path)]
    if processes:
        yield f"left over: {processes}"
