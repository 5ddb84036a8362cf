"""Slow clients: 600 that never come to an end, while others submit and get their answers.

A third sends a head without an end as fast as it is taken, over and over; the rest holds its connection with a letter a
second: of a head, of a body, or none. They come from addresses of this machine, 127.0.0.2 and on. The load comes from
this machine too: with few processors, what is measured is also how the system shares them. BENCH_SLOW: how many (600).
"""

import asyncio
import multiprocessing
import os
import tempfile
from contextlib import suppress
from datetime import date, time
from pathlib import Path

import numpy as np
import orjson

from bench.load import Answer, paced, request
from bench.report import figure
from bench.rush import running
from bench.sealing import make_home
from deployments.server import free_port
from deployments.web import api_part
from domain.sessions import at
from models.strategies import Strategy
from models.users import User
from store.accounts import create_key
from store.home import Home

SLOW, ADDRESSES = int(os.environ.get("BENCH_SLOW", "600")), 12
SUBMISSIONS, PER_SECOND = 600, 20.0
SESSION = date(2025, 1, 2)
HEAD = b"GET / HTTP/1.1\r\nx: "
BODY = b"POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
KINDS = {"endless": HEAD, "slow head": HEAD, "slow body": BODY, "silent": b""}


def main() -> None:
    """Submit with and without them, each time to a home of its own."""
    alone, beside = ([answer.seconds for answer in _run(slow)] for slow in (0, SLOW))
    for name, waits in (("alone", alone), (f"beside {SLOW} slow clients", beside)):
        for share in (0.5, 0.99, 1.0):
            must = 0.5 if share == 0.99 else None
            label = {0.5: "median", 0.99: "p99", 1.0: "longest"}[share]
            figure(f"submissions {name}, {label}", [float(np.quantile(waits, share))], "s", must=must, better="lower")


def _run(slow: int) -> list[Answer]:
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        home.clock.set(at(SESSION, time(9)))
        requests, port = _requests(home), free_port()
        with running(api_part(home.path, port=port)):
            attack = multiprocessing.get_context("spawn").Process(target=_attack, args=(port, slow), daemon=True)
            attack.start()
            try:
                answers = asyncio.run(paced(port, requests, PER_SECOND, connections=20))
            finally:
                attack.kill()
                attack.join()
    assert {answer.code for answer in answers} == {201}
    return answers


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


def _attack(port: int, slow: int) -> None:
    asyncio.run(_all_slow(port, slow))


async def _all_slow(port: int, slow: int) -> None:
    names = list(KINDS)
    # As many endless ones as all others of a kind, and once more.
    mix = [*names, "endless", "silent"]
    await asyncio.gather(*(_slow(port, mix[n % len(mix)], f"127.0.0.{2 + n % ADDRESSES}") for n in range(slow)))


async def _slow(port: int, kind: str, address: str) -> None:
    """Hold one connection, and open another as soon as it is closed."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            writer.write(KINDS[kind])
            with suppress(OSError):
                while not writer.transport.is_closing():
                    writer.write(b"a" * 262_144 if kind == "endless" else b"" if kind == "silent" else b"a")
                    await writer.drain()
                    await asyncio.sleep(0 if kind == "endless" else 1)
            writer.close()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
