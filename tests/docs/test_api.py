"""docs/api.md agrees with the OpenAPI document, and its program runs a day against a real home."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl

from countersign.api.app import bare_app, create_app
from countersign.api.document import render
from countersign.domain.sessions import deadline
from countersign.services.attestation.sealing import seal_pending
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support.homes import Databases, disposed, make_home
from tests.support.serving import invite_code, serving
from tests.support.settling import settle_due
from tests.support.trading import put_market, trading

DOCS = Path(__file__).parent.parent.parent / "docs"
DAY = trading().sessions[0]


def test_the_page_is_fresh() -> None:
    page = render(bare_app().openapi(), (DOCS / "daily_loop.py").read_text())
    assert (DOCS / "api.md").read_text() == page, "stale: run `make docs`"


def test_a_served_home_says_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "lake")
    home.create()
    assert create_app(tmp_path).openapi() == bare_app().openapi()


def run(url: str, home: Home, part: str, invite: str) -> str:
    environment = {
        "COUNTERSIGN_URL": url,
        "COUNTERSIGN_INVITE": invite,
        "COUNTERSIGN_KEY_FILE": str(home.path / "my-key"),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, str(DOCS / "daily_loop.py"), part],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_daily_loop_runs(tmp_path: Path) -> None:
    market = trading().market
    first, second = market.bars["symbol"].unique().sort().head(2)
    renamed = pl.col("symbol").replace({first: "000001.SZ", second: "600519.SH"})
    with disposed(Databases(tmp_path).ledger("sqlite")) as database:
        home = make_home(tmp_path / "home", database)
        put_market(home, market.bars.with_columns(renamed), market.index_levels)
        home.clock.set(deadline(DAY, "open") - timedelta(minutes=15))
        invite = invite_code(home, uses=1)
        with serving(home) as url:
            assert run(url, home, "morning", invite).startswith("hs300-daily-loop: ")
            assert run(url, home, "morning", invite).startswith("hs300-daily-loop: ")
            assert run(url, home, "evening", invite) == "hs300-daily-loop: not settled yet\n"
            home.clock.set(deadline(DAY, "open"))
            assert "deadline" in run(url, home, "morning", invite)
            seal_pending(home, home.clock.now())
            home.clock.set(deadline(DAY, "close") + timedelta(hours=4))
            assert settle_due(home, DAY) == 1
            publish(home)
            said = run(url, home, "evening", invite)
            assert f"hs300-daily-loop: {DAY} settled, NAV " in said
            assert "2 positions + cash" in said
            assert f"- hs300-daily-loop: {DAY} settled" in said
            assert run(url, home, "evening", invite).count("\n- ") == 0
            home.clock.set(deadline(DAY, "open") + timedelta(days=5, hours=-1))
            assert "is no session" in run(url, home, "morning", invite)
