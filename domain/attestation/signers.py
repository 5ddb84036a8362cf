"""Signers of a journal's commits: the keys that may sign, and a check of each commit. Pure.

Signatures come in already verified under the key inside them. A commit is judged by `allowed_signers` as the commit
before left it, the first one by its own: a new key is trusted only if an old one brought it. So everything rests on
the first commit, which anybody can make at will: to know the maker of a journal, pin the keys from another source.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from countersign.domain.attestation.journal import Commit, Fault, FaultKind, JournalContents
from countersign.domain.attestation.records import ALLOWED_SIGNERS, NAMESPACE, PRINCIPAL, RECEIPT_NAMESPACE

OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?')
SIGNER = re.compile(r"^\S+\s+(?:(?P<options>[^\s\"]*(?:\"[^\"]*\"[^\s\"]*)*)\s+)?ssh-ed25519\s+(?P<key>\S+)(?:\s.*)?$")
# Namespaces of our own lines.
NAMESPACES = f'namespaces="{NAMESPACE},{RECEIPT_NAMESPACE}"'
BEGINNING = datetime.fromtimestamp(0, UTC)
TIME = re.compile(r"^(\d{8})(\d{4})?(\d{2})?Z?$")


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that may sign, and from when until when; None where there is no such limit."""

    key: bytes
    since: datetime | None = None
    until: datetime | None = None


def fingerprint(key: bytes) -> str:
    """Return a public key's fingerprint as ssh-keygen prints it; `key` is in SSH's wire format."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_signers(content: bytes) -> tuple[Signer, ...]:
    """Read an allowed_signers file (ssh-keygen(1)): the Ed25519 keys that may sign for git.

    Times are taken as UTC, with or without their Z. Lines of other key types, of certificate authorities and of other
    namespaces allow nothing here, and are passed over.
    """
    signers = []
    for line in content.decode("utf-8", "replace").splitlines():
        found = SIGNER.match(line.strip())
        if line.lstrip().startswith("#") or not found:
            continue
        options = {name.lower(): value for name, value in OPTION.findall(found["options"] or "")}
        spaces = options.get("namespaces", NAMESPACE).split(",")
        try:
            key = base64.b64decode(found["key"], validate=True)
            since, until = (_time(options.get(name)) for name in ("valid-after", "valid-before"))
        except (binascii.Error, ValueError):
            continue
        if NAMESPACE in spaces and "cert-authority" not in options:
            signers.append(Signer(key, since, until))
    return tuple(signers)


def write_signers(signers: Iterable[Signer]) -> bytes:
    """Write an allowed_signers file that `read_signers`, git and ssh-keygen (OpenSSH 9.1 or newer, for the Z) read."""
    lines = []
    for signer in signers:
        limits = (("valid-after", signer.since), ("valid-before", signer.until))
        options = [NAMESPACES, *(f'{name}="{at:%Y%m%d%H%M%S}Z"' for name, at in limits if at)]
        lines.append(f"{PRINCIPAL} {','.join(options)} ssh-ed25519 {base64.b64encode(signer.key).decode()}\n")
    return "".join(lines).encode()


def hand_over(signers: Iterable[Signer], old: bytes, new: bytes, at: datetime) -> tuple[Signer, ...]:
    """Let the key `new` follow on `old`, in a commit of the second `at` that `old` signs: its last.

    `old` stays good for its earlier commits. Its end is the second after, so that it is good for this commit too, even
    where the whole journal is judged by the newest file.
    """
    ended = (
        replace(signer, until=at + timedelta(seconds=1)) if signer.key == old and not signer.until else signer
        for signer in signers
    )
    return (*ended, Signer(new, since=at))


def signs_since(signers: Iterable[Signer], key: bytes) -> datetime | None:
    """Return the time from which a key may sign without an end; the beginning of time where it has no beginning.

    None for a key that may no longer sign, or never might.
    """
    beginnings = [signer.since or BEGINNING for signer in signers if signer.key == key and not signer.until]
    return min(beginnings, default=None)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = TIME.match(text)
    if not found:
        raise ValueError(f"expected YYYYMMDDhhmmssZ, got {text}")
    day, minute, second = found.groups()
    return datetime.strptime(day + (minute or "0000") + (second or "00"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def judge_signature(commit: Commit, signers: Iterable[Signer]) -> Fault | None:
    """Name the fault of a commit's signature, given the keys that may sign it; None for a good one."""
    signature = commit.signature
    if signature is None:
        return Fault(FaultKind.UNSIGNED, "the commit carries no signature", commit.name)
    if not signature.valid:
        return Fault(FaultKind.BAD_SIGNATURE, "the signature is not one of this commit's content", commit.name)
    known = [signer for signer in signers if signer.key == signature.key]
    if not known:
        return Fault(FaultKind.BAD_SIGNATURE, "signed by a key that was not allowed to sign then", commit.name)
    at = commit.committed_at
    if any((not s.since or s.since <= at) and (not s.until or at < s.until) for s in known):
        return None
    if all(s.since and at < s.since for s in known):
        since = min(s.since for s in known if s.since)
        return Fault(FaultKind.FUTURE_DATED_KEY, f"dated before its key is valid, {since:%F %T} UTC", commit.name)
    return Fault(FaultKind.BAD_SIGNATURE, "signed by a key that was no longer valid then", commit.name)


def signers_brought(journal: JournalContents) -> dict[str, tuple[Signer, ...]]:
    """Return the keys that each commit's `allowed_signers` allows, by commit, for those that bring or change it."""
    files = {change.commit: change.blob for change in journal.changes if change.path == ALLOWED_SIGNERS}
    return {name: read_signers(journal.blobs.get(blob, b"")) for name, blob in files.items()}


def check_commits(journal: JournalContents, pinned: Sequence[Signer] | None, *, rehearsed: bool) -> list[Fault]:
    """Check that commits are one line, dated in order, and each signed by a key allowed at the time.

    With `pinned` only those keys count, and the journal's own file says nothing. `rehearsed`: all of the journal is
    under a simulated clock, which somebody may have set back.
    """
    brought = signers_brought(journal)
    ever = {signer.key for signers in brought.values() for signer in signers}
    signers: Sequence[Signer] = pinned or ()
    faults, before = [], None
    for commit in journal.commits:
        faults += _check_order(commit, before, rehearsed=rehearsed)
        if pinned is None and before is None:
            signers = brought.get(commit.name, ())
        fault = judge_signature(commit, signers)
        if fault and pinned is None and fault.kind is FaultKind.BAD_SIGNATURE and _comes_later(commit, signers, ever):
            detail = "signed by a key that the journal allows only later"
            fault = Fault(FaultKind.FUTURE_DATED_KEY, detail, commit.name)
        faults += [fault] if fault else []
        if pinned is None:
            signers = brought.get(commit.name, signers)
        before = commit
    return faults


def _check_order(commit: Commit, before: Commit | None, *, rehearsed: bool) -> list[Fault]:
    faults = []
    if commit.parents != ((before.name,) if before else ()):
        faults.append(Fault(FaultKind.FORKED, "commits do not follow each other in one line", commit.name))
    if before and commit.committed_at < before.committed_at and not rehearsed:
        detail = f"dated {commit.committed_at:%F %T} UTC, before its parent ({before.committed_at:%F %T})"
        faults.append(Fault(FaultKind.DATE_FORGED, detail, commit.name))
    return faults


def _comes_later(commit: Commit, signers: Iterable[Signer], ever: set[bytes]) -> bool:
    key = commit.signature.key if commit.signature and commit.signature.valid else b""
    return key in ever and key not in {signer.key for signer in signers}
