"""The polling flow: one round, artifacts without the key, and the lens."""

import json
from pathlib import Path

import pytest

from countersign.deployments.feed import simulated_feed
from countersign.domain.external.feed_simulation import SimulatedFeed
from countersign.flows.polling import poll_external_signals
from countersign.store.clock import wall_clock
from countersign.store.lens.reader import open_lens
from tests.support.artifacts import artifact
from tests.support.feeds import KEY, enter
from tests.support.homes import Databases, make_home


@pytest.mark.usefixtures("served_home")
def test_a_round_shows_the_new_signals_of_each_source(tmp_path: Path, databases: Databases) -> None:
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    with simulated_feed(SimulatedFeed(premium_keys=frozenset({KEY})), wall_clock) as url:
        enter(home, "vip", url, now=wall_clock(), key=KEY, every_seconds=1000)
        enter(home, "bad", url, now=wall_clock(), key=f"not{KEY}")
        rows = {row["source"]: row for row in poll_external_signals(home=home.path)}
        again = poll_external_signals(home=home.path)
    assert rows["vip"]["new"] > 0
    assert rows["bad"]["trouble"] == "bad: the key is bad: error 5, Invalid API Key"
    assert [row["source"] for row in again] == ["vip"]
    assert again[0]["known"] > 0
    shown = {key: artifact(key) for key in ("external-signals", "external-signals-by-hour")}
    assert KEY not in repr(shown)
    columns = set(json.loads(shown["external-signals"])[0])
    assert {"source", "new", "known", "revised", "quarantined"} <= columns
    with open_lens(home.path) as lens, lens.use() as db:
        count = db.execute("SELECT count(*) FROM external_signals").fetchall()[0][0]
    assert count >= rows["vip"]["new"]
