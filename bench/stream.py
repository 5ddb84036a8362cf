"""The stream of signals: 1,000 readers of one process of the api, one event to all of them, and a burst of 200.

Readers are raw sockets in a process of their own, on this machine too. The machine's noise beside it: how late a thread
wakes that asked for 1 ms. The peer is the same hub behind Starlette's StreamingResponse. BENCH_RUNS: how often (5).
"""

import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psutil
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from bench.report import figure
from countersign.api.app import create_app
from countersign.api.identity import Account
from countersign.api.live.broadcaster import Broadcaster
from countersign.api.requests.limits import credential
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import wait_until_ready
from countersign.deployments.web import api_part
from countersign.domain.signals.streams import Filter
from countersign.models.tables.accounts import User
from countersign.services.accounts.accounts import create_key
from countersign.store.home import Home
from tests.support.feeds import NOON, enter
from tests.support.homes import make_home
from tests.support.streaming import bring

READERS, A_KEY, BURST = 1_000, 10, 200
# Open files of the readers' process, and of the api's: one for each stream, and the rest.
FILES = READERS + 100
ANSWER_SECONDS = 60.0
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
OURS, PEER = "/v1/signals", "/peer"
GIB = 1024**3
numbers = count(1)


@dataclass(frozen=True)
class Measured:
    """Result of one route: seconds of each reader for each run, and the api's memory in GiB."""

    singles: list[list[float]]
    bursts: list[list[float]]
    noise: list[float]
    gib: float


def main() -> None:
    """Print one JSON line a figure."""
    allow_files()
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home"
        home = make_home(path, f"sqlite:///{path / 'ledger.db'}")
        source, keys = enter(home, "feed", "https://feed.example"), make_keys(home)
        ours = measure(home, source, keys, OURS)
        theirs = measure(home, source, keys, PEER)
    peer = f"starlette {version('starlette')} StreamingResponse"

    def show(name: str, runs: list[float], unit: str, must: float | None, peer_runs: list[float] | None) -> None:
        figure(f"stream, {name}", runs, unit, must=must, better="lower", peer=peer, peer_runs=peer_runs)

    everybody = f"to {READERS:,} readers"
    show(f"one event {everybody}, the last of them", *worst(ours.singles, theirs.singles, 1.0))
    middle, their_middle = ([median(waits) for waits in each.singles] for each in (ours, theirs))
    show(f"one event {everybody}, median of them", middle, "s", None, their_middle)
    show(f"{BURST} events {everybody}, the last of them", *worst(ours.bursts, theirs.bursts, None))
    show(f"memory of the api with {READERS:,} readers", [ours.gib], "GiB", 1.0, [theirs.gib])
    show("noise of the machine: latest wake-up in half a second", ours.noise, "s", None, None)


def worst(
    ours: list[list[float]], theirs: list[list[float]], must: float | None
) -> tuple[list[float], str, float | None, list[float]]:
    """The last reader of each run, as a figure wants it."""
    return [max(waits) for waits in ours], "s", must, [max(waits) for waits in theirs]


def allow_files() -> None:
    """Let this process and its children open as many files as it takes; say so and end where they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return
    if hard != resource.RLIM_INFINITY and hard < FILES:
        sys.exit(f"{READERS} readers take {FILES} open files, and this system allows {hard}: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def make_keys(home: Home) -> list[str]:
    """Make as many keys as the readers need."""
    with home.ledger.write() as db:
        user = User(nickname="bench", created_at=NOON)
        db.add(user)
        db.flush()
        return [create_key(db, user.id, "bench", NOON)[1] for _ in range(READERS // A_KEY)]


def measure(home: Home, source: int, keys: list[str], route: str) -> Measured:
    """Let all readers listen to one route, and time their events."""
    port = free_port()
    part = api_part(home.path, port=port)
    if route == PEER:
        words = (word.replace("countersign.api.app:create_app", "bench.stream:create_peer") for word in part.arguments)
        part = replace(part, arguments=tuple(words))
    child = part.start()
    here, there = multiprocessing.Pipe()
    readers = multiprocessing.get_context("spawn").Process(target=read_all, args=(port, route, keys, there))
    try:
        wait_until_ready(part, child)
        api = psutil.Process(child.identity.pid)
        readers.start()
        there.close()
        hear(here)
        noise = [latest_wake() for _ in range(RUNS)]
        singles = [bringing(home, source, here, 1) for _ in range(RUNS)]
        bursts = [bringing(home, source, here, BURST) for _ in range(RUNS)]
        return Measured(singles, bursts, noise, api.memory_info().rss / GIB)
    finally:
        if readers.pid:
            readers.kill()
            readers.join()
        child.stop(part.patience_seconds)


def latest_wake() -> float:
    """Return by how many seconds the latest of many short sleeps was too long."""
    began, latest = monotonic(), 0.0
    while (before := monotonic()) < began + 0.5:
        sleep(0.001)
        latest = max(latest, monotonic() - before - 0.001)
    return latest


def hear(readers: Connection) -> list[float]:
    """Return the readers' next words; a reader that says nothing has failed."""
    if not readers.poll(ANSWER_SECONDS):
        sys.exit("the readers are still waiting")
    try:
        said: list[float] = readers.recv()
    except EOFError:
        sys.exit("the readers have failed")
    return said


def bringing(home: Home, source: int, readers: Connection, many: int) -> list[float]:
    """Store signals; return how many seconds after the beginning of it each reader had the last one."""
    ids = [next(numbers) for _ in range(many)]
    readers.send((many, f'"external_id":"{ids[-1]:06}"'.encode()))
    hear(readers)
    began = monotonic()
    bring(home, source, *ids)
    return [at - began for at in hear(readers)]


def read_all(port: int, route: str, keys: list[str], owner: Connection) -> None:
    """Be all readers, in this process."""
    asyncio.run(_read_all(port, route, keys, owner))


async def _read_all(port: int, route: str, keys: list[str], owner: Connection) -> None:
    lines = []
    for start in range(0, READERS, 50):
        some = range(start, min(start + 50, READERS))
        lines += await asyncio.gather(*(_open(port, route, keys[n % len(keys)]) for n in some))
    owner.send([])
    while True:
        many, last = await asyncio.to_thread(owner.recv)
        waiting = [asyncio.create_task(_arrival(reader, many, last)) for reader, _ in lines]
        await asyncio.sleep(0)
        owner.send([])
        owner.send(await asyncio.gather(*waiting))


async def _open(port: int, route: str, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET {route} HTTP/1.1\r\nHost: bench\r\nx-api-key: {key}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    await reader.readuntil(b"id: ")
    return reader, writer


async def _arrival(reader: asyncio.StreamReader, many: int, last: bytes) -> float:
    """Return when the last signal arrived; all of them must, and none twice."""
    text = b""
    while last not in text:
        part = await reader.read(1 << 18)
        assert part, "the stream ended"
        text += part
    at = monotonic()
    assert text.count(b'"external_id"') == many
    return at


def create_peer() -> FastAPI:
    """Make the api with one more route to the same hub, by the framework's own means."""
    app = create_app()
    hub: Broadcaster = app.state.countersign.broadcaster

    async def chunks(key: str) -> AsyncIterator[bytes]:
        with hub.joined(Filter(), key) as listener:
            async for chunk in hub.read(listener, None):
                yield chunk

    @app.get(PEER)
    async def stream(request: Request, _user: Account) -> StreamingResponse:
        return StreamingResponse(chunks(credential(request.scope) or ""), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    main()
