"""A strategy with its owner's key over HTTP: signed with ssh-keygen as the docs say, and nothing else is taken."""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from countersign.models.tables.signals import Signal
from countersign.services.attestation.sealing import seal_pending
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from tests.api.conftest import NINE
from tests.support.handmade_journal import Key
from tests.support.serving import SIGNAL, open_one

DAY = "2025-01-02"
TEXT = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
PATH = "/strategies/alpha/signals"
Headers = Mapping[str, str]
# Makes a request's body: weights, and the parts of it to sign otherwise.
Sign = Callable[..., dict[str, Any]]


@pytest.fixture
def sign(tmp_path: Path, key: Key) -> Sign:
    """The program of the docs, run beside the key `owner`."""
    [program] = re.findall(r"^    import hashlib, json, secrets.*?(?=^\S)", TEXT, re.DOTALL | re.MULTILINE)
    assert key.path == tmp_path / "owner"

    def make(signals: Any = SIGNAL, revision: int = 1, strategy: str = "alpha") -> dict[str, Any]:
        (tmp_path / "request.json").write_text(json.dumps({"trade_date": DAY, "signals": signals}))
        command = [sys.executable, "-c", textwrap.dedent(program), strategy, str(revision)]
        subprocess.run(command, cwd=tmp_path, check=True)
        body: dict[str, Any] = json.loads((tmp_path / "request.json").read_text())
        return body

    return make


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """The owner's key."""
    return Key.make(tmp_path / "owner")


@pytest.fixture
def alpha(web: httpx.Client, me: dict[str, str], key: Key) -> str:
    """A strategy with the owner's key, as `owner_key` shows it."""
    return str(open_one(web, me, owner_key=public(key))["owner_key"])


def public(key: Key) -> str:
    return Path(f"{key.path}.pub").read_text()


def count(home: Home) -> int:
    with home.ledger.read() as db:
        return len(db.exec(select(Signal)).all())


def test_the_key_is_shown_without_its_comment(web: httpx.Client, alpha: str, key: Key) -> None:
    assert alpha.split() == public(key).split()[:2]
    [shown] = web.get("/public/strategies").json()["strategies"]
    assert shown["owner_key"] == alpha


@pytest.mark.usefixtures("alpha")
def test_signed_signals_are_taken_sealed_and_verified(desk: Home, web: httpx.Client, me: Headers, sign: Sign) -> None:
    weights: list[Any] = [SIGNAL, [{"symbol": "600519.SH", "weight": 1}], [{"symbol": "600519.SH", "weight": 0.00001}]]
    for revision, signals in enumerate(weights, 1):
        body = sign(signals, revision)
        for status in (201, 200):
            answer = web.post(PATH, json=body, headers=dict(me))
            assert (answer.status_code, answer.json()["revision"]) == (status, revision), answer.text
        assert answer.json()["salt"] == body["signed"]["salt"]
        assert answer.json()["owner_signature"] == body["signed"]["signature"]
    seal_pending(desk, NINE)
    report = verify_journal(desk.journal.path)
    assert (report.faults, [signal.owner_signed for signal in report.signals]) == ((), [True] * 3)
    listed = web.get(PATH, headers=dict(me)).json()["signals"]
    assert listed[0]["owner_signature"] == body["signed"]["signature"]


REFUSED: dict[str, tuple[Callable[[Sign, Key], dict[str, Any]], int, str]] = {
    "unsigned": (lambda _, __: {"trade_date": DAY, "signals": SIGNAL}, 400, "signed: alpha takes only signals"),
    "another portfolio": (lambda sign, _: sign() | {"signals": SIGNAL[:1]}, 400, "signed.signature: expected one of "),
    "another strategy": (lambda sign, _: sign(strategy="beta"), 400, "signed.signature: expected one of "),
    "a revision too far": (lambda sign, _: sign(revision=2), 409, "signed.revision: expected 1 for alpha"),
    "another key": (
        lambda sign, key: Key.make(_elsewhere(key).path) and sign(),
        400,
        "signed.signature: expected one by SHA256:",
    ),
    "no signature at all": (lambda sign, _: _signature(sign(), "none"), 422, "expected what ssh-keygen -Y sign writes"),
    "a salt in capitals": (lambda sign, _: _signed(sign(), salt="A" * 32), 422, "String should match pattern"),
    "a salt alone": (lambda sign, _: _only(sign(), "salt"), 422, "Field required"),
}


def _elsewhere(key: Key) -> Key:
    """Move a key away, so that another one can be made in its place."""
    for path in (key.path, Path(f"{key.path}.pub")):
        path.rename(path.with_name(f"first-{path.name}"))
    return key


