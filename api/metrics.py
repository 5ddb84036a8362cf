"""Metrics for Prometheus: requests by route and status, counted in each process; the platform's state, when asked.

With several processes the counts are kept in files that they share (the library's multiprocess mode, which
PROMETHEUS_MULTIPROC_DIR turns on; `deployments/web.py` sets it), so that any process that is asked counts them all.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.models.errors import CountersignError
from countersign.services.operations.platform_status import read_platform_status
from countersign.store.home import Home

PATH = "/metrics"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Paths that lead nowhere are one route: anybody can make up as many as they like.
UNKNOWN = "unknown"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LABELS = ("method", "route", "status")
EVENT_STREAM = b"text/event-stream"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


@dataclass
class RequestMetrics:
    """Counters of one process, and the state of its home."""

    home: Home
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    known: dict[tuple[str, str, int], tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = Counter("countersign_requests", "Requests answered", LABELS, registry=self.registry)
        self.seconds = Histogram(
            "countersign_request_seconds",
            "From a request's arrival to the end of its answer",
            LABELS,
            buckets=BUCKETS,
            registry=self.registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. Its labels are looked up once for each route and class of status."""
        key = (method, route, status // 100)
        found = self.known.get(key)
        if found is None:
            labels = (method if method in METHODS else UNKNOWN, route, f"{status // 100}xx")
            found = self.known[key] = (self.requests.labels(*labels), self.seconds.labels(*labels))
        found[0].inc()
        found[1].observe(seconds)

    def render(self) -> bytes:
        """Write everything down, of all processes."""
        counts = self.registry
        if FOLDER in os.environ:
            counts = CollectorRegistry()
            MultiProcessCollector(counts)  # type: ignore[no-untyped-call]
        standing = CollectorRegistry()
        standing.register(_Standing(self.home))
        return generate_latest(counts) + generate_latest(standing)

    async def answer(self, _request: Request) -> Response:
        """Answer a scrape."""
        return Response(await to_thread.run_sync(self.render), media_type=CONTENT_TYPE_LATEST)


class Counting:
    """Counts each request, around everything else, so that refusals of the gate are counted too."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, counted = time.perf_counter(), 500, False

        def count() -> None:
            route = getattr(scope.get("route"), "path", UNKNOWN)
            self.metrics.count(scope["method"], route, status, time.perf_counter() - began)

        async def watching(message: Message) -> None:
            nonlocal status, counted
            if message["type"] == "http.response.start":
                status = message["status"]
                if is_stream(message):
                    # How long somebody listens is their business; ours is how long they waited for the beginning.
                    counted = True
                    count()
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            if not counted:
                count()


def is_stream(start: Message) -> bool:
    """Whether an answer that begins so is a stream of events."""
    return any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in start["headers"])


class _Standing(Collector):
    """State of the platform, asked of the ledger at each scrape; one gauge says whether the ledger answered."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Give the gauges."""

        def gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"countersign_{name}", words, value=value)

        try:
            found = read_platform_status(self.home, self.home.clock.now())
        except CountersignError:
            yield gauge("up", "Whether the ledger answers", 0)
            return
        yield gauge("up", "Whether the ledger answers", 1)
        lag = GaugeMetricFamily(
            "countersign_stage_lag_seconds", "Since when a stage is behind its time; 0 when done", labels=["stage"]
        )
        for stage in found.stages:
            lag.add_metric([stage.stage], stage.lag_seconds)
        yield lag
        yield gauge("unsealed_signals", "Signals that are in no commit of the journal", found.unsealed)
        yield gauge("unpushed_commits", "Commits of the journal that no remote has", found.unpushed)
        yield gauge("waiting_sessions", "Closed sessions that are not settled", len(found.waiting))
        yield gauge("free_bytes", "Bytes free on the fullest disk of home and lake", found.free_bytes)
        if found.digests_checked_through:
            words = "Since when (Unix time) every file of the lake was hashed"
            yield gauge("digests_checked_through_seconds", words, found.digests_checked_through.timestamp())
        sealing = found.attestation
        yield gauge("sealer_alive", "Whether a live process seals", sealing.sealer_alive)
        yield gauge("sealing_stopped", "Whether something stops all sealing", bool(sealing.stopped))
        yield gauge("journal_agrees", "Whether the journal is where the ledger left it", sealing.journal_agrees)
        if sealing.remote_agrees is not None:
            yield gauge("remote_agrees", "Whether the journal's remote is where a push left it", sealing.remote_agrees)
        yield gauge("set_aside", "Strategies and days that a conflict in the journal keeps unsealed", sealing.set_aside)
        if found.settle_seconds is not None:
            yield gauge("settle_seconds", "How long the newest settlement took", found.settle_seconds)
