"""Public routes: health, calendar, lists, records, audit logs and proofs; and that proofs can be checked."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from sqlmodel import func, select

from countersign import settings
from countersign.models.enums import StrategyStatus
from countersign.models.tables.attestation import Timestamp
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.pushing import PushState, push_pending
from countersign.services.attestation.sealing import Extent, seal_pending, sealing
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from countersign.store.lake.lake import encode
from tests.support import settled as made
from tests.support.correcting import change_levels, correct_session
from tests.support.handmade_journal import Key, require_ssh_keygen
from tests.support.journals import git
from tests.support.serving import browsing, open_one, serving
from tests.support.trading import expected, trading
from tests.support.waiting import PATIENCE_SECONDS


def test_health_and_calendar_are_answered_without_a_login(desk: Home, web: httpx.Client) -> None:
    health = {"status": "ok", "simulated": True, "now": "2025-01-02T01:00:00+00:00", "settled_through": None}
    assert web.get("/health").json() == health
    month = web.get("/calendar?month=2025-02").json()
    assert (month["count"], month["trading_days"][0], month["trading_days"][-1]) == (18, "2025-02-05", "2025-02-28")
    assert (month["today"], month["today_is_trading_day"], month["next_trading_day"]) == (
        "2025-01-02",
        True,
        "2025-01-03",
    )
    saturday = {"date": "2025-01-04", "is_trading_day": False, "next_trading_day": "2025-01-06", "today": "2025-01-02"}
    assert web.get("/calendar?date=2025-01-04").json() == saturday
    for query in (
        "",
        "?month=2025-13",
        "?month=2025-1",
        "?date=20250104",
        "?date=0",
        "?date=2025-02-30",
        "?month=2025-01&date=2025-01-02",
    ):
        assert web.get(f"/calendar{query}").status_code == 422, query
    for query in ("?month=2099-01", "?date=9999-12-31", "?date=2027-01-01"):
        answer = web.get(f"/calendar{query}")
        assert (answer.status_code, "horizon" in answer.json()["detail"]) == (400, True)
    assert web.get("/calendar?date=0001-01-01").json()["is_trading_day"] is False


@pytest.fixture
def records(tmp_path: Path) -> Home:
    """Three strategies with five settled sessions, published."""
    home = made.make_home(tmp_path / "home")
    for day in made.weekdays(5):
        made.settle(home, day)
    publish(home)
    return home


def test_public_strategies_are_listed_with_their_track_records(records: Home) -> None:
    with browsing(records) as web:
        listed = web.get("/public/strategies").json()["strategies"]
        assert [each["slug"] for each in listed] == ["strategy-00002", "strategy-00001", "strategy-00000"]
        [hs300] = web.get("/public/strategies?universe=hs300").json()["strategies"]
        assert hs300["slug"] == "strategy-00001"
        assert [len(web.get(f"/public/strategies?limit=2&offset={n}").json()["strategies"]) for n in (0, 2)] == [2, 1]

        rows = web.get("/public/strategies/strategy-00001/track-record").json()["records"]
        assert [row["date"] for row in rows] == [str(day) for day in made.weekdays(5)]
        assert set(rows[0]) == {"date", "nav", "daily_return", "cumulative_return", "benchmark_return"}
        assert (hs300["trading_days"], hs300["latest_date"]) == (5, rows[-1]["date"])
        assert hs300["nav"] == pytest.approx(rows[-1]["nav"] * 1_000_000, abs=0.004)
        assert rows[-1]["nav"] == pytest.approx(1 + hs300["total_return"])

        log = web.get("/public/strategies/strategy-00001/audit?limit=2").json()
        assert (log["total"], [row["date"] for row in log["audit_log"]]) == (5, [rows[4]["date"], rows[3]["date"]])
        assert {row["type"] for row in log["audit_log"]} <= {"REBALANCE", "HOLD"}


def test_a_corrected_session_shows_its_first_figures(records: Home) -> None:
    first, _, third, *_ = made.weekdays(5)
    path = "/public/strategies/strategy-00001"
    with browsing(records) as web:
        before = {row["date"]: row for row in web.get(f"{path}/track-record").json()["records"]}
        assert not any("corrected" in row for row in before.values())
        [only] = web.get(f"{path}/verify?date={third}").json()["versions"]
        made.settle(records, third, seed=1)
        made.settle(records, third, seed=2)
        seen = web.get(f"{path}/verify?date={third}").json()
        assert [each["version"] for each in seen["versions"]] == [1]  # settled, and not published yet
        assert seen["data_provenance"]["version"] == 1
        publish(records)
        after = {row["date"]: row for row in web.get(f"{path}/track-record").json()["records"]}
        assert [day for day, row in after.items() if "corrected" in row] == [str(third)]
        row, was = after[str(third)], before[str(third)]
        assert row["corrected"] == {
            "version": 3,
            "first_nav": was["nav"],
            "difference": pytest.approx(row["nav"] - was["nav"], abs=1e-12),
            "first_daily_return": was["daily_return"],
            "first_benchmark_return": was["benchmark_return"],
        }
        assert row["nav"] != was["nav"]
        proof = web.get(f"{path}/verify?date={third}").json()
        versions = proof["versions"]
        assert [each["version"] for each in versions] == [1, 2, 3]
        assert {**versions[0], "difference": 0.0} == only
        assert versions[2]["nav"] == proof["verification"]["nav"]["reported_nav"]
        assert versions[2]["manifest_sha256"] == proof["data_provenance"]["manifest_sha256"]
        for each in versions:
            assert each["difference"] == pytest.approx(versions[2]["nav"] - each["nav"], abs=0.004)
        for figure in ("nav", "daily_return", "benchmark_return"):
            assert len({each[figure] for each in versions}) == 3
        assert len(web.get(f"{path}/verify?date={first}").json()["versions"]) == 1


@pytest.mark.parametrize("traded", ["sqlite"], indirect=True)
def test_where_only_index_levels_were_corrected_both_benchmarks_show(settled: Home) -> None:
    """The next session's benchmark starts from a session's level: both change, and no NAV does."""
    days = trading().sessions
    publish(settled)
    with browsing(settled) as web:
        slug = web.get("/public/strategies?order=trading_days").json()["strategies"][0]["slug"]
        path = f"/public/strategies/{slug}"
        before = web.get(f"{path}/track-record").json()["records"]
        change_levels(settled, days[1])
        correct_session(settled, days[1])
        publish(settled)
        after = web.get(f"{path}/track-record").json()["records"]
        raised = [1.02, 1 / 1.02]
        for was, now in zip(before, after, strict=True):
            marked = str(days[1]) <= now["date"] <= str(days[2])
            assert ("corrected" in now) is marked
            if marked:
                was_benchmark = was.pop("benchmark_return")
                assert now.pop("corrected") == {
                    "version": 2,
                    "first_nav": was["nav"],
                    "difference": 0.0,
                    "first_benchmark_return": was_benchmark,
                }
                benchmark = now.pop("benchmark_return")
                assert 1 + benchmark == pytest.approx((1 + was_benchmark) * raised.pop(0))
                first, second = web.get(f"{path}/verify?date={now['date']}").json()["versions"]
                assert (first["benchmark_return"], second["benchmark_return"]) == (was_benchmark, benchmark)
                for figure in ("nav", "daily_return", "difference"):
                    assert first[figure] == second[figure]
            assert was == now
        assert not raised


def test_readers_get_304_until_something_changes(records: Home) -> None:
    paths = [
        f"/public/strategies{rest}"
        for rest in ("", "/strategy-00001/track-record", "/strategy-00001/audit", "/strategy-00001/verify")
    ]
    with browsing(records) as web:
        tags = {path: web.get(path).headers["etag"] for path in paths}
        for path, tag in tags.items():
            again = web.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        made.settle(records, made.weekdays(6)[5])
        publish(records)
        for path, tag in tags.items():
            answer = web.get(path, headers={"If-None-Match": tag})
            assert answer.status_code == 200, path
            assert answer.headers["etag"] != tag


def test_hidden_and_unknown_strategies_are_not_found(records: Home) -> None:
    with browsing(records) as web:
        with records.ledger.write() as db:
            hidden = db.exec(select(Strategy).where(Strategy.slug == "strategy-00001")).one()
            hidden.is_public = False
            db.add(hidden)
        for slug in ("strategy-00001", "nobody", "x" * 3000, "%00"):
            for rest in ("track-record", "audit", "verify"):
                answer = web.get(f"/public/strategies/{slug}/{rest}")
                assert (answer.status_code, answer.json()) == (404, {"detail": "Strategy not found"})
        assert len(web.get("/public/strategies").json()["strategies"]) == 2
        assert web.get("/public/strategies/strategy-00000/verify?date=2025-02-28").status_code == 404
        assert web.get("/public/strategies/strategy-00000/verify?date=28.2.2025").status_code == 422


def test_hiding_a_strategy_keeps_it_in_its_creators_count(records: Home) -> None:
    # "ann" has strategies 0 and 2, "bo" has strategy 1.
    paths = [f"/public/strategies/strategy-00000/{rest}" for rest in ("track-record", "audit", "verify")]
    with browsing(records) as web:
        assert web.get(paths[0]).json()["creator_counts"] == {"opened": 2, "hidden": 0, "retired": 0}
        before = {path: web.get(path).headers["etag"] for path in (*paths, "/public/strategies")}
        others = web.get("/public/strategies/strategy-00001/track-record").headers["etag"]
    with records.ledger.write() as db:
        hidden = db.exec(select(Strategy).where(Strategy.slug == "strategy-00002")).one()
        hidden.is_public, hidden.status = False, StrategyStatus.RETIRED
        db.add(hidden)
    told = {"opened": 2, "hidden": 1, "retired": 1}
    with browsing(records) as web:
        for path in paths:
            answer = web.get(path, headers={"If-None-Match": before[path]})
            assert (answer.status_code, answer.json()["creator_counts"]) == (200, told)
        listed = web.get("/public/strategies", headers={"If-None-Match": before["/public/strategies"]}).json()
        assert [(each["slug"], each["creator_counts"]) for each in listed["strategies"]] == [
            ("strategy-00001", {"opened": 1, "hidden": 0, "retired": 0}),
            ("strategy-00000", told),
        ]
        # Of somebody else nothing has changed.
        again = web.get("/public/strategies/strategy-00001/track-record", headers={"If-None-Match": others})
        assert again.status_code == 304


def test_a_change_through_the_api_shows_in_the_very_next_answer(web: httpx.Client, me: dict[str, str]) -> None:
    open_one(web, me)
    path = "/public/strategies/alpha/track-record"
    tag = web.get(path).headers["etag"]
    assert web.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert web.delete("/strategies/alpha", headers=me).status_code == 200
    answer = web.get(path, headers={"If-None-Match": tag})
    assert answer.json() == {"records": [], "creator_counts": {"opened": 1, "hidden": 0, "retired": 1}}
    assert web.patch("/strategies/alpha", headers=me, json={"is_public": False}).status_code == 200
    assert web.get(path).status_code == 404


def seal_in_time(home: Home) -> None:
    """Seal each signal as it was received, then disclose the settled ones: as a sealer at work would have done."""
    with home.ledger.read() as db:
        received = db.exec(select(Signal.received_at, func.max(Signal.id)).group_by(Signal.received_at)).all()
    with sealing(home) as sealer:
        for at, signal_id in sorted(received):
            sealer.seal(at, Extent(signal_id, 0))
        sealer.seal(home.clock.now())


def test_a_proof_is_checked_by_its_own_commands(settled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_ssh_keygen()
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    seal_in_time(settled)
    assert push_pending(replace(settled, journal_remote=str(remote)), settled.clock.now()).state is PushState.PUSHED
    monkeypatch.setenv("COUNTERSIGN_JOURNAL_REMOTE", str(remote))
    publish(settled)
    last = trading().sessions[-1]
    [truth] = [each for each in expected()[-1].nav.iter_rows(named=True) if each["strategy"] == "s00"]
    settings.load_settings.cache_clear()
    with (
        serving(settled) as url,
        httpx.Client(base_url=f"{url}/api/v1/public/strategies", timeout=PATIENCE_SECONDS) as web,
    ):
        proof = web.get("/s00/verify").json()
        assert (proof["strategy"], proof["date"], proof["simulated"]) == ("s00", str(last), True)
        found = proof["verification"]
        nav, sealed = found["nav"], found["signal_attestation"]
        assert (nav["reported_nav"], nav["cash"], nav["event"]) == (
            float(truth["nav"]),
            float(truth["cash"]),
            truth["event"],
        )
        assert sum(round(each["market_value"] * 100) for each in found["positions"]) + round(
            nav["cash"] * 100
        ) == round(nav["reported_nav"] * 100)
        orders = [each for each in expected()[-1].orders.iter_rows(named=True) if each["strategy"] == "s00"]
        assert found["orders"] == found["trades"] != []
        assert {(each["symbol"], each["side"], each["filled"], each["reason"]) for each in found["orders"]} == {
            (each["symbol"], each["side"], each["filled"], each["reason"]) for each in orders
        }
        assert (
            hashlib.sha256(b"countersign/signal/v1\n" + sealed["payload"].encode()).hexdigest() == sealed["signal_hash"]
        )
        portfolio = json.loads(sealed["payload"])
        symbols = ",".join(sorted(each["symbol"] for each in portfolio["signals"]))
        assert sealed["symbols_hash"] == hashlib.sha256(symbols.encode()).hexdigest()[:16]
        assert {each["symbol"]: float(each["weight"]) for each in portfolio["signals"]} == trading().weights[-1]["s00"]
        assert (sealed["revision"], sealed["committed"], sealed["time_class"]) == (2, True, "on_time")
        # Received 59 minutes before the deadline of the open, which is 345 minutes before that of the close.
        assert (
            sealed["margin_seconds"] == 60 * {"open": 59, "close": 59 + 345}[trading().terms["s00"]["execution_price"]]
        )
        assert (sealed["evidence"], sealed["tokens"]) == ("server_only", [])
        assert sealed["signer"] == Key(settled.journal.keys / "journal_ed25519").fingerprint()
        record = settled.journal.path
        shown = subprocess.run(
            ["git", "-C", record, "show", f"{sealed['commit_sha']}:{sealed['record_path']}"],
            capture_output=True,
            check=True,
        )
        assert json.loads(shown.stdout)["signal_hash"] == sealed["signal_hash"]
        provenance = proof["data_provenance"]
        manifest = json.dumps(provenance["manifest"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(manifest.encode()).hexdigest() == provenance["manifest_sha256"]

        fetched, *said = [paste(step["command"], url, tmp_path) for step in proof["how_to_verify"]]
        assert json.loads(fetched) == proof
        assert said[:3] == ["signal_hash holds", "NAV holds", ""]
        shown, verdict = said[3:]
        assert sealed["commit_sha"] in shown
        assert f'Good "git" signature for countersign with ED25519 key {sealed["signer"]}' in shown
        assert verdict.endswith("Everything holds.")
        # A session without a signal is a hold that says so.
        held = web.get(f"/s08/verify?date={last}")
        assert held.status_code == 404
    settings.load_settings.cache_clear()


def paste(command: str, url: str, folder: Path) -> str:
    """Run a command as a reader would who has the program installed."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    program = tools / "countersign"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m countersign.cli "$@"\n')
    program.chmod(0o755)
    root = Path(__file__).parents[4]
    run = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:8000", url)],
        cwd=folder,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def test_before_settlement_a_proof_shows_only_the_hash(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    open_one(web, me)
    assert web.get("/public/strategies/alpha/verify").status_code == 404
    body = {"trade_date": "2025-01-02", "signals": [{"symbol": "600519.SH", "weight": 0.5}]}
    sent = web.post("/strategies/alpha/signals", json=body, headers=me).json()
    answer = web.get("/public/strategies/alpha/verify?date=2025-01-02")
    with desk.ledger.read() as db:
        salt = db.exec(select(Signal.salt)).one()
    found: dict[str, Any] = answer.json()["verification"]
    assert found["signal_attestation"]["signal_hash"] == sent["signal_hash"]
    assert (found["nav"], found["positions"], found["orders"], found["trades"]) == (None, [], [], [])
    assert salt not in answer.text
    assert "600519" not in answer.text
    # Sealed meanwhile: the proof is another one.
    [commit] = seal_pending(desk, desk.clock.now()).commits
    with desk.ledger.write() as db:
        db.add(Timestamp(commit_sha=commit.sha, authority="tsa.example", stamped_at=desk.clock.now(), token=b"-"))
    later = web.get(
        "/public/strategies/alpha/verify?date=2025-01-02", headers={"If-None-Match": answer.headers["etag"]}
    )
    sealed = later.json()["verification"]["signal_attestation"]
    assert (sealed["time_class"], sealed["margin_seconds"]) == ("on_time", 900.0)
    assert sealed["signer"].startswith("SHA256:")
    assert (sealed["evidence"], sealed["tokens"]) == (
        "tsa",
        [f"timestamps/{commit.sha[:2]}/{commit.sha}.tsa.example.tsr"],
    )
    assert found["signal_attestation"]["signer"] is None
    assert date.fromisoformat(later.json()["date"]) == date(2025, 1, 2)


@pytest.mark.parametrize("dataset", ["positions", "orders"])
def test_altered_files_are_not_served(records: Home, dataset: str) -> None:
    day = made.weekdays(5)[2]
    [file] = (records.lake_path / dataset / f"session={day}").iterdir()
    right = file.read_bytes()
    rows = pl.read_parquet(file, hive_partitioning=False)
    file.write_bytes(encode(rows.with_columns(symbol=pl.lit("600000.SH"))))
    path = f"/public/strategies/strategy-00001/verify?date={day}"
    with browsing(records) as web:
        refused = web.get(path)
        assert refused.status_code >= 500
        assert "600000.SH" not in refused.text
        file.write_bytes(right)
        assert web.get(path).status_code == 200
