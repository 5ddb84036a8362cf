"""Timestamp responses written by hand, byte by byte: the parts that are mended, and those that are let be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.attestation.timestamp_responses import strict


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    return bytes([tag, size] if size < 128 else [tag, 0x82, size >> 8, size & 255]) + content


def response(status: int, *certificates: bytes) -> bytes:
    """A status, and signed data that hold a version, certificates and a signer, as far as they matter here."""
    signed_data = element(0x30, b"\x02\x01\x03", element(0xA0, *certificates), element(0x31, b"\x02\x01\x09"))
    token = element(0x30, b"\x06\x01\x2a", element(0xA0, signed_data))
    return element(0x30, element(0x30, bytes([2, 1, status])), token)


ROOT, SIGNER = element(0x30, b"r" * 100), element(0x30, b"s" * 200)
assert ROOT < SIGNER


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (response(0, ROOT, SIGNER), response(0, ROOT, SIGNER)),
        (response(0, SIGNER, ROOT), response(0, ROOT, SIGNER)),
        (response(1, SIGNER, ROOT), response(0, ROOT, SIGNER)),
        (response(0), response(0)),
        (response(2, ROOT, SIGNER), response(2, ROOT, SIGNER)),
        (element(0x30, element(0x30, b"\x02\x01\x01")), element(0x30, element(0x30, b"\x02\x01\x00"))),
    ],
    ids=["strict", "chain", "modifications", "no certificate", "rejection", "no token"],
)
def test_only_the_status_and_the_order_are_mended(before: bytes, after: bytes) -> None:
    assert strict(before) == after


@settings(max_examples=100)
@given(st.binary(max_size=40), st.integers(0, 400))
def test_bytes_that_are_no_response_are_let_be(junk: bytes, cut: int) -> None:
    assert strict(junk[:1] + b"\x84" + junk) == junk[:1] + b"\x84" + junk
    whole = response(1, SIGNER, ROOT)
    assert strict(whole[: min(cut, len(whole) - 1)]) == whole[: min(cut, len(whole) - 1)]
