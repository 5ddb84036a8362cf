"""Audit of a foreign attestation repository: the first commit of each entry, and whether it was in time. Pure.

The format is QuantGPT's: `attestations/YYYY-MM-DD.json` with a list `strategies`, whose entries carry `strategy_slug`
or `strategy_id`, `signal_hash` and, if they like, `execution_price` (default: open). Times are the committers' word.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from countersign.domain.attestation.journal import Change, Commit
from countersign.domain.attestation.timeliness import TimeClass, time_class
from countersign.domain.sessions import deadline
from countersign.domain.strict_json import RepeatedNameError, read_items_json, repeated_name
from countersign.models.enums import ExecutionPrice

FOLDER = "attestations"
DAY_FILE = re.compile(r"^attestations/(\d{4}-\d{2}-\d{2})\.json$", re.ASCII)
WHOLE_HASH = re.compile(r"^[0-9a-f]{64}$", re.IGNORECASE)
ORDINARY = {"100644", "100755"}
PRICES = frozenset(ExecutionPrice)
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One entry, and the first commit that has it. `kind` is a class of domain.attestation.records, by the commit's
    time.

    A file, or an entry of one, that cannot be read is a finding too, of the kind `unreadable`; `detail` says why.
    """

    date: str
    strategy: str
    hash: str
    commit: str
    committed_at: datetime
    deadline: datetime | None
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Audit:
    """Result of auditing a foreign repository. An entry is a distinct (date, strategy, hash).

    `shared_hashes` counts hashes of more than one strategy or date, `truncated_hashes` entries whose hash
    is not 64 hex digits. `before_deadline` and `after_deadline` add up to `entries`.
    """

    commits: int
    entries: int
    before_deadline: int
    after_deadline: int
    unsigned_commits: int
    shared_hashes: int
    truncated_hashes: int
    findings: tuple[AuditFinding, ...]


def audit(
    commits: Sequence[Commit], changes: Sequence[Change], blobs: Mapping[str, bytes], unreadable: Mapping[str, str]
) -> Audit:
    """Audit a history, oldest commit first; `unreadable` names blobs that were too large or are damaged."""
    at = {commit.name: commit.committed_at for commit in commits}
    found: dict[tuple[str, str, str], AuditFinding] = {}
    for change in changes:
        name = DAY_FILE.match(change.path)
        if not name or not change.blob:
            continue
        ordinary = change.mode in ORDINARY and change.blob not in unreadable
        day, made_at = name[1], at[change.commit]
        for strategy, digest, price, detail in _entries(day, blobs.get(change.blob) if ordinary else None):
            if (day, strategy, digest) not in found:
                closes_at = deadline(date.fromisoformat(day), price) if price else None
                kind = str(time_class(closes_at, made_at)) if closes_at else UNREADABLE
                finding = AuditFinding(day, strategy, digest, change.commit, made_at, closes_at, kind, detail)
                found[day, strategy, digest] = finding
    findings = tuple(sorted(found.values(), key=lambda each: (each.date, each.strategy, each.hash)))
    entries = [each for each in findings if each.kind != UNREADABLE]
    owners = defaultdict(set)
    for each in entries:
        owners[each.hash].add((each.date, each.strategy))
    early = sum(each.kind == TimeClass.ON_TIME for each in entries)
    return Audit(
        commits=len(commits),
        entries=len(entries),
        before_deadline=early,
        after_deadline=len(entries) - early,
        unsigned_commits=sum(commit.signature is None for commit in commits),
        shared_hashes=sum(len(who) > 1 for who in owners.values()),
        truncated_hashes=sum(not WHOLE_HASH.match(each.hash) for each in entries),
        findings=findings,
    )


def _entries(day: str, content: bytes | None) -> Iterator[tuple[str, str, str, str]]:
    """Strategy, hash and execution price of each entry of a day's file; three empty texts and why, if unreadable."""
    try:
        date.fromisoformat(day)
        if content is None:
            raise ValueError("expected a plain file, whole and not too large")
        listed = read_items_json(content)
        entries = listed.get("strategies") if isinstance(listed, dict) else None
        twice = repeated_name(listed, outside=entries)
        if twice is not None:
            raise RepeatedNameError(twice)
        if not isinstance(entries, list):
            raise ValueError("expected an object with a list of strategies")
    except ValueError as error:
        yield "", "", "", str(error)
        return
    for entry in entries:
        twice = repeated_name(entry)
        fields = entry if isinstance(entry, dict) and twice is None else {}
        strategy = fields.get("strategy_slug") or fields.get("strategy_id")
        digest, price = fields.get("signal_hash"), fields.get("execution_price") or ExecutionPrice.OPEN
        texts = isinstance(digest, str) and isinstance(price, str) and isinstance(strategy, str | int)
        if texts and digest and price in PRICES:
            yield str(strategy), digest, str(price), ""
        else:
            why = (
                RepeatedNameError(twice) if twice is not None else "expected strategy, signal_hash and execution_price"
            )
            yield "", "", "", str(why)
