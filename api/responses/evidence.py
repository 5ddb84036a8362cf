"""The evidence of signals as every answer shows it: class, margin, commit, signature, tokens."""

from collections.abc import Iterable
from typing import Any

from countersign.domain.attestation.timeliness import TimeEvidence
from countersign.services.signals.evidence import Attestation
from countersign.store.journal.commit_signers import CommitSigners


def show_evidence(signers: CommitSigners, found: Iterable[Attestation]) -> list[dict[str, Any]]:
    """Return the fields of `models.wire.base.SealEvidence` for each; the signers of all are looked up at once."""
    attestations = list(found)
    known = signers.read({each.sha for each in attestations if each.sha})
    return [
        {
            "margin_seconds": each.margin_seconds,
            "commit_sha": each.sha,
            "commit_time": each.committed_at,
            "signer": known.get(each.sha or ""),
            "time_class": each.time_class,
            "seconds_late": each.seconds_late,
            "evidence": each.evidence or TimeEvidence.SERVER_ONLY,
            "tokens": [token.path for token in each.tokens],
        }
        for each in attestations
    ]
