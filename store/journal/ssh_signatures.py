"""SSH signatures of git commits and receipts (Ed25519), checked without ssh-keygen.

A signature is checked against the key that it names; domain.attestation.signers decides whether that key may sign.
Formats: OpenSSH's PROTOCOL.sshsig, and the header `gpgsig` of a commit, which covers the commit without that header.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from countersign.domain.attestation.journal import Signature
from countersign.domain.attestation.records import NAMESPACE

MAGIC = b"SSHSIG"
KEY_TYPE = b"ssh-ed25519"
ARMOR = re.compile(rb"^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$")
HEADER = re.compile(rb"^(gpgsig(?:-sha256)?) (.*\n(?: .*\n)*)", re.MULTILINE)
HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


def commit_signature(commit: bytes) -> Signature | None:
    """Return a commit's signature, None for an unsigned one. One that cannot be read counts as an invalid one."""
    head, blank, message = commit.partition(b"\n\n")
    found = HEADER.findall(head + b"\n")
    if not found:
        return None
    signed = HEADER.sub(b"", head + b"\n")[:-1] + blank + message
    armored = found[0][1].replace(b"\n ", b"\n")
    if len(found) > 1:
        return Signature(b"", valid=False)
    return check_signature(armored, signed)


def check_signature(armored: bytes, message: bytes, namespace: str = NAMESPACE) -> Signature:
    """Check an armored signature of `message`, made for `namespace`, against the key inside it."""
    nothing = Signature(b"", valid=False)
    armor = ARMOR.match(armored.strip() + b"\n")
    if not armor:
        return nothing
    try:
        blob = base64.b64decode(armor.group(1).replace(b"\n", b""), validate=True)
        if blob[:10] != MAGIC + b"\x00\x00\x00\x01":
            return nothing
        key, purpose, reserved, algorithm, signature = _strings(blob[10:])
        kind, public = _strings(key)
        signature_kind, raw = _strings(signature)
        hashed = HASHES[algorithm](message).digest()
        signed = MAGIC + b"".join(_string(part) for part in (purpose, reserved, algorithm, hashed))
        verifier = Ed25519PublicKey.from_public_bytes(public)
    except (binascii.Error, ValueError, KeyError):
        return nothing
    try:
        verifier.verify(raw, signed)
    except InvalidSignature:
        return Signature(key, valid=False)
    return Signature(key, valid=(kind, signature_kind, purpose) == (KEY_TYPE, KEY_TYPE, namespace.encode()))


def _strings(blob: bytes) -> Iterator[bytes]:
    """The strings of SSH's wire format: four bytes of length, then that many; ValueError for one that is cut short."""
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError("a string is cut short")
        yield blob[4 : 4 + length]
        blob = blob[4 + length :]


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content
