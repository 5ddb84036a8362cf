"""Timestamp authorities: RFC 3161 tokens over HTTP. The verifier decides which to trust.

The answer is checked against the request here: granted, the same hash, the same nonce, and with the certificate that a
verifier needs.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from rfc3161_client import HashAlgorithm, PKIStatus, TimestampRequestBuilder, decode_timestamp_response

from countersign.domain.attestation.timestamp_responses import strict
from countersign.models.errors import SourceBusy, SourceRefused

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class StampedToken:
    """A whole response of an authority (DER) and the time it swears to."""

    response: bytes
    stamped_at: datetime


def request_token(client: httpx.Client, url: str, stamped: bytes) -> StampedToken:
    """Ask an authority to stamp the SHA-256 of some bytes.

    SourceBusy if it cannot be reached or does not answer; SourceRefused if it refuses, or its answer is no token for
    the request.
    """
    asked = TimestampRequestBuilder().data(stamped).hash_algorithm(HashAlgorithm.SHA256).build()
    headers = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}
    try:
        answer = client.post(url, content=asked.as_bytes(), headers=headers, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise SourceBusy(f"{_host(url)}: {type(error).__name__}") from error
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise SourceBusy(f"{_host(url)}: HTTP {answer.status_code}")
    if not answer.is_success or len(answer.content) > MAX_BYTES:
        raise SourceRefused(f"{_host(url)}: expected a timestamp response, got HTTP {answer.status_code}")
    try:
        response = decode_timestamp_response(strict(answer.content))
        info = response.tst_info if response.status == PKIStatus.GRANTED else None
    except ValueError as error:
        raise SourceRefused(f"{_host(url)}: expected a timestamp response ({error})") from error
    if info is None:
        raise SourceRefused(f"{_host(url)}: refused with status {response.status}")
    if info.message_imprint.message != hashlib.sha256(stamped).digest() or info.nonce != asked.nonce:
        raise SourceRefused(f"{_host(url)}: the token is for something else than was asked")
    if not response.signed_data.certificates:
        raise SourceRefused(f"{_host(url)}: the token lacks the authority's certificate, which was asked for")
    return StampedToken(answer.content, info.gen_time.astimezone(UTC))


def _host(url: str) -> str:
    return f"timestamp authority {httpx.URL(url).host}"
