"""Receipts: the journal's key signs one for each submission; `read_receipts` reads a folder of them."""

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from countersign.domain.attestation.records import RECEIPT_NAMESPACE
from countersign.domain.strict_json import read_json
from countersign.domain.verification.receipts import Accepted, SignedReceipt, receipt_text
from countersign.models.errors import InputError, StoreError
from countersign.store.journal.signing import KEY_FILE, SigningKey, load_key
from countersign.store.journal.ssh_signatures import check_signature

_log = logging.getLogger(__name__)
EXAMPLE = 'a receipt ({"text": ..., "signature": ...}), or an answer of the api that carries one as `receipt`'


class ReceiptSigner:
    """Signs receipts, for any number of threads. It follows the key file, which a rotation replaces.

    Nothing is stored: Ed25519 gives the same key and text the same signature for ever.
    """

    def __init__(self, keys: Path) -> None:
        self._keys, self._lock = keys, Lock()
        self._key: SigningKey | None = None
        self._seen: tuple[int, int] | None = None

    def sign(self, accepted: Accepted) -> dict[str, str] | None:
        """Return text and armoured signature; None without a key, as the signal is recorded all the same."""
        key = self._current()
        if key is None:
            return None
        text = receipt_text(accepted)
        return {"text": text, "signature": key.sign(text.encode(), RECEIPT_NAMESPACE)}

    def _current(self) -> SigningKey | None:
        with self._lock:
            try:
                status = (self._keys / KEY_FILE).stat()
                seen = (status.st_ino, status.st_mtime_ns)
            except OSError:
                seen = None
            if seen is None:
                self._key = None
            elif seen != self._seen:
                try:
                    self._key = load_key(self._keys)
                except StoreError as error:
                    self._key = None
                    _log.warning("no receipts are signed: %s", error)
            self._seen = seen
            return self._key


def read_receipts(folder: Path) -> list[SignedReceipt]:
    """Read every receipt in the files `*.json` of a folder; InputError for a file that holds none."""
    if not folder.is_dir():
        raise InputError("receipts", "a folder with one JSON file a receipt", folder)
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = read_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError("receipts", EXAMPLE, f"{path}: {error}") from error
        receipts = list(_receipts_in(content))
        if not receipts:
            raise InputError("receipts", EXAMPLE, path)
        found += [_signed(path.name, receipt) for receipt in receipts if receipt is not None]
    if not found:
        raise InputError("receipts", "a folder with at least one receipt", folder)
    return found


def _receipts_in(content: Any) -> Iterator[Any]:
    """Yield the receipts in a receipt, in an answer, or in a list of signals; None for one that was not given."""
    if not isinstance(content, dict):
        return
    if {"text", "signature"} <= content.keys():
        yield content
    elif "receipt" in content:
        yield content["receipt"]
    elif isinstance(content.get("signals"), list):
        for signal in content["signals"]:
            if isinstance(signal, dict) and "receipt" in signal:
                yield signal["receipt"]


def _signed(file: str, receipt: Any) -> SignedReceipt:
    fields = receipt if isinstance(receipt, dict) else {}
    text, signature = (str(fields.get(name, "")) for name in ("text", "signature"))
    message = text.encode("utf-8", "surrogatepass")
    armored = signature.encode("utf-8", "surrogatepass")
    return SignedReceipt(file, text, check_signature(armored, message, RECEIPT_NAMESPACE))
