"""The daily loop of a researcher's program: `python daily_loop.py morning` before 09:15, `evening` after 18:45.

COUNTERSIGN_URL says where the platform is, COUNTERSIGN_INVITE holds an invite code (the first time only), and
COUNTERSIGN_KEY_FILE names the file that keeps the key. Needs httpx.
"""

import os
import sys
from pathlib import Path
from typing import Any

import httpx

SLUG = "hs300-daily-loop"


def compute_signals(_strategy: dict[str, Any]) -> list[dict[str, Any]]:
    """Yours to write: target weights in (0, 1], at most 1 in all; the rest stays cash."""
    return [{"symbol": "600519.SH", "weight": 0.5}, {"symbol": "000001.SZ", "weight": 0.25}]


def key_of(web: httpx.Client, file: Path) -> str:
    """Return the key; the first time, register with the invite and make one. It is shown only once."""
    if not file.exists():
        joined = web.post("/auth/invite", json={"invite_code": os.environ["COUNTERSIGN_INVITE"]})
        token = joined.raise_for_status().json()["access_token"]
        made = web.post("/billing/api-keys", json={"name": "daily-loop"}, headers={"Authorization": f"Bearer {token}"})
        file.touch(mode=0o600)
        file.write_text(made.raise_for_status().json()["api_key"])
    return file.read_text()


def find_strategies(web: httpx.Client) -> list[dict[str, Any]]:
    """Return the strategies that can signal; the first time, open one. It becomes active with its first signal."""
    found = web.get("/strategies").raise_for_status().json()["strategies"]
    if not found:
        found = [web.post("/strategies", json={"name": "Daily loop", "slug": SLUG}).raise_for_status().json()]
    return [each for each in found if each["status"] in {"pending", "active"}]


def morning(web: httpx.Client) -> None:
    """Submit a signal for today, if today is a session."""
    today = web.get("/calendar", params={"date": "2000-01-04"}).raise_for_status().json()["today"]
    day = web.get("/calendar", params={"date": today}).raise_for_status().json()
    if not day["is_trading_day"]:
        print(f"{today} is no session; the next is {day['next_trading_day']}")
        return
    for strategy in find_strategies(web):
        body = {"trade_date": today, "signals": compute_signals(strategy)}
        # The same again is safe: it adds nothing (200), and other weights before the deadline are a revision (201).
        answer = web.post(f"/strategies/{strategy['slug']}/signals", json=body)
        if answer.status_code in {400, 409}:  # past the deadline, or settled by now: nothing is to be done any more
            print(f"{strategy['slug']}: {answer.json()['detail']}")
            continue
        receipt = answer.raise_for_status().json()
        print(f"{strategy['slug']}: {receipt['signal_hash']} sealed: {receipt['attestation']['committed']}")


def evening(web: httpx.Client) -> None:
    """Look whether the newest signal is settled, and check the books behind its NAV."""
    for strategy in web.get("/strategies", params={"status": "active"}).raise_for_status().json()["strategies"]:
        slug = strategy["slug"]
        newest = web.get(f"/strategies/{slug}/signals", params={"limit": 1}).raise_for_status().json()["signals"]
        if not newest or not newest[0]["is_settled"]:
            print(f"{slug}: not settled yet")
            continue
        day = newest[0]["trade_date"]
        proof = web.get(f"/public/strategies/{slug}/verify", params={"date": day}).raise_for_status().json()
        books = proof["verification"]
        held = sum(round(each["market_value"] * 100) for each in books["positions"])
        nav = round(books["nav"]["reported_nav"] * 100)
        assert held + round(books["nav"]["cash"] * 100) == nav, "the books do not add up"
        print(f"{slug}: {day} settled, NAV {nav / 100:.2f} CNY = {len(books['positions'])} positions + cash")
    for notice in web.get("/notifications", params={"unread_only": True}).raise_for_status().json()["notifications"]:
        print(f"- {notice['text']}")
    web.post("/notifications/read-all").raise_for_status()


def main() -> None:
    """Do what the time of the day asks for."""
    url, file = os.environ["COUNTERSIGN_URL"], Path(os.environ["COUNTERSIGN_KEY_FILE"])
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as web:
        web.headers["Authorization"] = f"Bearer {key_of(web, file)}"
        part = {"morning": morning, "evening": evening}[sys.argv[1]]
        part(web)


if __name__ == "__main__":
    main()
