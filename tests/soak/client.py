"""A good client of the api: it repeats requests without an answer, and counts only accepted ones as accepted."""

import threading
from collections import Counter
from datetime import date
from typing import Any

import httpx

from tests.soak.plan import Move, Portfolio
from tests.support.serving import NO_AUTHORITIES
from tests.support.waiting import PATIENCE_SECONDS, Stopwatch

ANSWER_SECONDS = 15.0
PAUSE_SECONDS, BUSY_SECONDS = 0.05, 0.5
BUSY = (429, 503)


class Client:
    """One researcher's program. `accepted` has the answers that were given: by strategy, session and revision."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url, self._headers = f"{url}/api/v1", headers
        self._lock, self._pause = threading.Lock(), threading.Event()
        self.accepted: dict[tuple[str, date, int], dict[str, Any]] = {}
        self.unanswered: Counter[str] = Counter()
        self.faults: list[str] = []

    def open(self, terms: dict[str, Any]) -> None:
        """Open a strategy; one that is there already was opened by an attempt that lost its answer."""
        answer = self._ask("POST", "/strategies", terms)
        if answer.status_code != 201 and self._ask("GET", f"/strategies/{terms['slug']}").status_code != 200:
            self.faults.append(f"{terms['slug']} was not opened: {answer.status_code} {answer.text}")

    def move(self, move: Move) -> None:
        """Change a strategy's status."""
        path, status = f"/strategies/{move.slug}", move.status.value
        if self._ask("GET", path).json()["status"] == status:
            return
        answer = self._ask("PATCH", path, {"status": status})
        if answer.status_code != 200 and self._ask("GET", path).json()["status"] != status:
            self.faults.append(f"{move.slug} did not become {status}: {answer.status_code} {answer.text}")

    def submit(self, slug: str, session: date, portfolio: Portfolio) -> None:
        """Submit a portfolio until it is accepted."""
        holdings = [{"symbol": symbol, "weight": weight} for symbol, weight in portfolio.items()]
        body = {"trade_date": str(session), "signals": holdings}
        answer = self._ask("POST", f"/strategies/{slug}/signals", body)
        if answer.status_code not in {200, 201}:
            self.faults.append(f"{slug} {session}: refused: {answer.status_code} {answer.text}")
            return
        told = answer.json()
        with self._lock:
            before = self.accepted.setdefault((slug, session, told["revision"]), told)
        if before["signal_hash"] != told["signal_hash"]:
            self.faults.append(f"{slug} {session}: revision {told['revision']} was accepted twice")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Ask until there is an answer. Each attempt has a connection of its own, as the server may be a new one."""
        watch = Stopwatch()
        while watch.seconds < PATIENCE_SECONDS:
            try:
                with httpx.Client(timeout=ANSWER_SECONDS, verify=NO_AUTHORITIES, trust_env=False) as web:
                    answer = web.request(method, self._url + path, json=body, headers=self._headers)
            except httpx.TransportError as error:
                self.unanswered[type(error).__name__] += 1
                self._pause.wait(PAUSE_SECONDS)
                continue
            if answer.status_code in BUSY:
                self.unanswered[str(answer.status_code)] += 1
                self._pause.wait(BUSY_SECONDS)
            elif answer.status_code >= 500:
                self.faults.append(f"{method} {path}: {answer.status_code} {answer.text}")
                self._pause.wait(BUSY_SECONDS)
            else:
                return answer
        raise AssertionError(f"{method} {path}: no answer within {PATIENCE_SECONDS:g} s")
