"""Outcomes from signals and klines to the ledger and each source's record, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.external.items import normalise
from countersign.models.errors import InputError
from countersign.models.klines import series_of
from countersign.models.tables.external import ExternalOutcome
from countersign.services.external.answers import Poll, store_answer
from countersign.services.external.judge import judge_signals
from countersign.services.external.kline_imports import import_klines
from countersign.services.external.outcomes import newest_change, no_record, read_records
from countersign.services.external.polling import poll_round
from countersign.services.external.sources import list_sources
from countersign.store.home import Home
from tests.support import listed
from tests.support.feeds import ITEM, NOON, enter
from tests.support.klines import SERIES, bars, outcomes, put, save
from tests.support.services import Reply, serve
from tests.support.shared import shared

# A zone of 99 to 101, a stop at 90, targets at 110 and 120: the first bar enters at 100, a risk of 10.
SIGNAL = ITEM | {
    "timestamp": "2026-05-24 12:00:00",
    "buy_start": "99",
    "buy_end": "101",
    "stop_loss": "90",
    "target1": "110",
    "target2": "120",
}
FLAT = (100.0, 101.0, 99.0, 100.0)
FIRST, SECOND = (100.0, 111.0, 99.5, 110.0), (110.0, 121.0, 109.0, 120.0)
FALL = (100.0, 100.0, 89.0, 89.0)
QUARTER = timedelta(minutes=15)


def come(home: Home, *items: Any, source: str = "feed", at: datetime = NOON) -> None:
    with home.ledger.read() as db:
        known = {each.source.name: each.source.id for each in list_sources(db)}
    number = known.get(source) or enter(home, source, "https://feed.example")
    with home.ledger.write() as db:
        store_answer(db, Poll(number, at, at, 60), normalise(items))


def judge(home: Home, hours: int = 0) -> list[tuple[str, int, int]]:
    return [(each.market, each.signals, each.changed) for each in judge_signals(home, NOON + timedelta(hours=hours))]


def record(home: Home, source: str = "feed") -> dict[str, Any]:
    with home.ledger.read() as db:
        return read_records(db)[source]


def test_from_pending_to_decided_and_never_again(home: Home) -> None:
    come(home, SIGNAL)
    assert judge(home) == []
    put(home, bars(FLAT, FIRST))
    assert judge(home) == [("binance-BTC-USDT", 1, 1)]
    found = outcomes(home)[ITEM["id"]]
    assert (found.outcome, found.r_multiple, found.decided_at) == ("target1", None, None)
    assert (found.entered_at, found.target1_at) == (NOON, NOON + QUARTER)
    assert judge(home) == [("binance-BTC-USDT", 1, 0)]
    assert put(home, bars(SECOND, start=NOON + 2 * QUARTER)) == (1, 0, 0)
    assert judge(home, hours=1) == [("binance-BTC-USDT", 1, 1)]
    found = outcomes(home)[ITEM["id"]]
    # Half left at 110, half at 120: (10 + 20) / 2 over a risk of 10.
    assert (found.outcome, found.r_multiple, found.series) == ("target2", 1.5, SERIES.name)
    assert (found.closed_at, found.decided_at) == (NOON + 2 * QUARTER, NOON + timedelta(hours=1))
    assert judge(home, hours=2) == []
    assert put(home, bars(FALL, start=NOON + 3 * QUARTER)) == (1, 0, 0)
    assert judge(home, hours=2) == []


def test_outcomes_on_changed_klines_are_judged_again(home: Home) -> None:
    come(home, SIGNAL, SIGNAL | {"id": 2, "timestamp": "2026-05-24 12:30:00"})
    put(home, bars(FLAT, FALL, FLAT, FALL))
    judge(home)
    assert [each.outcome for each in outcomes(home).values()] == ["stopped", "stopped"]
    with home.ledger.read() as db:
        before = newest_change(db)
    # Only the first signal rests on the second bar.
    assert put(home, bars(SECOND, start=NOON + QUARTER)) == (0, 1, 1)
    with home.ledger.read() as db:
        assert newest_change(db) == before + 1
    assert outcomes(home)[ITEM["id"]].decided_at is None
    assert record(home)["open"] == 1
    assert judge(home) == [("binance-BTC-USDT", 1, 1)]
    assert {key: each.outcome for key, each in outcomes(home).items()} == {ITEM["id"]: "target2", "2": "stopped"}


def test_a_revision_or_a_back_dated_signal_counts_from_its_arrival(home: Home) -> None:
    put(home, bars(FLAT, FALL, FLAT, FIRST, SECOND))
    come(home, SIGNAL)
    # The stop was touched at 12:15; two minutes later there never was such a stop.
    come(home, SIGNAL | {"stop_loss": "80"}, at=NOON + timedelta(minutes=32))
    # A signal that comes at 13:10 and is dated to noon knows the bars until 13:00: none of them counts for it.
    come(home, SIGNAL | {"id": 2, "stop_loss": "80"}, at=NOON + timedelta(minutes=70))
    assert judge(home) == [("binance-BTC-USDT", 3, 3)]
    with home.ledger.read() as db:
        found = [(each.outcome, each.entered_at) for each in db.exec(select(ExternalOutcome)).all()]
    assert found == [("stopped", NOON), ("target2", NOON + 3 * QUARTER), ("pending", None)]
    counts = {name: record(home)[name] for name in ("judged", "closed", "pending", "mean_r")}
    assert counts == {"judged": 2, "closed": 1, "pending": 1, "mean_r": -1.0}


def test_a_feed_that_keeps_its_targets_in_a_list_can_hit_them(home: Home) -> None:
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    with serve(lambda _path, _query: Reply({"data": [listed.ITEM]})) as url:
        enter(home, "lists", url, now=midnight, **listed.TERMS)
        assert [each.stored.new for each in poll_round(home, lambda: midnight)] == [1]
    rows = [(100.0, 101.0, 100.0, 101.0), (101.0, 116.0, 101.0, 116.0), (116.0, 116.0, 94.0, 94.0)]
    put(home, bars(*rows, start=midnight))
    judge(home)
    found = outcomes(home)["1"]
    # A third each at 105, 110 and 115, entered at 100 over a stop at 95: (5 + 10 + 15) / 3 over a risk of 5.
    assert (found.outcome, found.r_multiple) == ("target3", 2.0)
    assert (found.entered_at, found.closed_at) == (midnight, midnight + QUARTER)


def test_the_finest_klines_that_cover_the_publication_judge(home: Home) -> None:
    # In the quarter the stop counts first; the minutes tell that the targets came before it.
    put(home, bars(FLAT, (100.0, 121.0, 89.0, 90.0)))
    come(home, SIGNAL)
    judge(home)
    assert outcomes(home)[ITEM["id"]].outcome == "stopped"
    minutes = series_of("Binance", "btc/usdt", "1m")
    late = bars(FLAT, start=NOON + 20 * QUARTER, step=minutes.step)
    assert put(home, late, minutes) == (1, 0, 0)
    assert judge(home) == []
    fine = bars(FLAT, SECOND, step=minutes.step)
    assert put(home, fine, minutes) == (2, 0, 1)
    assert judge(home) == [("binance-BTC-USDT", 1, 1)]
    found = outcomes(home)[ITEM["id"]]
    assert (found.outcome, found.series) == ("target2", minutes.name)
    # Coarser bars change nothing any more.
    assert put(home, bars(FALL)) == (0, 1, 0)


def test_coarser_klines_decide_outcomes_that_the_finer_leave_open(home: Home) -> None:
    minutes = series_of("binance", "BTC/USDT", "1m")
    put(home, bars(FLAT, FLAT, step=minutes.step), minutes)
    come(home, SIGNAL)
    judge(home)
    assert (outcomes(home)[ITEM["id"]].outcome, outcomes(home)[ITEM["id"]].series) == ("open", minutes.name)
    put(home, bars(FLAT, (100.0, 121.0, 89.0, 90.0)))
    judge(home)
    assert (outcomes(home)[ITEM["id"]].outcome, outcomes(home)[ITEM["id"]].series) == ("stopped", SERIES.name)
    # The minutes of the bar that it rests on, begun after that bar did, tell more.
    fine = bars(*[FLAT] * 15, SECOND, start=NOON + 2 * minutes.step, step=minutes.step)
    assert put(home, fine, minutes) == (16, 0, 1)
    judge(home)
    assert (outcomes(home)[ITEM["id"]].outcome, outcomes(home)[ITEM["id"]].series) == ("target2", minutes.name)


def test_other_exchanges_and_pairs_do_not_stand_in(home: Home) -> None:
    put(home, bars(FLAT, FALL))
    come(
        home,
        SIGNAL | {"id": 1, "exchange": "BINANCE", "coin": "btc"},
        SIGNAL | {"id": 2, "exchange": "bybit"},
        SIGNAL | {"id": 3, "coin": "ETH"},
        SIGNAL | {"id": 4, "timestamp": "2026-05-24 13:00:00"},
        SIGNAL | {"id": 5, "stop_loss": "130"},
        SIGNAL | {"id": 6, "buy_start": "0.000000000000000001"},
    )
    assert judge(home) == [("binance-BTC-USDT", 4, 4)]
    found = {key: (each.outcome, each.decided_at is None) for key, each in outcomes(home).items()}
    assert found == {
        "1": ("stopped", False),
        "4": ("pending", True),
        "5": ("invalid", False),
        "6": ("invalid", False),
    }


def test_a_sources_record_counts_its_outcomes(home: Home) -> None:
    no_second = {"target2": ""}
    come(home, SIGNAL | {"id": 1}, SIGNAL | {"id": 2} | no_second, SIGNAL | {"id": 3, "stop_loss": "80"})
    come(home, SIGNAL | {"id": 4, "buy_start": "70", "buy_end": "71", "stop_loss": "60"} | no_second)
    come(home, SIGNAL | {"id": 5, "stop_loss": "130"})
    come(home, SIGNAL | {"id": 1, "target1": "200", "target2": ""}, source="other")
    put(home, bars(FLAT, FIRST, FALL, *[FLAT] * 97))
    judge(home)
    found = record(home)
    counts = {name: found[name] for name in ("judged", "invalid", "pending", "expired", "closed", "open")}
    # 1: target1, then the stop, (10 - 10) / 2 / 10 = 0 R; 2: 1 R; 3: target1, still open; 4: never entered.
    assert counts == {"judged": 5, "invalid": 1, "pending": 0, "expired": 1, "closed": 2, "open": 1}
    assert found["mean_r"] == pytest.approx(0.5)
    rates = {name: (each["hits"], each["of"]) for name, each in found.items() if name.endswith("_rate")}
    assert rates == {
        "expired_rate": (1, 3),
        "stop_rate": (1, 2),
        "target1_rate": (2, 2),
        "target2_rate": (0, 1),
        "target3_rate": (0, 0),
    }
    # Wilson's interval of 1 in 2: 0.5 ± 0.4055.
    assert (found["stop_rate"]["low"], found["stop_rate"]["high"]) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert record(home, "other")["mean_r"] == -1.0
    assert no_record().keys() == found.keys()


def test_a_file_that_is_wrong_brings_nothing(home: Home, tmp_path: Path) -> None:
    good = bars(FLAT, FLAT)
    path = save(good.with_columns(high=pl.lit(98.0)), tmp_path / "bad.csv")
    with pytest.raises(InputError, match=r"^high: .* in bad\.csv$"):
        import_klines(home, path, SERIES, NOON + QUARTER)
    with pytest.raises(InputError, match=r"^path: "):
        import_klines(home, tmp_path / "none.csv", SERIES, NOON)
    assert list(home.lake.root.rglob("*.parquet")) == []
    done = import_klines(home, save(good, tmp_path / "good.csv", opened_at="date"), SERIES, NOON + 2 * QUARTER)
    assert (done.rows, done.added, done.replaced, done.since, done.until) == (2, 2, 0, NOON, NOON + QUARTER)
    assert import_klines(home, save(good, tmp_path / "good.parquet"), SERIES, NOON + 2 * QUARTER).added == 0


def test_real_bars_decide(home: Home) -> None:
    """Signals drawn over the real bars, against a plain reading of the same bars."""
    path = shared("reference/dolphindb-DolphinDBModules/BTC-USDT-SWAP_15min.parquet")
    import_klines(home, path, SERIES, NOON)
    real = pl.read_parquet(path).rows()
    expected = {}
    for n in range(0, 50_000, 500):
        close = real[n][4]
        opened, target = real[n + 1][0], round(close * 1.02, 1)
        zone = {"buy_start": f"{close * 0.5:.1f}", "buy_end": f"{close * 1.019:.1f}"}
        prices = {"stop_loss": "1", "target1": f"{target:.1f}", "target2": ""}
        item = SIGNAL | zone | prices | {"id": n, "timestamp": f"{opened:%Y-%m-%d %H:%M:%S}"}
        come(home, item, at=opened.replace(tzinfo=UTC))
        expected[str(n)] = next((row[0] for row in real[n + 1 :] if row[2] >= target), None)
    ((_, signals, changed),) = judge(home)
    assert signals == changed == 100
    found = outcomes(home)
    late = {key for key, each in found.items() if each.target1_at != expected[key]}
    # Where the entering bar came down into the zone, its high does not count: those may be later, never earlier.
    assert len(late) < 5
    assert all(found[key].target1_at is None or found[key].target1_at > expected[key] for key in late)
    assert record(home)["target1_rate"]["of"] == record(home)["closed"] > 95