def _signed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return body | {"signed": body["signed"] | changes}


def _signature(body: dict[str, Any], signature: str) -> dict[str, Any]:
    return _signed(body, signature=signature)


def _only(body: dict[str, Any], name: str) -> dict[str, Any]:
    return body | {"signed": {name: body["signed"][name]}}


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize("case", REFUSED)
def test_a_signal_that_the_owner_did_not_sign_is_refused_and_not_stored(
    case: str, desk: Home, web: httpx.Client, me: Headers, sign: Sign, key: Key
) -> None:
    make, status, why = REFUSED[case]
    answer = web.post(PATH, json=make(sign, key), headers=dict(me))
    assert (answer.status_code, why in answer.text) == (status, True), answer.text
    assert count(desk) == 0
    assert web.get("/strategies/alpha", headers=dict(me)).json()["status"] == "pending"


@pytest.mark.usefixtures("alpha")
def test_a_number_that_is_used_names_the_next_one(desk: Home, web: httpx.Client, me: Headers, sign: Sign) -> None:
    assert web.post(PATH, json=sign(), headers=dict(me)).status_code == 201
    # A salt of its own makes it another signal under the same number.
    again = web.post(PATH, json=sign(), headers=dict(me))
    assert (again.status_code, "expected 2 for alpha and 2025-01-02, got 1" in again.text) == (409, True)
    # The same portfolio, signed as the next revision, is known already.
    known = web.post(PATH, json=sign(revision=2), headers=dict(me))
    assert (known.status_code, known.json()["revision"], count(desk)) == (200, 1, 1)


@pytest.mark.usefixtures("alpha")
def test_a_signed_signal_is_not_taken_back(desk: Home, web: httpx.Client, me: Headers, sign: Sign) -> None:
    web.post(PATH, json=sign(), headers=dict(me))
    answer = web.delete(f"{PATH}/{DAY}", headers=dict(me))
    assert (answer.status_code, "is signed by its owner and cannot be deleted" in answer.text, count(desk)) == (
        400,
        True,
        1,
    ), answer.text


def test_a_signature_for_a_strategy_without_a_key_is_refused(
    web: httpx.Client, me: Headers, desk: Home, sign: Sign
) -> None:
    open_one(web, dict(me))
    answer = web.post(PATH, json=sign(), headers=dict(me))
    assert (answer.status_code, "signed: alpha has no owner_key" in answer.text, count(desk)) == (400, True, 0)


def test_the_key_can_be_given_until_the_first_signal(web: httpx.Client, me: Headers, key: Key, sign: Sign) -> None:
    open_one(web, dict(me))
    for given in (public(key), None, public(key)):
        answer = web.patch("/strategies/alpha", json={"owner_key": given}, headers=dict(me))
        assert (answer.status_code, bool(answer.json()["owner_key"])) == (200, given is not None)
    assert web.post(PATH, json=sign(), headers=dict(me)).status_code == 201
    for given in (public(key), None):
        answer = web.patch("/strategies/alpha", json={"owner_key": given}, headers=dict(me))
        assert (answer.status_code, "owner_key: alpha is active" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("line", ["ssh-rsa AAAA", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 é", ""])
def test_a_key_of_another_type_is_refused_with_an_example(web: httpx.Client, me: Headers, line: str) -> None:
    answer = web.post("/strategies", json={"name": "a", "slug": "alpha", "owner_key": line}, headers=dict(me))
    assert (answer.status_code, "such as ssh-ed25519 AAAA" in answer.text) == (422, True)


@pytest.mark.usefixtures("alpha")
def test_the_proofs_command_checks_the_owners_signature(
    desk: Home, web: httpx.Client, me: Headers, sign: Sign, tmp_path: Path
) -> None:
    web.post(PATH, json=sign(), headers=dict(me))
    seal_pending(desk, NINE)
    proof = web.get("/public/strategies/alpha/verify", params={"date": DAY})
    [command] = [step["command"] for step in proof.json()["how_to_verify"] if "ssh-keygen" in step["command"]]
    fetch, _, rest = command.partition(" | ")
    assert fetch.startswith("curl -fsS ")
    for text, holds in ((proof.text, True), (proof.text.replace('"signal_hash":"', '"signal_hash":"0'), False)):
        (tmp_path / "proof.json").write_text(text)
        run = subprocess.run(["bash", "-c", f"cat proof.json | {rest}"], cwd=tmp_path, capture_output=True, check=False)
        assert (run.returncode == 0) is holds, run.stderr
