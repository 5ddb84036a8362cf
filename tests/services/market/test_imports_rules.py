"""Bars as the market delivers them, through import, gate and settlement to the journal: no account stops all others."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.market import rules
from countersign.domain.market.rules import FIRST_BOOK_SHA256, rules_sha256, rules_text
from countersign.domain.sessions import deadline
from countersign.models.datasets import BARS, INDEX_LEVELS, NAV, ORDERS, POSITIONS
from countersign.models.tables.settlement import Settlement
from countersign.services.attestation.sealing import seal_pending
from countersign.services.market.imports import import_bars
from countersign.services.market.instrument_imports import import_instruments
from countersign.services.settlement import planning
from countersign.services.settlement.listings import ListingEvidence, read_evidence
from countersign.services.settlement.quality import inspect_bars
from countersign.services.verification.verify import verify_journal
from countersign.services.watchdog import checks
from countersign.store.home import Home
from tests.support import frames
from tests.support.settling import results, settle_due, settle_session
from tests.support.strategies import open_strategies, send
from tests.support.trading import put_market, trading

DAYS = (date(2025, 3, 3), date(2025, 3, 4), date(2025, 3, 5), date(2025, 3, 6), date(2025, 3, 7))
OTHERS = [f"6001{n:02}.SH" for n in range(20)]
GONE = "600999.SH"


def bar(symbol: str, session: date, close: float, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "session": session, "open": close, "close": close} | more


def bars_of(closes: Mapping[str, Mapping[date, float]], **more: Any) -> pl.DataFrame:
    """The bars of twenty shares that trade at 10, 10.01 and so on, and those given."""
    rows = [bar(symbol, day, 10 + n / 100) for n, day in enumerate(DAYS) for symbol in OTHERS]
    rows += [bar(symbol, day, close, **more) for symbol, days in closes.items() for day, close in days.items()]
    parts = pl.DataFrame(rows, infer_schema_length=None).partition_by("session", as_dict=True)
    return pl.concat(
        frames.bars(session, part.drop("session").to_dicts()) for (session,), part in sorted(parts.items())
    )


def levels() -> pl.DataFrame:
    return pl.DataFrame([("hs300", day, 3500.0) for day in DAYS], schema=INDEX_LEVELS.schema, orient="row")


def put_bars(home: Home, folder: Path, bars: pl.DataFrame) -> None:
    """Import bars from a file, as an operator does."""
    path = folder / "bars.parquet"
    bars.write_parquet(path)
    import_bars(home, path, home.clock.now())
    put_market(home, bars.clear(), levels())


def put_instruments(home: Home, folder: Path, text: str) -> None:
    path = folder / "instruments.csv"
    path.write_text(text)
    import_instruments(home, path, home.clock.now())


def trade(home: Home, *slugs: str, **terms: Any) -> None:
    open_strategies(home, deadline(DAYS[0], "open"), *slugs, commission_rate=0.0, slippage_rate=0.0, **terms)


def signal(home: Home, session: date, weights: Mapping[str, Mapping[str, float]]) -> None:
    """Send portfolios, and have them sealed in time."""
    send(home, session, weights)
    seal_pending(home, deadline(session, "open") - timedelta(seconds=30))


def after_close(home: Home) -> None:
    home.clock.set(deadline(DAYS[-1], "close").replace(hour=11))


def navs(home: Home, slug: str = "alpha") -> list[str]:
    """The NAV of each settled session, in order."""
    rows = home.lake.scan(NAV).filter(pl.col("strategy") == slug).sort("session").collect()
    return [str(nav) for nav in rows["nav"]]


def manifest_of(home: Home, session: date) -> dict[str, Any]:
    with home.ledger.read() as db:
        manifest = db.exec(select(Settlement.manifest).where(Settlement.session == session)).one()
    inputs: dict[str, Any] = orjson.loads(manifest)["inputs"]
    return inputs


def evidence_at(home: Home, session: date) -> ListingEvidence:
    return read_evidence(home.lake, home.sessions, session, None, home.lake.read(BARS, session))


def verified(home: Home, folder: Path, bars: pl.DataFrame) -> list[str]:
    """The kinds of faults in the journal, every settlement made again from these bars."""
    seal_pending(home, home.clock.now())
    path = folder / "mine.parquet"
    bars.write_parquet(path)
    report = verify_journal(home.path / "journal", bars=path)
    assert report.replayed == report.settled > 0
    return sorted({fault.kind.value for fault in report.faults})


def test_a_signal_without_market_data_holds_no_other_account(home: Home, tmp_path: Path) -> None:
    put_bars(home, tmp_path, bars_of({}))
    trade(home, "alpha", "beta")
    signal(home, DAYS[1], {"alpha": {OTHERS[0]: 0.5}, "beta": {f"6039{n:02}.SH": 0.01 for n in range(60)}})
    after_close(home)
    assert settle_due(home, DAYS[2]) == 2
    orders = home.lake.read(ORDERS, DAYS[1])
    assert orders.filter(pl.col("strategy") == "beta")["reason"].to_list() == ["NO_MARKET_DATA"] * 60
    assert orders.filter(pl.col("strategy") == "alpha")["filled"].to_list() == [49_900]  # 500,000 / 10.01


def test_a_holding_whose_bars_end_is_marked_and_exchanged_once_its_value_is_known(home: Home, tmp_path: Path) -> None:
    ends = {GONE: dict.fromkeys(DAYS[:3], 1.0)}
    bars = bars_of(ends)
    put_bars(home, tmp_path, bars)
    trade(home, "alpha")
    signal(home, DAYS[1], {"alpha": {GONE: 0.3}})
    after_close(home)
    assert settle_due(home, DAYS[3]) == 3
    assert [finding.rule for finding in inspect_bars(home, DAYS[3]).findings] == ["absent symbols"]
    put_instruments(home, tmp_path, f"symbol,delisted\n{GONE},{DAYS[3]}\n")
    assert [finding.rule for finding in inspect_bars(home, DAYS[4]).findings] == ["no delisting value"]
    put_instruments(home, tmp_path, f"symbol,delisting_value\n{GONE},0.40\n")
    assert settle_due(home, DAYS[4]) == 1
    # 300,000 shares at 1.00 stay at 1.00, until 0.40 is paid for each.
    assert navs(home) == ["1000000.00"] * 3 + ["820000.00"]
    assert home.lake.read(POSITIONS, DAYS[4]).is_empty()
    (order,) = home.lake.read(ORDERS, DAYS[4]).rows(named=True)
    assert (order["symbol"], order["filled"], str(order["notional"]), order["reason"]) == (
        GONE,
        300_000,
        "120000.00",
        "DELISTED",
    )
    assert manifest_of(home, DAYS[4])["delistings"] == [[GONE, "0.4", "", ""]]
    assert "delistings" not in manifest_of(home, DAYS[3])
    assert verified(home, tmp_path, bars) == []
    assert settle_session(home, DAYS[4]) is False


def test_a_delisted_holding_becomes_shares_of_its_successor_by_ratio(home: Home, tmp_path: Path) -> None:
    bars = bars_of({GONE: dict.fromkeys(DAYS[:3], 1.0)})
    put_bars(home, tmp_path, bars)
    trade(home, "alpha")
    signal(home, DAYS[1], {"alpha": {GONE: 0.3}})
    put_instruments(home, tmp_path, f"symbol,delisted,delisting_value\n{GONE},{DAYS[3]},0.1*{OTHERS[0]}\n")
    after_close(home)
    settle_due(home, DAYS[4])
    # 30,000 shares at 10.03 and 10.04 for 300,000 at 1.00.
    assert navs(home) == ["1000000.00", "1000000.00", "1000900.00", "1001200.00"]
    assert verified(home, tmp_path, bars) == []


def test_the_first_sessions_of_a_listing_have_no_limit(home: Home, tmp_path: Path) -> None:
    fresh = {"301999.SZ": dict(zip(DAYS[1:], (20.0, 20.0, 27.0, 27.0), strict=True))}
    bars = bars_of(fresh)
    put_bars(home, tmp_path, bars)
    trade(home, "alpha")
    signal(home, DAYS[3], {"alpha": {"301999.SZ": 0.5}})  # 27 after 20 is beyond 20 %
    after_close(home)
    evidence = evidence_at(home, DAYS[3])
    assert evidence.listings.rows() == [("301999.SZ", DAYS[1], 3)]
    assert evidence.presumed == ("301999.SZ",)
    assert [finding.rule for finding in inspect_bars(home, DAYS[3]).findings] == ["presumed listing"]
    settle_due(home, DAYS[4])
    assert home.lake.read(ORDERS, DAYS[3])["filled"].to_list() == [18_500]
    assert manifest_of(home, DAYS[3])["listings"] == [["301999.SZ", str(DAYS[1]), "3"]]
    assert verified(home, tmp_path, bars) == []


def test_an_instrument_that_was_listed_before_is_no_new_listing(home: Home, tmp_path: Path) -> None:
    put_bars(home, tmp_path, bars_of({"301999.SZ": dict.fromkeys(DAYS[1:], 20.0)}))
    put_instruments(home, tmp_path, "symbol,listed\n301999.SZ,2021-03-01\n")
    assert evidence_at(home, DAYS[3]).listings.is_empty()


def test_an_instrument_says_of_a_listing_before_the_lakes_first_session(home: Home, tmp_path: Path) -> None:
    put_bars(home, tmp_path, bars_of({"301999.SZ": dict.fromkeys(DAYS, 20.0)}))
    assert evidence_at(home, DAYS[1]).listings.is_empty()
    put_instruments(home, tmp_path, "symbol,listed\n301999.SZ,2025-02-28\n")
    evidence = evidence_at(home, DAYS[1])
    assert (evidence.listings.rows(), evidence.presumed) == ([("301999.SZ", date(2025, 2, 28), 3)], ())
    put_instruments(home, tmp_path, "symbol,listed\n301999.SZ,2025-03-02\n")  # a Sunday: it begins on Monday
    assert evidence_at(home, DAYS[1]).listings["age"].to_list() == [2]


def test_noise_of_float32_is_gone_from_lake_and_verification_takes_the_vendors_file(home: Home, tmp_path: Path) -> None:
    locked = {"600201.SH": dict(zip(DAYS, (3.44, 3.44, 3.78, 3.78, 3.78), strict=True))}
    prices = ("open", "high", "low", "close")
    noisy = bars_of(locked, limit_up=3.78).with_columns(pl.col(prices).cast(pl.Float32).cast(pl.Float64))
    put_bars(home, tmp_path, noisy)
    assert home.lake.read(BARS, DAYS[2]).filter(pl.col("symbol") == "600201.SH")["close"].item() == 3.78
    trade(home, "alpha")
    signal(home, DAYS[2], {"alpha": {"600201.SH": 0.5}})
    after_close(home)
    settle_due(home, DAYS[4])
    assert home.lake.read(ORDERS, DAYS[2])["reason"].to_list() == ["LIMIT_UP"]
    assert verified(home, tmp_path, noisy) == []


def test_a_rule_that_starts_later_leaves_settled_sessions_alone(
    settled: Home, undisturbed: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days, late = trading().sessions, date(2026, 12, 1)
    for name, row in (("PRICE_LIMITS", (late, "main", 0.2, 0.2)), ("STAMP_DUTY", (late, 0.0))):
        monkeypatch.setattr(rules, name, (*getattr(rules, name), row))
    for cached in (rules_text, rules_sha256):
        cached.cache_clear()
    try:
        assert settle_session(settled, days[1]) is False
        assert results(settled) == results(undisturbed)
        seal_pending(settled, settled.clock.now())
        assert [problem.kind for problem in checks.find_problems(settled, days[-1])] == ["stale lens"]
        # This home's signals were sealed long after their deadlines; nothing else is wrong.
        assert verified(settled, tmp_path, trading().market.bars) == ["late"]
        assert rules_sha256(late) != rules_sha256(days[1])
    finally:
        monkeypatch.undo()
        for cached in (rules_text, rules_sha256):
            cached.cache_clear()


def test_sessions_settled_under_the_first_edition_stay_settled(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first edition knew no listings: it refused orders that are filled now, and does so in its sessions still."""
    fresh = {"301999.SZ": dict(zip(DAYS[1:], (20.0, 20.0, 27.0, 27.0), strict=True))}
    bars = bars_of(fresh)
    put_bars(home, tmp_path, bars)
    trade(home, "alpha")
    signal(home, DAYS[3], {"alpha": {"301999.SZ": 0.5}})
    after_close(home)
    with monkeypatch.context() as patch:
        patch.setattr(planning, "rules_sha256", lambda _: FIRST_BOOK_SHA256)
        assert settle_due(home, DAYS[3]) == 1
    assert home.lake.read(ORDERS, DAYS[3])["reason"].to_list() == ["LIMIT_UP"]
    before = results(home)
    assert settle_session(home, DAYS[3]) is False
    assert results(home) == before
    settle_due(home, DAYS[4])
    assert manifest_of(home, DAYS[4])["rules"] == rules_sha256(DAYS[4])
    assert verified(home, tmp_path, bars) == []
