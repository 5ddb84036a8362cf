"""Commit signers: the keys that signed the journal's commits, read from the commits, which never change, and cached."""

import logging
from collections.abc import Collection

from countersign.domain.attestation.signers import fingerprint
from countersign.models.errors import StoreError
from countersign.store.journal.git_commands import read_batch
from countersign.store.journal.journal import Journal
from countersign.store.journal.ssh_signatures import commit_signature

MOST_REMEMBERED = 100_000
_log = logging.getLogger("journal")


class CommitSigners:
    """The signers of one journal's commits, for any number of threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, str] = {}

    def read(self, shas: Collection[str]) -> dict[str, str]:
        """Return the fingerprint of the key that each commit's signature is good under; one look for all of them.

        A commit without a good signature, or not in the journal, is left out: its signer is unknown.
        `domain.attestation.signers` decides which keys may sign.
        """
        found = {sha: signer for sha in shas if (signer := self._known.get(sha))}
        fresh = self._read({sha for sha in shas if sha not in found})
        if len(self._known) + len(fresh) > MOST_REMEMBERED:
            self._known.clear()
        self._known.update(fresh)
        return found | fresh

    def _read(self, shas: Collection[str]) -> dict[str, str]:
        wanted, signers = sorted(shas), dict[str, str]()
        if not wanted:
            return signers
        try:
            said = self._journal.git("cat-file", "--batch", given="".join(f"{sha}\n" for sha in wanted).encode())
        except StoreError as error:  # all else that is shown beside it is in the ledger
            _log.warning("signers are not known: %s", error)
            return signers
        for sha, (kind, content) in zip(wanted, read_batch(said), strict=True):
            signature = commit_signature(content) if kind == "commit" else None
            if signature and signature.valid:
                signers[sha] = fingerprint(signature.key)
        return signers
