"""Public answers under load: track-record (250 sessions) and verify, first ones, ones given before, and 304s.

Two processes of the api at 500 requests/s, then one of them as fast as it can; uvicorn, and granian beside it with the
same app. The load comes from this machine too. First answers are given for a version that nobody has opened yet: the
strategies that are asked for share that cost.
"""

import asyncio
import os
import random
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench.load import Answer, paced, request, rush, saturate
from bench.report import figure, peer_module
from bench.rush import running
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import Part
from countersign.deployments.web import BACKLOG, api_part
from countersign.services.publication.publish import publish, rebuild
from countersign.store.home import Home
from tests.support.settled import make_home, settle, slugs, weekdays

STRATEGIES, SESSIONS, SYMBOLS = 100, 250, tuple(f"{600_000 + n}.SH" for n in range(50))
# Track records have no positions, so there may be more of them.
RECORDS, RECORDS_SYMBOLS = 400, SYMBOLS[:5]
WORKERS, PER_SECOND, SECONDS, CONNECTIONS, RUNS = 2, 500, 4, 32, 3
FIRST, KNOWN, UNCHANGED = "first answers", "answers given before", "304 answers"
# The requirement on one process, in answers a second.
RATES = {FIRST: 1_000.0, KNOWN: 6_000.0, UNCHANGED: 8_000.0}
SATURATING = 8_000
PUBLIC = "/api/v1/public/strategies"


def main() -> None:
    """Print one JSON line a figure."""
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    days = weekdays(SESSIONS)
    peer = peer_module("granian")
    with tempfile.TemporaryDirectory() as folder:
        home = _settled(Path(folder), days, STRATEGIES, SYMBOLS)
        names = slugs(STRATEGIES)
        records = [f"{PUBLIC}/{slug}/track-record" for slug in names]
        proofs = [f"{PUBLIC}/{slug}/verify?date={day}" for slug in names for day in days[-5:]]
        ours = _latencies(home, records, proofs, granian=False)
        theirs = _latencies(home, records, proofs, granian=True) if peer else {}
        for name, runs in ours.items():
            must = 5.0 if name.startswith("304") else 20.0
            figure(f"public.{name}, p99", runs, "ms", must=must, better="lower", **_beside(peer, theirs.get(name)))
    with tempfile.TemporaryDirectory() as folder:
        home = _settled(Path(folder), days, RECORDS, RECORDS_SYMBOLS)
        records = [f"{PUBLIC}/{slug}/track-record" for slug in slugs(RECORDS)]
        ours = _rates(home, records, granian=False)
        theirs = _rates(home, records, granian=True) if peer else {}
        for name, runs in ours.items():
            must = RATES[name]
            title = f"public.track-record, {name}, one process"
            figure(title, runs, "1/s", must=must, better="higher", **_beside(peer, theirs.get(name)))


def _settled(folder: Path, days: list[date], strategies: int, symbols: tuple[str, ...]) -> Home:
    home = make_home(folder / "home", strategies)
    for day in days:
        settle(home, day, strategies=strategies, symbols=symbols)
    publish(home)
    return home


def _latencies(home: Home, records: list[str], proofs: list[str], *, granian: bool) -> dict[str, list[float]]:
    """Measure the p99 (ms) at a given rate, of two processes."""
    port = free_port()
    found = {}
    with running(_part(home, port, WORKERS, granian=granian)):
        for path in ("/api/v1/health", records[0], proofs[0]):
            _load(port, [request("GET", path)] * 20, 50)
        first = [request("GET", path) for path in proofs[1::2]]
        found["verify, first answers, 100 requests/s"] = [_p99(_load(port, first, 100))]
        for name, paths in (("track-record", records), ("verify", proofs)):
            _load(port, [request("GET", path) for path in paths] * 3, PER_SECOND)  # both processes have them
            found[f"{name}, 500 requests/s"] = [_p99(_load(port, _draw(paths, n), PER_SECOND)) for n in range(RUNS)]
        known = _conditional(port, records)
        found["304, 500 requests/s"] = [
            _p99(_load(port, random.Random(n).choices(known, k=PER_SECOND * SECONDS), PER_SECOND, 304))
            for n in range(RUNS)
        ]
    return found


def _rates(home: Home, records: list[str], *, granian: bool) -> dict[str, list[float]]:
    """Measure the answers a second of one process."""
    port = free_port()
    asked = [request("GET", path) for path in records]
    found: dict[str, list[float]] = {FIRST: [], KNOWN: [], UNCHANGED: []}
    with running(_part(home, port, 1, granian=granian)):
        for _ in range(RUNS):
            rebuild(home)  # everything kept is of a version before
            sleep(0.2)
            started = perf_counter()
            answers = asyncio.run(rush(port, [asked[n::4] for n in range(4)]))
            found[FIRST].append(len(answers) / (perf_counter() - started))
            found[KNOWN].append(saturate(port, asked * (SATURATING // len(asked))))
            known = _conditional(port, records)
            found[UNCHANGED].append(saturate(port, known * (SATURATING // len(known))))
    return found


def _part(home: Home, port: int, workers: int, *, granian: bool) -> Part:
    part = api_part(home.path, port=port, workers=workers)
    if not granian:
        return part
    options = {"interface": "asgi", "http": "1", "host": "127.0.0.1", "port": port, "workers": workers}
    options |= {"backlog": BACKLOG, "loop": "uvloop", "log-level": "warning"}
    arguments = ("granian", "--factory", "--no-ws", *(f"--{name}={value}" for name, value in options.items()))
    return replace(part, arguments=(*arguments, "countersign.api.app:create_app"))


def _beside(peer: tuple[Any, str] | None, runs: list[float] | None) -> dict[str, Any]:
    return {"peer": f"the same app under {peer[1]}", "peer_runs": runs} if peer and runs else {}


def _conditional(port: int, paths: list[str]) -> list[bytes]:
    """Write requests of readers who have the answers already."""
    tags = asyncio.run(_tags(port, paths))
    return [request("GET", path, {"If-None-Match": tags[path]}) for path in paths]


async def _tags(port: int, paths: list[str]) -> dict[str, str]:
    tags = {}
    for path in paths:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("GET", path, {"Connection": "close"}))
        head = (await reader.read()).partition(b"\r\n\r\n")[0].decode()
        tags[path] = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("etag"))
        writer.close()
    return tags


def _draw(paths: list[str], seed: int) -> list[bytes]:
    return [request("GET", path) for path in random.Random(seed).choices(paths, k=PER_SECOND * SECONDS)]


def _load(port: int, requests: list[bytes], per_second: float, code: int = 200) -> list[Answer]:
    answers = asyncio.run(paced(port, requests, per_second, CONNECTIONS))
    assert {answer.code for answer in answers} == {code}
    sleep(0.2)
    return answers


def _p99(answers: list[Answer]) -> float:
    return float(np.quantile([answer.seconds for answer in answers], 0.99) * 1000)


if __name__ == "__main__":
    main()
