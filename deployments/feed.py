"""The feed simulator's process: a made-up signal feed on the loopback. A part of `up` in the sample home.

python -m countersign.deployments.feed PORT [--seed N] [--premium-key KEY]… [--failing CODE] [--broken-minutes N]
"""

import argparse
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import Part
from countersign.domain.external.feed_simulation import PATHS, SAMPLE_SOURCE, SimulatedFeed
from countersign.services.external.sources import list_sources, move_source
from countersign.store.clock import wall_clock
from countersign.store.home import Home

HOST = "127.0.0.1"
LARGEST_FORM = 65_536


def feed_part(home: Home) -> Part | None:
    """Describe the simulator of a sample home, on a free port that its source gets; None for any other home."""
    with home.ledger.read() as db:
        names = [each.source.name for each in list_sources(db)]
    if not home.clock.simulated or SAMPLE_SOURCE not in names:
        return None
    port = free_port()
    with home.ledger.write() as db:
        move_source(db, SAMPLE_SOURCE, f"http://{HOST}:{port}")
    return Part(
        name="sample feed",
        arguments=("countersign.deployments.feed", str(port)),
        environment={"PYTHONPATH": str(ROOT)},
        log=home.path / "logs" / "sample-feed.log",
        ready=lambda: _listens(port),
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def simulated_feed(
    feed: SimulatedFeed | Callable[[], SimulatedFeed], now: Callable[[], datetime], port: int = 0
) -> Iterator[str]:
    """Serve a feed for the while; yields its address. A callable is asked for the feed anew at each request."""
    find = feed if callable(feed) else lambda: feed
    server = ThreadingHTTPServer((HOST, port), _handler(find, now))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(find: Callable[[], SimulatedFeed], now: Callable[[], datetime]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Pollers keep their connection.
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), LARGEST_FORM)
            self._answer(self.rfile.read(length).decode("ascii", "replace"))

        def _answer(self, form: str) -> None:
            feed, moment = find(), now()
            if urlsplit(self.path).path.rstrip("/") not in PATHS:
                self._send(404, {"error": 1, "message": "Not found", "count": 0, "signals": []})
            elif feed.is_broken(moment):
                self._send(503, {})
            else:
                self._send(200, feed.answer(dict(parse_qsl(form)), moment))

        def _send(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep quiet: addresses hold keys."""

    return Handler


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="countersign.deployments.feed")
    parser.add_argument("port", type=int)
    parser.add_argument("--seed", type=int, default=SimulatedFeed.seed)
    parser.add_argument("--premium-key", action="append", default=[])
    parser.add_argument("--failing", type=int)
    parser.add_argument("--broken-minutes", type=int, default=0)
    options = parser.parse_args(arguments)
    feed = SimulatedFeed(options.seed, frozenset(options.premium_key), options.failing, options.broken_minutes)
    stop = threading.Event()
    # The interrupt's own handler would wait for ever: polars, once imported, has the system go on with what it breaks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with simulated_feed(feed, wall_clock, options.port) as url:
        say(f"{url}{PATHS[0]}/")
        stop.wait()


if __name__ == "__main__":
    main()
