"""RFC 3161 responses as authorities write them, made fit for a strict reader. Pure.

Sealer and verifier both read a response this way, so that the verifier refuses no response that the sealer keeps. The
signed part stays as it is; the journal keeps the response as it came.
"""

from collections.abc import Iterator
from typing import NamedTuple

CERTIFICATES = 0xA0
LONG_FORM = 0x80
GRANTED, GRANTED_WITH_MODS = b"\x02\x01\x00", b"\x02\x01\x01"


class Element(NamedTuple):
    """Bounds of an element of DER: its beginning, the beginning of its content, and the end of both."""

    tag: int
    start: int
    content: int
    end: int


def strict(response: bytes) -> bytes:
    """A response with its certificates in the order of DER, and `granted with modifications` as `granted`.

    Many authorities send the certificates in the order of their chain, as `openssl ts -chain` does. The token, not the
    status, shows whether the request was granted as asked. Bytes that are no response are returned as they are.
    """
    try:
        (whole,) = _elements(response, 0, len(response))
        status_info, *token = _parts(response, whole)
        status, *_ = _parts(response, status_info)
        fields = [field for info in token for field in _signed_data(response, info)]
        certificates = [field for field in fields if field.tag == CERTIFICATES]
        for each in certificates:
            response = _sorted(response, each)
    except ValueError:
        return response
    if response[status.start : status.end] == GRANTED_WITH_MODS:
        response = response[: status.start] + GRANTED + response[status.end :]
    return response


def _signed_data(text: bytes, content_info: Element) -> list[Element]:
    _, explicit = _parts(text, content_info)
    (signed_data,) = _parts(text, explicit)
    return _parts(text, signed_data)


def _sorted(text: bytes, parent: Element) -> bytes:
    parts = sorted(text[part.start : part.end] for part in _parts(text, parent))
    return text[: parent.content] + b"".join(parts) + text[parent.end :]


def _parts(text: bytes, parent: Element) -> list[Element]:
    return list(_elements(text, parent.content, parent.end))


def _elements(text: bytes, start: int, end: int) -> Iterator[Element]:
    """The elements between two places; ValueError where they do not fill the space."""
    while start < end:
        tag, size, content = text[start], int.from_bytes(text[start + 1 : start + 2]), start + 2
        if size & LONG_FORM:
            content += size & ~LONG_FORM
            size = int.from_bytes(text[start + 2 : content])
        if content + size > end:
            raise ValueError(f"an element of {size} bytes at {start} ends after {end}")
        yield Element(tag, start, content, content + size)
        start = content + size
