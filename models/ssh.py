"""Ed25519 public keys and signatures in the text forms that OpenSSH writes, each with one spelling."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import AfterValidator

KEY_TYPE = "ssh-ed25519"
KEY_EXAMPLE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
SIGNATURE_EXAMPLE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH…\n-----END SSH SIGNATURE-----\n"
# The wire format of a key: its type and 32 bytes, each behind its length.
_KEY_HEAD = b"\x00\x00\x00\x0b" + KEY_TYPE.encode() + b"\x00\x00\x00\x20"
_KEY_BYTES = len(_KEY_HEAD) + 32
_COLUMNS = 70
_ARMOR = re.compile(
    r"\s*-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END SSH SIGNATURE-----\s*", re.ASCII
)


def read_public_key(line: str) -> str:
    """Return an Ed25519 public key as `ssh-ed25519 <base64>`, without its comment; ValueError for anything else."""
    kind, encoded = [*line.split(None, 2), "", ""][:2]
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if kind != KEY_TYPE or len(key) != _KEY_BYTES or not key.startswith(_KEY_HEAD):
        raise ValueError(f"expected an Ed25519 public key as ssh-keygen writes it, such as {KEY_EXAMPLE}")
    return f"{KEY_TYPE} {base64.b64encode(key).decode()}"


def key_blob(public_key: str) -> bytes:
    """Return the bytes of a key that `read_public_key` gave, in SSH's wire format, as signatures hold it."""
    return base64.b64decode(public_key.split(" ")[1])


def armor(signature: bytes) -> str:
    """Return a signature (SSHSIG, binary) as ssh-keygen writes it: base64 in lines of 70 columns between two marks."""
    text = base64.b64encode(signature).decode()
    lines = [text[n : n + _COLUMNS] for n in range(0, len(text), _COLUMNS)]
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def read_signature(text: str) -> str:
    """Return an armored signature as `armor` writes it, however its lines were broken; ValueError for anything else."""
    found = _ARMOR.fullmatch(text)
    try:
        signature = base64.b64decode("".join(found[1].split()) if found else "", validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if not signature.startswith(b"SSHSIG\x00\x00\x00\x01"):
        raise ValueError("expected what ssh-keygen -Y sign writes, from -----BEGIN SSH SIGNATURE----- on")
    return armor(signature)


PublicKey = Annotated[str, AfterValidator(read_public_key)]
ArmoredSignature = Annotated[str, AfterValidator(read_signature)]
