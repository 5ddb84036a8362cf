"""Load over HTTP: keep-alive connections that each send their requests one after the other, or at a given rate."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Answer:
    """One answer: its code and body, and the seconds it took."""

    code: int
    body: bytes
    seconds: float


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """Write one HTTP/1.1 request down."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def rush(port: int, clients: Sequence[Sequence[bytes]]) -> list[Answer]:
    """Let each client send its requests as fast as they are answered; return all answers."""
    return [answer for each in await asyncio.gather(*(_client(port, own) for own in clients)) for answer in each]


async def paced(port: int, requests: Sequence[bytes], per_second: float, connections: int) -> list[Answer]:
    """Send requests at a rate, on whichever connection is free.

    The time of an answer counts from when its request was due, so that a server that stalls cannot hide it.
    """
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    start = perf_counter() + 0.05

    async def one(n: int, sent: bytes) -> Answer:
        due = start + n / per_second
        await asyncio.sleep(max(0.0, due - perf_counter()))
        line = await free.get()
        answer = await _exchange(*line, sent)
        free.put_nowait(line)
        return Answer(answer.code, answer.body, perf_counter() - due)

    answers = await asyncio.gather(*(one(n, sent) for n, sent in enumerate(requests)))
    while not free.empty():
        free.get_nowait()[1].close()
    return answers


def saturate(port: int, requests: Sequence[bytes], connections: int = 8) -> float:
    """Keep a server busy and return its answers a second.

    Each connection has one request on its way at a time. Blocking sockets, and an answer's end is known from the length
    of the answer to the same request before: a client that parses would be the slower of the two.
    """
    sizes = asyncio.run(_sizes(port, sorted(set(requests))))
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    buffer = bytearray(max(sizes.values()))
    started = perf_counter()
    for start in range(0, len(requests), connections):
        batch = list(zip(lines, requests[start : start + connections], strict=False))
        for line, sent in batch:
            line.sendall(sent)
        for line, sent in batch:
            taken = line.recv_into(buffer, sizes[sent], socket.MSG_WAITALL)
            assert (taken, bytes(buffer[:9])) == (sizes[sent], b"HTTP/1.1 ")
    seconds = perf_counter() - started
    for line in lines:
        line.close()
    return len(requests) / seconds


async def _sizes(port: int, requests: Sequence[bytes]) -> dict[bytes, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sizes = {}
    for sent in requests:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        sizes[sent] = len(head) + len(await reader.readexactly(_body_length(head)))
    writer.close()
    return sizes


async def _client(port: int, requests: Sequence[bytes]) -> list[Answer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = [await _exchange(reader, writer, sent) for sent in requests]
    writer.close()
    return answers


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> Answer:
    started = perf_counter()
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    code = int(head[9:12])
    body = await reader.readexactly(_body_length(head))
    return Answer(code, body, perf_counter() - started)


def _body_length(head: bytes) -> int:
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return int(lengths[0].partition(b":")[2]) if lengths else 0
