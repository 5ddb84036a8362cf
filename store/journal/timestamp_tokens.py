"""RFC 3161 timestamp tokens, checked offline against certificates of authorities that the reader trusts.

A token is for the commit as `git cat-file commit NAME` prints it, signature included, hashed with SHA-256, SHA-384 or
SHA-512. An authority therefore attests all contents of a commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from countersign.domain.attestation.journal import Stamp
from countersign.domain.attestation.timestamp_responses import strict
from countersign.models.errors import InputError


@dataclass(frozen=True)
class Authorities:
    """The certificates trusted: roots, or authorities' own. Without any, tokens are read and stay unchecked."""

    certificates: tuple[x509.Certificate, ...] = ()

    def check(self, token: bytes, commit: bytes | None) -> Stamp:
        """Check a token (DER) for a commit's content; None is a commit that is not in the journal."""
        import rfc3161_client as rfc3161  # noqa: PLC0415 - for journals that have tokens

        try:
            response = rfc3161.decode_timestamp_response(strict(token))
            stamped_at = response.tst_info.gen_time
        except ValueError as error:
            return Stamp(None, checked=True, fault=f"not a timestamp token: {error}")
        if commit is None:
            return Stamp(stamped_at, checked=False)
        if not self.certificates:
            return Stamp(stamped_at, checked=False)
        builder = rfc3161.VerifierBuilder(roots=list(self.certificates))
        try:
            builder.build().verify_message(response, commit)
        except (rfc3161.VerificationError, ValueError) as error:
            return Stamp(stamped_at, checked=True, fault=f"the token does not hold: {error}")
        return Stamp(stamped_at, checked=True)


def load_authorities(paths: Sequence[Path]) -> Authorities:
    """Load certificates (PEM, any number in a file); InputError naming the file that has none."""
    certificates: list[x509.Certificate] = []
    for path in paths:
        try:
            certificates += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError("tsa-ca", "a file of PEM certificates", f"{path}: {error}") from error
    return Authorities(tuple(certificates))
