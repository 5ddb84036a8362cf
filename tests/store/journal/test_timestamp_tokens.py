"""Tokens by an authority that openssl plays, in a journal made by hand."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.domain.attestation.journal import FaultKind
from countersign.models.errors import InputError
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import report_json, verify_journal
from tests.support.handmade_journal import Handmade
from tests.support.worked_example import LATER

CONFIG = """
[tsa]
serial = {folder}/serial
default_policy = 1.2.3.4
signer_digest = sha256
digests = sha256
accuracy = secs:1
[ext]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
"""


class Authority:
    """A certificate of its own issuer, and tokens of the present moment."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl on this machine")
        folder.mkdir()
        self.folder, self.certificates = folder, folder / "ca.pem"
        (folder / "serial").write_text("01\n")
        (folder / "config").write_text(CONFIG.format(folder=folder))
        new = "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Root"
        self.openssl(*new.split())
        self.openssl(
            *["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority"]
        )
        signed = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 20"
        self.openssl(*signed.split(), "-extfile", "config", "-extensions", "ext")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def stamp(self, content: bytes) -> bytes:
        (self.folder / "data").write_bytes(content)
        self.openssl(*["ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query"])
        reply = "ts -reply -queryfile query -inkey tsa.key -signer tsa.pem -out reply -config config"
        self.openssl(*reply.split(), "-section", "tsa")
        return (self.folder / "reply").read_bytes()


def sealed_now(folder: Path) -> tuple[Handmade, str, datetime]:
    """A journal with one seal, made now for a session some days ahead."""
    now = datetime.now(UTC).replace(microsecond=0)
    session = str((now + timedelta(days=5)).date())
    journal = Handmade.make(folder)
    journal.terms("alpha", now)
    journal.seal("alpha", session, LATER, now)
    return journal, journal.commit(now), now


def content_of(journal: Handmade, commit: str) -> bytes:
    done = subprocess.run(["git", "cat-file", "commit", commit], cwd=journal.path, capture_output=True, check=True)
    return done.stdout


def put(journal: Handmade, commit: str, token: bytes, now: datetime) -> None:
    journal.write(f"timestamps/{commit[:2]}/{commit}.openssl.tsr", token)
    journal.commit(now)


def test_a_token_is_evidence_once_its_authority_is_trusted(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "authority"), Authority(tmp_path / "other")
    journal, commit, now = sealed_now(tmp_path)
    put(journal, commit, authority.stamp(content_of(journal, commit)), now)
    unchecked = verify_journal(journal.path)
    assert ([str(s.evidence) for s in unchecked.signals], unchecked.tokens_unchecked) == (["server_only"], 1)
    assert unchecked.holds
    path = f"timestamps/{commit[:2]}/{commit}.openssl.tsr"
    (token,) = report_json(unchecked)["signals"][0]["tokens"]
    assert (token["path"], token["checked"]) == (path, False)
    assert now <= token["stamped_at"] <= datetime.now(UTC)
    assert "1 timestamp tokens not checked" in render_report(unchecked)
    checked = verify_journal(journal.path, authorities=[other.certificates, authority.certificates])
    assert ([str(s.evidence) for s in checked.signals], checked.tokens_checked) == (["tsa"], 1)
    assert checked.holds
    assert report_json(checked)["signals"][0]["tokens"] == [token | {"checked": True}]
    distrusted = verify_journal(journal.path, authorities=[other.certificates])
    assert [(f.kind, f.commit) for f in distrusted.faults] == [(FaultKind.BAD_TIMESTAMP, commit)]
    assert [(str(s.evidence), s.tokens) for s in distrusted.signals] == [("server_only", ())]


def test_a_token_of_other_bytes_is_bad_and_one_of_a_missing_commit_shows_the_loss(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    journal, commit, now = sealed_now(tmp_path)
    put(journal, commit, authority.stamp(b"something else"), now)
    put(journal, "f" * 40, authority.stamp(b"whatever"), now)
    report = verify_journal(journal.path, authorities=[authority.certificates])
    found = {(fault.kind, fault.commit) for fault in report.faults}
    assert found == {(FaultKind.BAD_TIMESTAMP, commit), (FaultKind.COMMIT_DROPPED, "f" * 40)}


@pytest.mark.parametrize("token", [b"", b"junk", b"0\x82\xff\xff", b"\x30\x03\x02\x01\x00"])
def test_a_token_of_junk_is_a_bad_timestamp(tmp_path: Path, token: bytes) -> None:
    journal, commit, now = sealed_now(tmp_path)
    put(journal, commit, token, now)
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.commit) == (FaultKind.BAD_TIMESTAMP, commit)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(InputError, match="tsa-ca: expected a file of PEM certificates"):
        verify_journal(tmp_path, authorities=[tmp_path / "ca.pem"])
