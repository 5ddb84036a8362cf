"""Signatures made by ssh-keygen, checked here; and other texts that a commit could carry."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation.signers import read_signers
from countersign.models.ssh import armor, read_public_key, read_signature
from countersign.store.journal.ssh_signatures import check_signature, commit_signature
from tests.support.handmade_journal import Key

MESSAGE = b"tree 1\n\nmessage\n"


def sign(key: Key, *options: str, namespace: str = "git") -> bytes:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key.path), "-n", namespace, *options]
    return subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """A key made by ssh-keygen."""
    return Key.make(tmp_path / "key")


@pytest.mark.parametrize("options", [[], ["-O", "hashalg=sha256"], ["-O", "hashalg=sha512"]])
def test_a_signature_by_ssh_keygen_is_valid(key: Key, options: list[str]) -> None:
    signature = check_signature(sign(key, *options), MESSAGE)
    (signer,) = read_signers(key.line().encode())
    assert (signature.valid, signature.key) == (True, signer.key)
    assert not check_signature(sign(key, *options), MESSAGE + b"!").valid


def test_a_signature_in_another_namespace_is_invalid(key: Key) -> None:
    assert not check_signature(sign(key, namespace="file"), MESSAGE).valid


def test_a_key_of_another_type_is_invalid(tmp_path: Path) -> None:
    path = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(path)], check=True)
    assert not check_signature(sign(Key(path)), MESSAGE).valid


def test_two_signatures_are_invalid(key: Key) -> None:
    header = "gpgsig " + sign(key).decode().rstrip("\n").replace("\n", "\n ") + "\n"
    found = commit_signature(b"tree 1\n" + header.encode() + b"\nmessage\n")
    assert found is not None
    assert found.valid
    twice = commit_signature(b"tree 1\n" + 2 * header.encode() + b"\nmessage\n")
    assert twice is not None
    assert not twice.valid
    assert commit_signature(b"tree 1\n\n" + header.encode()) is None


@given(st.binary(max_size=300))
def test_noise_is_never_valid_and_never_an_error(noise: bytes) -> None:
    armored = b"-----BEGIN SSH SIGNATURE-----\n" + noise + b"\n-----END SSH SIGNATURE-----\n"
    assert not check_signature(armored, MESSAGE).valid
    assert not check_signature(noise, MESSAGE).valid
    found = commit_signature(b"tree 1\ngpgsig " + noise.replace(b"\n", b"\n ") + b"\n\nmessage")
    assert found is None or not found.valid


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("{}", 1),
        ('a,b namespaces="file,git" {}', 1),
        ('a valid-after="20250101",valid-before="202601010000Z" {} somebody', 1),
        ('a namespaces="file" {}', 0),
        ("a cert-authority {}", 0),
        ('a valid-after="soon" {}', 0),
        ("# a {}", 0),
        ("", 0),
        ("a ssh-ed25519 ???", 0),
    ],
)
def test_a_line_of_allowed_signers_gives_its_key_or_none(key: Key, line: str, keys: int) -> None:
    public = " ".join(key.path.with_suffix(".pub").read_text().split()[:2])
    text = line.format(public)
    assert len(read_signers((text if text.startswith("a") or keys == 0 else f"x {text}").encode())) == keys


def test_a_signature_and_a_key_have_one_spelling(key: Key) -> None:
    signature, line = sign(key).decode(), Path(f"{key.path}.pub").read_text()
    assert read_signature(signature) == signature
    assert read_signature(" " + signature.replace("\n", "\r\n")) == signature
    assert line.startswith(read_public_key(line))
    assert (
        len({read_public_key(each) for each in (line, f"  {line}", line.replace(" ", "\t"), f"{line.strip()} me@home")})
        == 1
    )


@given(st.text(max_size=300), st.binary(max_size=300))
def test_spelling_again_changes_nothing_and_noise_is_a_value_error(text: str, noise: bytes) -> None:
    once = read_signature(armor(b"SSHSIG\x00\x00\x00\x01" + noise))
    assert read_signature(once) == once
    for read in (read_signature, read_public_key):
        with pytest.raises(ValueError, match=r"^expected "):
            read(text)
