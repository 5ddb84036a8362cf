"""Slow clients: 600 that never end, and 100 that try passwords, while others submit and get their answers.

Of the 600, a third sends a head without an end as fast as it is taken, over and over; the rest holds its connection
with a letter a second, of a head or of a body, with none, or asks for much and never reads. They come from addresses of
this machine, 127.0.0.2 and on. The load comes from this machine too: with few processors, the waits tell also how the
system shares them, and the api's own seconds of a processor tell what it does for them. BENCH_SLOW: how many (600).
"""

import asyncio
import multiprocessing
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import orjson
import psutil

from bench.load import Answer, paced, request
from bench.report import figure
from bench.rush import running
from bench.sealing import make_home
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.web import api_part
from countersign.domain.sessions import at
from countersign.models.tables.accounts import User
from countersign.models.tables.strategies import Strategy
from countersign.services.accounts.accounts import create_key
from countersign.store.home import Home

SLOW, ADDRESSES = int(os.environ.get("BENCH_SLOW", "600")), 12
SUBMISSIONS, PER_SECOND = 600, 20.0
SESSION = date(2025, 1, 2)
HEAD = b"GET / HTTP/1.1\r\nx: "
BODY = b"POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
# 276 kB, of which it takes none. Once: to ask for more is a flood, and for the rate limit, which is off here.
ANSWERS = request("GET", "/openapi.json")
# What each kind begins with, and what it sends from then on: all the time if it is endless, else once a second.
KINDS = {
    "endless": (HEAD, b"a" * 262_144),
    "slow head": (HEAD, b"a"),
    "slow body": (BODY, b"a"),
    "silent": (b"", b""),
    "never reading": (ANSWERS, b""),
}
# A third of them is endless.
MIX = (*KINDS, "endless")
# For all of them to have been connected once; and how long one is held that nobody ends.
PATIENCE_SECONDS, HELD_SECONDS = 120.0, 20
GUESSERS, GUESS = (
    100,
    request(
        "POST",
        "/api/v1/auth/login",
        {"Content-Type": "application/json"},
        orjson.dumps({"email": "me@example.com", "password": "a guess"}),
    ),
)


@dataclass(frozen=True)
class Beside:
    """Outcome of the submissions, and the api's own seconds of a processor meanwhile."""

    answers: list[Answer]
    busy_seconds: float

    def within(self, share: float) -> float:
        """Return the seconds within which this share of them was answered; 1 for all."""
        return float(np.quantile([answer.seconds for answer in self.answers], share))


def main() -> None:
    """Submit without and with them, each time to a home of its own."""
    for name, slow, guessers in (
        ("alone", 0, 0),
        (f"beside {SLOW} slow clients", SLOW, 0),
        (f"beside {GUESSERS} that try passwords", 0, GUESSERS),
    ):
        done = submit_beside(slow, guessers)
        for label, share in (("median", 0.5), ("p99", 0.99), ("longest", 1.0)):
            must = 0.5 if label == "p99" else None
            figure(f"submissions {name}, {label}", [done.within(share)], "s", must=must, better="lower")
        figure(f"submissions {name}, processor time of the api", [done.busy_seconds], "s", must=None, better="lower")


def submit_beside(slow: int, guessers: int = 0) -> Beside:
    """Submit at an even rate while so many are connected, each of which was before the first submission.

    Every submission is taken, or an AssertionError says which codes came.
    """
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        home.clock.set(at(SESSION, time(9)))
        requests, port = _requests(home), free_port()
        with running(api_part(home.path, port=port)):
            api = next(each for each in psutil.Process().children() if "uvicorn" in each.cmdline())
            began = api.cpu_times()
            context = multiprocessing.get_context("spawn")
            everyone = context.Event()
            attack = context.Process(target=_attack, args=(port, slow, guessers, everyone))
            attack.start()
            try:
                assert everyone.wait(PATIENCE_SECONDS), f"not all of {slow} slow clients could connect"
                answers = asyncio.run(paced(port, requests, PER_SECOND, connections=20))
            finally:
                attack.kill()
                attack.join()
            ended = api.cpu_times()
    assert {answer.code for answer in answers} == {201}
    return Beside(answers, ended.user + ended.system - began.user - began.system)


def _requests(home: Home) -> list[bytes]:
    with home.ledger.write() as db:
        user = User(nickname="client", created_at=home.clock.now())
        db.add(user)
        db.flush()
        _, key = create_key(db, user.id, "bench", home.clock.now())
        strategy = db.get_one(Strategy, 1)
        strategy.owner_id, slug = user.id, strategy.slug
        db.add(strategy)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    path = f"/api/v1/strategies/{slug}/signals"
    return [request("POST", path, headers, _body(n)) for n in range(SUBMISSIONS)]


def _body(n: int) -> bytes:
    signals = [{"symbol": f"{600000 + k:06}.SH", "weight": round((n + k + 1) * 1e-5, 5)} for k in range(50)]
    return orjson.dumps({"trade_date": SESSION, "signals": signals})


def _attack(port: int, slow: int, guessers: int, everyone: Event) -> None:
    # In earnest they compute elsewhere: here, when nobody else wants to.
    os.nice(19)
    asyncio.run(_all(port, slow, guessers, everyone))


async def _all(port: int, slow: int, guessers: int, everyone: Event) -> None:
    connected = set[int]()

    def note(n: int) -> None:
        connected.add(n)
        if len(connected) == slow:
            everyone.set()

    if not slow:
        everyone.set()
    attackers = [_slow(port, MIX[n % len(MIX)], f"127.0.0.{2 + n % ADDRESSES}", partial(note, n)) for n in range(slow)]
    # As many addresses as there are guessers: each has its own share of wrong passwords.
    attackers += [_guess(port, f"127.0.1.{1 + n}") for n in range(guessers)]
    await asyncio.gather(*attackers)


async def _guess(port: int, address: str) -> None:
    """Try passwords, one after the other."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            while True:
                writer.write(GUESS)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                await asyncio.sleep(0.2)


async def _slow(port: int, kind: str, address: str, connected: Callable[[], None]) -> None:
    """Hold one connection, and open another as soon as it is closed."""
    first, more = KINDS[kind]
    while True:
        with suppress(OSError):
            # Of what it never takes from its reader, that reads no more than this.
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=1)
            connected()
            writer.write(first)
            # They come and go on their own, not all in one second.
            held = random.randrange(HELD_SECONDS)
            with suppress(OSError):
                while not writer.transport.is_closing() and held < HELD_SECONDS:
                    writer.write(more)
                    await writer.drain()
                    await asyncio.sleep(0 if kind == "endless" else 1)
                    held += kind != "endless"
            writer.close()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
