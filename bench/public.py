"""Public answers under load: verify and track-record (250 sessions) from two processes of the api, and 304 answers.

The load comes from this machine too. `cold`: the first request for each answer; `warm`: readers come back.
"""

import asyncio
import os
import random
import tempfile
from pathlib import Path
from time import sleep

import numpy as np

from bench.load import Answer, paced, request
from bench.report import figure
from bench.rush import running
from deployments.server import free_port
from deployments.web import api_part
from store.lens import publish
from tests.support.settled import make_home, settle, slugs, weekdays

STRATEGIES, SESSIONS, SYMBOLS = 100, 250, tuple(f"{600_000 + n}.SH" for n in range(50))
WORKERS, PER_SECOND, SECONDS, CONNECTIONS, RUNS = 2, 500, 4, 32, 3
PUBLIC = "/api/v1/public/strategies"


def main() -> None:
    """Print one JSON line a figure."""
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    days = weekdays(SESSIONS)
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home", STRATEGIES)
        for day in days:
            settle(home, day, strategies=STRATEGIES, symbols=SYMBOLS)
        publish(home)
        names = slugs(STRATEGIES)
        records = [f"{PUBLIC}/{slug}/track-record" for slug in names]
        proofs = [f"{PUBLIC}/{slug}/verify?date={day}" for slug in names for day in days[-5:]]
        port = free_port()
        with running(api_part(home.path, port=port, workers=WORKERS)):
            for path in ("/api/v1/health", records[0], proofs[0]):
                _load(port, [request("GET", path)] * 20, 50)
            _report("cold, 100 requests/s", [_load(port, [request("GET", path) for path in proofs[1::2]], 100)], None)
            for name, paths in (("track-record", records), ("verify", proofs)):
                _load(port, [request("GET", path) for path in paths] * 3, PER_SECOND)  # both processes have them
                runs = [_load(port, _draw(paths, n), PER_SECOND) for n in range(RUNS)]
                _report(f"{name}, warm, 500 requests/s", runs, 20.0)
            _not_modified(port, records)


def _not_modified(port: int, paths: list[str]) -> None:
    runs = []
    tags = asyncio.run(_tags(port, paths))
    for n in range(RUNS):
        drawn = random.Random(n).choices(paths, k=PER_SECOND * SECONDS)
        runs.append(
            _load(port, [request("GET", path, {"If-None-Match": tags[path]}) for path in drawn], PER_SECOND, 304)
        )
    medians = [float(np.median([answer.seconds for answer in run]) * 1000) for run in runs]
    figure("public.304, median, 500 requests/s", medians, "ms", must=5.0, better="lower")
    _report("304, 500 requests/s", runs, None)


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


def _report(name: str, runs: list[list[Answer]], must: float | None) -> None:
    p99s = [float(np.quantile([answer.seconds for answer in run], 0.99) * 1000) for run in runs]
    figure(f"public.{name}, p99", p99s, "ms", must=must, better="lower")


if __name__ == "__main__":
    main()
