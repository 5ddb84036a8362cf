"""Receipts over HTTP: each accepted submission has one, checked with ssh-keygen, and held against the journal."""

import hashlib
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from countersign.domain.attestation.journal import FaultKind
from countersign.services.attestation.key_rotation import rotate_key
from countersign.services.attestation.sealing import seal_pending
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from countersign.store.journal.signing import KEY_FILE
from tests.api.conftest import NINE
from tests.support.handmade_journal import canonical, require_ssh_keygen
from tests.support.journals import files_of, git
from tests.support.serving import SIGNAL, open_one

DAY = "2025-01-02"
WEIGHTS = {"600519.SH": "0.5", "000001.SZ": "0.25"}
TEXT = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
PATH = "/strategies/alpha/signals"
Headers = Mapping[str, str]


def post(web: httpx.Client, headers: Headers, signals: Any = SIGNAL) -> Any:
    answer = web.post(PATH, json={"trade_date": DAY, "signals": signals}, headers=dict(headers))
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def check(home: Home, folder: Path, receipt: dict[str, str]) -> bool:
    """Whether ssh-keygen takes a receipt, by the journal's own keys at the time of its receipt."""
    require_ssh_keygen()
    (folder / "signers").write_text(git(home.journal.path, "show", "HEAD:allowed_signers") + "\n")
    (folder / "signature").write_text(receipt["signature"])
    at = "".join(sign for sign in json.loads(receipt["text"])["received_at"].split(".")[0] if sign.isdigit())
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "countersign", "-n", "countersign-receipt"]
    command += ["-s", "signature", "-O", f"verify-time={at}Z"]
    return subprocess.run(command, cwd=folder, input=receipt["text"].encode(), check=False).returncode == 0


@pytest.fixture
def alpha(web: httpx.Client, me: dict[str, str]) -> str:
    """A strategy of key `me`, by its slug."""
    return str(open_one(web, me)["slug"])


@pytest.mark.usefixtures("alpha")
def test_a_receipt_agrees_with_ssh_keygen_and_the_journal(
    desk: Home, web: httpx.Client, me: Headers, tmp_path: Path
) -> None:
    answer = post(web, me)
    assert not answer["attestation"]["committed"]
    seal_pending(desk, NINE)
    receipt = answer["receipt"]
    assert json.loads(receipt["text"]) == {
        "strategy": "alpha",
        "session": DAY,
        "revision": 1,
        "signal_hash": answer["signal_hash"],
        "received_at": "2025-01-02T01:00:00.000000Z",
    }
    assert receipt["text"].encode() == canonical(json.loads(receipt["text"]))
    assert check(desk, tmp_path, receipt)
    assert not check(desk, tmp_path, receipt | {"text": receipt["text"].replace(DAY, "2025-01-03")})
    # The hash, from the salt and the body that was sent.
    signals = [{"symbol": symbol, "weight": weight} for symbol, weight in sorted(WEIGHTS.items())]
    sealed = {"revision": 1, "salt": answer["salt"], "session": DAY, "signals": signals, "strategy": "alpha"}
    assert hashlib.sha256(b"countersign/signal/v1\n" + canonical(sealed)).hexdigest() == answer["signal_hash"]
    # The same again, and in the owner's list: byte for byte.
    assert post(web, me, SIGNAL[::-1])["receipt"] == receipt
    [listed] = web.get(PATH, headers=dict(me)).json()["signals"]
    assert (listed["salt"], listed["receipt"]) == (answer["salt"], receipt)
    kept = tmp_path / "receipts"
    kept.mkdir()
    (kept / "answer.json").write_text(json.dumps(answer))
    assert verify_journal(desk.journal.path, receipts=kept).faults == ()


@pytest.mark.usefixtures("alpha")
def test_the_docs_commands_recompute_the_hash_of_a_receipt(web: httpx.Client, me: Headers, tmp_path: Path) -> None:
    program = re.findall(r"^    import hashlib.*?(?=^\S)", TEXT, re.DOTALL | re.MULTILINE)
    for signals in (SIGNAL, [{"symbol": "600519.SH", "weight": 1}], [{"symbol": "600519.SH", "weight": 0.00001}]):
        (tmp_path / "request.json").write_text(json.dumps({"trade_date": DAY, "signals": signals}))
        answer = post(web, me, signals)
        for salt, holds in ((answer["salt"], True), ("0" * 32, False)):
            (tmp_path / "answer.json").write_text(json.dumps(answer | {"salt": salt}))
            command = [sys.executable, "-c", textwrap.dedent(program[0])]
            assert (subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0) is holds


@pytest.mark.usefixtures("alpha")
def test_a_signal_taken_back_leaves_its_receipt_behind(
    desk: Home, web: httpx.Client, me: Headers, tmp_path: Path
) -> None:
    (tmp_path / "taken-back.json").write_text(json.dumps(post(web, me)))
    assert web.delete(f"{PATH}/{DAY}", headers=dict(me)).status_code == 200
    post(web, me, SIGNAL[:1])
    seal_pending(desk, NINE)
    [fault] = verify_journal(desk.journal.path, receipts=tmp_path).faults
    assert fault.kind is FaultKind.RECEIPT_LEFT_OUT


@pytest.mark.usefixtures("alpha")
def test_nobody_else_sees_salt_or_receipt(
    desk: Home, web: httpx.Client, me: Headers, other: Headers, caplog: pytest.LogCaptureFixture
) -> None:
    answer = post(web, me)
    seal_pending(desk, NINE)
    assert web.get(PATH, headers=dict(other)).status_code == 404
    public = web.get("/public/strategies/alpha/verify", params={"date": DAY})
    for content in (public.content, caplog.text.encode(), *files_of(desk.journal.path).values()):
        assert answer["salt"].encode() not in content


@pytest.mark.usefixtures("alpha")
def test_after_a_rotation_the_new_key_signs_the_same_text(
    desk: Home, web: httpx.Client, me: Headers, tmp_path: Path
) -> None:
    before = post(web, me)
    seal_pending(desk, NINE)
    desk.clock.set(NINE + timedelta(minutes=1))
    rotate_key(desk)
    after = post(web, me)
    assert before["receipt"]["text"] == after["receipt"]["text"]
    assert before["receipt"]["signature"] != after["receipt"]["signature"]
    for name, answer in (("before", before), ("after", after)):
        (tmp_path / f"{name}.json").write_text(json.dumps(answer))
    assert verify_journal(desk.journal.path, receipts=tmp_path).faults == ()


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize("hurt", [lambda key: key.unlink(), lambda key: key.chmod(0o644)])
def test_without_a_key_a_recorded_signal_stays_recorded(desk: Home, web: httpx.Client, me: Headers, hurt: Any) -> None:
    key = desk.journal.keys / KEY_FILE
    content = key.read_bytes()
    hurt(key)
    answer = post(web, me)
    assert answer["receipt"] is None
    assert answer["salt"]
    key.unlink(missing_ok=True)
    key.write_bytes(content)
    key.chmod(0o600)
    assert post(web, me)["receipt"]
