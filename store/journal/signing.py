"""The journal's signing key: Ed25519, made once, readable by its owner alone; SSH signatures as git checks them.

The signature format is OpenSSH's PROTOCOL.sshsig, so that `git verify-commit` and `ssh-keygen -Y verify` need
nothing of ours. Signed in this process: starting ssh-keygen for each commit would cost more than all the rest of it.
"""

import base64
import hashlib
import os
import secrets
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countersign.domain.attestation.records import NAMESPACE, PRINCIPAL
from countersign.domain.attestation.signers import NAMESPACES, fingerprint
from countersign.models.errors import StoreError
from countersign.models.ssh import armor
from countersign.store.files import storage_errors, sync_folder

KEY_FILE = "journal_ed25519"
# The key that a rotation has made and not put in place yet.
NEXT_KEY_FILE = "journal_ed25519.next"
_MAGIC = b"SSHSIG"
_HASH = b"sha512"


@dataclass(frozen=True)
class SigningKey:
    """A private key in memory; `public` is its line as OpenSSH writes it, type and base64, without a comment."""

    private: Ed25519PrivateKey
    public: str

    @property
    def blob(self) -> bytes:
        """Return the public key as `allowed_signers` and signatures hold it."""
        return base64.b64decode(self.public.split()[1])

    @property
    def fingerprint(self) -> str:
        """Return the public key's fingerprint as ssh-keygen prints it."""
        return fingerprint(self.blob)

    @property
    def allowed_signer(self) -> str:
        """Return the key's line in `allowed_signers`: it signs commits and receipts alone."""
        return f"{PRINCIPAL} {NAMESPACES} {self.public}"

    def sign(self, message: bytes, namespace: str = NAMESPACE) -> str:
        """Return the armoured SSH signature of a message, in git's namespace or another."""
        purpose = namespace.encode()
        signed = _MAGIC + _strings(purpose, b"", _HASH, hashlib.sha512(message).digest())
        signature = _strings(b"ssh-ed25519", self.private.sign(signed))
        whole = _MAGIC + struct.pack(">I", 1) + _strings(self.blob, purpose, b"", _HASH, signature)
        return armor(whole)


def create_key(folder: Path, name: str = KEY_FILE) -> None:
    """Make the key if there is none. Two first starts at once end with one key."""
    path = folder / name
    if path.exists():
        return
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with storage_errors(path):
        temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(temporary)  # unlike a rename, never in place of another key
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(folder)


def put_next_in_place(folder: Path) -> None:
    """Make the next key the current one; the one before is gone for good."""
    with storage_errors(folder / KEY_FILE):
        (folder / NEXT_KEY_FILE).replace(folder / KEY_FILE)
        sync_folder(folder)


def load_key(folder: Path, name: str = KEY_FILE) -> SigningKey:
    """Read the key; StoreError if it is missing, damaged, or open to others than its owner."""
    path = folder / name
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise StoreError(f"{path}: expected to be readable by its owner alone (chmod 600), got {mode & 0o777:o}")
        private = serialization.load_ssh_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        raise StoreError(f"{path}: the journal's signing key is missing; restore it from a backup") from None
    except (ValueError, TypeError, OSError) as error:
        raise StoreError(f"{path}: expected an unencrypted OpenSSH private key ({error})") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise StoreError(f"{path}: expected an Ed25519 key, got {type(private).__name__}")
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SigningKey(private, public.decode())


def _strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
