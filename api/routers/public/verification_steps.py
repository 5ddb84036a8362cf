"""Commands that check a proof without trust in its server; they work when pasted into a shell."""

import re
import shlex
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from countersign.api.app_state import AppState
from countersign.domain.attestation.records import OWNER_NAMESPACE

HASH_CHECK = (
    "import hashlib,json,sys; a=json.load(sys.stdin)['verification']['signal_attestation'];"
    " h=hashlib.sha256(b'countersign/signal/v1\\n'+a['payload'].encode()).hexdigest();"
    " print('signal_hash holds' if h==a['signal_hash'] else sys.exit('signal_hash DIFFERS'))"
)
SIGNATURE_CUT = (
    "import json,sys; a=json.load(sys.stdin)['verification']['signal_attestation'];"
    " open('owner','w').write('owner '+a['owner_key']); open('signature','w').write(a['owner_signature']);"
    " open('hash','w').write(a['signal_hash'])"
)
SIGNATURE_CHECK = f"ssh-keygen -Y verify -f owner -I owner -n {OWNER_NAMESPACE} -s signature < hash"
NAV_CHECK = (
    "import json,sys; from decimal import Decimal as D; v=json.load(sys.stdin,parse_float=D)['verification'];"
    " total=sum((p['market_value'] for p in v['positions']),D(0))+v['nav']['cash'];"
    " print('NAV holds' if total==v['nav']['reported_nav'] else sys.exit('NAV DIFFERS'))"
)


def verification_steps(state: AppState, slug: str, session: date, verification: dict[str, Any]) -> list[dict[str, str]]:
    """List the steps that this proof allows: hash, NAV, and the journal where it can be cloned."""
    fetch = f"curl -fsS {shlex.quote(f'{state.public_url}/api/v1/public/strategies/{slug}/verify?date={session}')}"
    sealed = verification["signal_attestation"]
    steps = [("Fetch this proof", fetch)]
    if sealed and sealed["payload"]:
        steps.append(("Compute the signal's hash from the revealed payload", _piped(fetch, HASH_CHECK)))
    if sealed and sealed["owner_signature"]:
        command = f"{_piped(fetch, SIGNATURE_CUT)} && {SIGNATURE_CHECK}"
        steps.append(("Check the owner's signature of the hash", command))
    if verification["nav"]:
        steps.append(("Add up cash and positions to the reported NAV", _piped(fetch, NAV_CHECK)))
    remote = state.journal_remote
    if sealed and sealed["committed"] and remote and not urlsplit(remote).password:
        clone = f"git clone {shlex.quote(remote)} journal"
        steps += [
            ("Clone the journal", clone),
            ("See the commit that sealed it, and its signature", _log(sealed["record_path"])),
            ("Check the whole journal offline", f"countersign verify journal --strategy {slug}"),
        ]
    return [{"step": step, "command": command} for step, command in steps]


def raw_url(remote: str | None, path: str) -> str | None:
    """Return where GitHub serves a file of the journal; None where the remote is elsewhere."""
    found = re.fullmatch(r"(?:https://github\.com/|git@github\.com:)([\w.-]+)/([\w.-]+?)(?:\.git)?/?", remote or "")
    return f"https://raw.githubusercontent.com/{found[1]}/{found[2]}/HEAD/{path}" if found else None


def _piped(fetch: str, program: str) -> str:
    return f'{fetch} | python3 -c "{program}"'


def _log(path: str) -> str:
    signers = "-c gpg.ssh.allowedSignersFile=allowed_signers"
    return f"git -C journal {signers} log --show-signature --diff-filter=A -- {shlex.quote(path)}"
