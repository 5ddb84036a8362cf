"""Rotating the journal's signing key: makes the next key and sees to it that the process that seals takes it."""

import time
from contextlib import suppress

from countersign.models.errors import LeaseError, StoreError
from countersign.services.attestation.rotation import prepare_rotation, rotation_waits
from countersign.services.attestation.sealing import sealing
from countersign.store.home import Home
from countersign.store.journal.signing import load_key
from countersign.store.ledger.leases import lease

LEASE = "rotate-key"
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.05


def rotate_key(home: Home, patience_seconds: float = PATIENCE_SECONDS) -> dict[str, str]:
    """Rotate the key; return the fingerprints of the old and the new one.

    A rotation cut short by a process's death is finished, with the key made then. LeaseError while another rotation
    runs, or a sealer at work does not get to it; StoreError without the old key, which must announce the new one.
    """
    with lease(home.ledger, LEASE):
        old, new = load_key(home.journal.keys).fingerprint, prepare_rotation(home).fingerprint
        give_up = time.monotonic() + patience_seconds
        while rotation_waits(home):
            # If another process is the sealer, it finishes the rotation within a moment.
            with suppress(LeaseError), sealing(home):
                continue
            if time.monotonic() > give_up:
                raise LeaseError(f"{home.path}: the sealer has not taken the new key yet; it will when it comes round")
            time.sleep(PAUSE_SECONDS)
        if load_key(home.journal.keys).fingerprint != new:
            raise StoreError(f"{home.journal.keys}: the new key did not come into its place; run it again")
    return {"old_key": old, "new_key": new}
