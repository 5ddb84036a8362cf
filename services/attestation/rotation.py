"""Rotation of the journal's signing key: the old key announces the new one, in the last commit that it signs.

A new key is made beside the old one, and waits there. The next sealer begins with three steps: it commits
`allowed_signers` with the old key's end and the new key's beginning; records that commit in the ledger; puts the new
key in the old one's place. A death between any two of these is repaired by doing the same again: a step that is done is
seen.
"""

from collections.abc import Callable

from sqlmodel import select

from countersign.domain.attestation.records import ALLOWED_SIGNERS, AUTHOR
from countersign.domain.attestation.signers import hand_over, read_signers, signs_since, write_signers
from countersign.domain.attestation.timeliness import commit_second
from countersign.models.tables.attestation import JournalCommit
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.store.home import Home
from countersign.store.journal.git_objects import signed_commit
from countersign.store.journal.journal import BRANCH, JournalEntry
from countersign.store.journal.lock import break_stale_locks, hold_lock
from countersign.store.journal.signing import NEXT_KEY_FILE, SigningKey, create_key, load_key, put_next_in_place
from countersign.store.ledger.facts import JOURNAL_HEAD, keep_fact

ROTATION = "rotation"

Git = Callable[..., bytes]


def prepare_rotation(home: Home) -> SigningKey:
    """Make the next key, if none waits already; return it."""
    create_key(home.journal.keys, NEXT_KEY_FILE)
    return load_key(home.journal.keys, NEXT_KEY_FILE)


def rotation_waits(home: Home) -> bool:
    """Whether a next key waits for the sealer."""
    return (home.journal.keys / NEXT_KEY_FILE).exists()


def finish_rotation(home: Home) -> None:
    """Announce the next key and put it in place, if one waits. The caller is the sealer. LeaseError for a held lock."""
    journal = home.journal
    if not rotation_waits(home):
        return
    with hold_lock(journal.path) as lock:
        break_stale_locks(journal.path)

        def git(*arguments: str, given: bytes = b"") -> bytes:
            return journal.git(*arguments, given=given, keep=(lock,))

        head, following = journal.head(), load_key(journal.keys, NEXT_KEY_FILE)
        if head is not None:  # nothing is signed yet: nobody needs a notice
            signers = read_signers(git("cat-file", "blob", f"{head.sha}:{ALLOWED_SIGNERS}"))
            if signs_since(signers, following.blob) is None:
                head = _announce(home, git, head, following)
            _remember(home, head, following)
        put_next_in_place(journal.keys)


def _announce(home: Home, git: Git, head: JournalEntry, following: SigningKey) -> JournalEntry:
    old = load_key(home.journal.keys)
    at = commit_second(home.clock.now(), not_before=head.committed_at)
    signers = read_signers(git("cat-file", "blob", f"{head.sha}:{ALLOWED_SIGNERS}"))
    content = write_signers(hand_over(signers, old.blob, following.blob, at))
    blob = git("hash-object", "-w", "--stdin", given=content).strip()
    entries = [
        b"100644 blob " + blob + b"\t" + path if path == ALLOWED_SIGNERS.encode() else entry
        for entry in git("ls-tree", "-z", head.sha).split(b"\0")
        if (path := entry.partition(b"\t")[2])
    ]
    tree = bytes.fromhex(git("mktree", "-z", given=b"\0".join(entries)).decode().strip())
    message = f"rotate the signing key: {following.fingerprint} follows {old.fingerprint}"
    content = signed_commit(tree, head.sha, AUTHOR, at, message, old.sign)
    sha = git("hash-object", "-t", "commit", "-w", "--stdin", given=content).decode().strip()
    git("update-ref", BRANCH, sha, head.sha)
    return JournalEntry(sha, at)


def _remember(home: Home, announced: JournalEntry, following: SigningKey) -> None:
    with home.ledger.write() as db:
        if db.get(JournalCommit, announced.sha) is None:
            db.add(JournalCommit(sha=announced.sha, kind=ROTATION, committed_at=announced.committed_at))
        keep_fact(db, JOURNAL_HEAD, announced.sha)
        action, subject = "signing key rotated", following.fingerprint
        told = select(AuditEntry.id).where(AuditEntry.action == action, AuditEntry.subject == subject)
        if db.exec(told).first() is None:
            db.add(AuditEntry(at=home.clock.now(), actor=OPERATOR, action=action, subject=subject))
