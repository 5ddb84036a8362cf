"""External signals in the lens: the ledger's rows, exactly; extended, not made again; with gaps as they are."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from countersign.domain.external.items import normalise
from countersign.models.lens.external import EXTERNAL_GAPS, EXTERNAL_OUTCOMES, EXTERNAL_SIGNALS
from countersign.services.external.answers import Poll, store_answer, store_failure
from countersign.services.external.judge import judge_signals
from countersign.services.publication import external
from countersign.services.publication.publish import lens_is_current, publish, rebuild
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from tests.support.feeds import ITEM, NOON, enter
from tests.support.klines import bars, put
from tests.support.settled import make_home


def rows(home: Home, sql: str) -> list[Any]:
    with open_lens(home.path) as lens, lens.use() as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.execute(sql).fetchall()


def test_signals_and_gaps_are_shown_and_extended(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(external, "ROWS_AT_ONCE", 2)
    home = make_home(tmp_path / "home")
    source = enter(home, "feed", "https://feed.example")

    def poll(minute: int, *items: Any) -> None:
        at = NOON + timedelta(minutes=minute)
        with home.ledger.write() as db:
            store_answer(db, Poll(source, at, at, 60), normalise(items))

    poll(0, *(ITEM | {"id": n, "ask": "0.0000134", "entry": 1} for n in range(5)))
    first = publish(home)
    shown = rows(home, "FROM external_signals")
    assert len(shown) == 5
    row = dict(zip(EXTERNAL_SIGNALS.columns, shown[0], strict=True))
    assert (row["source"], row["external_id"], row["revision"]) == ("feed", "0", 1)
    assert (row["entry_low"], row["target3"], row["risk_level"]) == (Decimal("94250.5"), None, 3.0)
    assert (row["published_at"].isoformat(), row["outcome"]) == ("2026-05-24T11:58:05+00:00", None)

    assert not publish(home).new
    poll(1, ITEM | {"id": 1}, ITEM | {"id": 9, "buy_start": "0.000000000000000001", "leverage": "7.5"})
    assert lens_is_current(home)  # the settled sessions are all there
    second = publish(home)
    assert second.new
    assert second.path != first.path
    assert rows(home, "SELECT external_id, revision FROM external_signals ORDER BY ALL") == [
        ("0", 1),
        ("1", 1),
        ("1", 2),
        ("2", 1),
        ("3", 1),
        ("4", 1),
        ("9", 1),
    ]
    assert rows(home, "SELECT entry_low FROM external_signals WHERE external_id = '9'") == [(Decimal("1e-18"),)]

    late = NOON + timedelta(minutes=40)
    with home.ledger.write() as db:
        store_failure(db, Poll(source, late, late, 60), "feed: HTTP 500")
    publish(home)
    assert [row[2] for row in rows(home, "FROM external_gaps")] == [None]
    poll(45)
    publish(home)
    (gap,) = rows(home, "FROM external_gaps")
    assert tuple(EXTERNAL_GAPS.columns) == ("source", "started_at", "ended_at")
    assert gap == ("feed", NOON + timedelta(minutes=1), NOON + timedelta(minutes=25))
    before = rows(home, "FROM external_signals ORDER BY ALL")
    rebuild(home)
    assert rows(home, "FROM external_signals ORDER BY ALL") == before


def test_outcomes_are_shown_once_they_are_decided_and_taken_back_with_their_klines(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    source = enter(home, "feed", "https://feed.example")
    short = ITEM | {
        "direction": "SHORT",
        "buy_start": "100",
        "buy_end": "101",
        "stop_loss": "105",
        "target1": "90",
        "target2": "",
    }
    late = ITEM | {"id": 2, "timestamp": "2026-05-24 20:00:00"}
    with home.ledger.write() as db:
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([short, late]))
    decided_at = NOON + timedelta(hours=2)

    def judged(*rows: tuple[float, float, float, float]) -> None:
        put(home, bars(*rows))
        judge_signals(home, decided_at)
        publish(home)

    judged((100.0, 101.0, 99.0, 100.0), (95.0, 96.0, 89.0, 91.0))
    assert rows(home, "SELECT external_id, outcome, r_multiple FROM external_signals ORDER BY ALL") == [
        ("1847291", "target1", 2.0),
        ("2", None, None),
    ]
    ((*row,),) = rows(home, "FROM external_outcomes")
    quarter = NOON + timedelta(minutes=15)
    assert dict(zip(EXTERNAL_OUTCOMES.columns, row, strict=True)) == {
        "source": "feed",
        "external_id": "1847291",
        "revision": 1,
        "series": "binance-BTC-USDT-15m",
        "outcome": "target1",
        "r_multiple": 2.0,
        "known_at": NOON,
        "entered_at": NOON,
        "stopped_at": None,
        "target1_at": quarter,
        "target2_at": None,
        "target3_at": None,
        "closed_at": quarter,
        "decided_at": decided_at,
    }
    judged((100.0, 101.0, 99.0, 100.0), (95.0, 96.0, 91.0, 91.0))
    assert rows(home, "FROM external_outcomes") == []
    judged((100.0, 106.0, 99.0, 100.0))
    shown = rows(home, "SELECT outcome, r_multiple FROM external_outcomes")
    assert shown == [("stopped", -1.0)]
    rebuild(home)
    assert rows(home, "SELECT outcome, r_multiple FROM external_outcomes") == shown
