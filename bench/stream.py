"""The stream of signals: 1,000 readers of one process of the api, an event to all of them, and a burst of 200.

Readers are raw sockets in a process of their own, on this machine too. Beside our own answer the same hub is served
through Starlette's StreamingResponse and FastAPI's EventSourceResponse. BENCH_RUNS: how often (5).
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import numpy as np
import psutil
from fastapi import Depends, FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import StreamingResponse

from api.app import create_app
from api.hub import Hub
from api.identity import Account
from api.limits import credential
from bench.report import figure
from deployments.parts import wait_until_ready
from deployments.server import free_port
from deployments.web import api_part
from domain.streams import Filter
from models.users import User
from store.accounts import create_key
from store.home import Home
from tests.support.feeds import NOON, enter
from tests.support.homes import make_home
from tests.support.streaming import bring

READERS, A_KEY, BURST = 1_000, 10, 200
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
OURS, STREAMING, SSE = "/v1/signals", "/peers/streaming", "/peers/sse"
NAMES = {OURS: "stream", STREAMING: "stream through StreamingResponse", SSE: "stream through EventSourceResponse"}
GIB = 1024**3


def main() -> None:
    """Print one JSON line a figure."""
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home"
        home = make_home(path, f"sqlite:///{path / 'ledger.db'}")
        source, keys = enter(home, "feed", "https://feed.example"), make_keys(home)
        for route in (OURS, STREAMING, SSE):
            measure(home, source, keys, route)


def make_keys(home: Home) -> list[str]:
    """Make as many keys as the readers need."""
    with home.ledger.write() as db:
        user = User(nickname="bench", created_at=NOON)
        db.add(user)
        db.flush()
        return [create_key(db, user.id, "bench", NOON)[1] for _ in range(READERS // A_KEY)]


def measure(home: Home, source: int, keys: list[str], route: str) -> None:
    """Let all readers listen to one route, and time what they get."""
    port, ours = free_port(), route == OURS
    part = api_part(home.path, port=port)
    if not ours:
        words = (word.replace("api.app:create_app", "bench.stream:create_peers") for word in part.arguments)
        part = replace(part, arguments=tuple(words))
    child = part.start()
    here, there = multiprocessing.Pipe()
    readers = multiprocessing.get_context("spawn").Process(target=read_all, args=(port, route, keys, there))
    try:
        wait_until_ready(part, child)
        process = psutil.Process(child.identity.pid)
        readers.start()
        assert here.recv() == "listening"
        singles = [bringing(home, source, here, 1) for _ in range(RUNS)]
        used = sum(process.cpu_times()[:2])
        bursts = [bringing(home, source, here, BURST) for _ in range(RUNS)]
        used = sum(process.cpu_times()[:2]) - used
        memory = process.memory_info().rss
    finally:
        readers.kill()
        readers.join()
        child.stop(part.patience_seconds)
    name, must = NAMES[route], 1.0 if ours else None
    for words, share in (("all", 1.0), ("p99", 0.99), ("p50", 0.5)):
        runs = [float(np.quantile(waits, share)) for waits in singles]
        limit = must if share == 1 else None
        figure(f"{name}, one event to {READERS} readers, {words}", runs, "s", must=limit, better="lower")
    runs = [max(waits) for waits in bursts]
    figure(f"{name}, {BURST} events to {READERS} readers, all", runs, "s", must=None, better="lower")
    cpu = used / RUNS / READERS / BURST * 1e6
    figure(f"{name}, CPU time for an event and a reader in a burst", [cpu], "µs", must=None, better="lower")
    figure(f"{name}, memory of the api", [memory / GIB], "GiB", must=must, better="lower")


numbers = iter(range(1, 10**6))


def bringing(home: Home, source: int, readers: Connection, count: int) -> list[float]:
    """Store signals; return how many seconds after the beginning of it each reader had the last one."""
    ids = [next(numbers) for _ in range(count)]
    readers.send((count, f'"external_id":"{ids[-1]:06}"'.encode()))
    assert readers.recv() == "waiting"
    began = monotonic()
    bring(home, source, *ids)
    times: list[float] = readers.recv()
    return [at - began for at in times]


def read_all(port: int, route: str, keys: list[str], owner: Connection) -> None:
    """Be all readers, in this process."""
    asyncio.run(_read_all(port, route, keys, owner))


async def _read_all(port: int, route: str, keys: list[str], owner: Connection) -> None:
    lines = []
    for start in range(0, READERS, 50):
        lines += await asyncio.gather(
            *(_open(port, route, keys[n % len(keys)]) for n in range(start, min(start + 50, READERS)))
        )
    owner.send("listening")
    while True:
        count, last = await asyncio.to_thread(owner.recv)
        waiting = [asyncio.create_task(_arrival(reader, count, last)) for reader in lines]
        await asyncio.sleep(0)
        owner.send("waiting")
        owner.send(await asyncio.gather(*waiting))


async def _open(port: int, route: str, key: str) -> asyncio.StreamReader:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET {route} HTTP/1.1\r\nHost: bench\r\nx-api-key: {key}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    await reader.readuntil(b"id: ")
    reader._writer = writer  # type: ignore[attr-defined] # to keep the connection
    return reader


async def _arrival(reader: asyncio.StreamReader, count: int, last: bytes) -> float:
    """Return when the last signal arrived; all of them must, and none twice."""
    text = b""
    while last not in text:
        part = await reader.read(1 << 18)
        assert part, "the stream ended"
        text += part
    at = monotonic()
    assert text.count(b'"external_id"') == count
    return at


def create_peers() -> FastAPI:
    """Make the api with two more routes to the same hub, by the frameworks' own means."""
    app = create_app()
    hub: Hub = app.state.countersign.hub

    async def listen(request: Request, _user: Account) -> AsyncIterator[bytes]:
        async def chunks() -> AsyncIterator[bytes]:
            with hub.joined(Filter(), credential(request.scope) or "") as listener:
                async for chunk in hub.read(listener, None):
                    yield chunk

        return chunks()

    Chunks = Annotated[Any, Depends(listen)]  # noqa: N806 - a type

    @app.get(STREAMING)
    async def streaming(chunks: Chunks) -> StreamingResponse:
        return StreamingResponse(chunks, media_type="text/event-stream")

    @app.get(SSE, response_class=EventSourceResponse)
    async def sse(chunks: Chunks) -> AsyncIterator[ServerSentEvent]:
        async for chunk in chunks:
            for block in chunk.decode().split("\n\n")[:-1]:
                fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
                yield ServerSentEvent(raw_data=fields.get("data", "{}"), id=fields["id"])

    return app


if __name__ == "__main__":
    sys.exit(main())
