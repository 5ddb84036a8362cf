"""Market data into a home: files, the sample, a provider; and the same again."""

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.market.simulation import simulate
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.errors import ConflictError, CountersignError, InputError, SourceBusy, SourceRefused
from countersign.models.tables.market import CorporateAction, UniverseMember
from countersign.models.tables.operations import AuditEntry
from countersign.services.market.imports import (
    import_actions,
    import_bars,
    import_index,
    import_universe,
    ingest,
    simulate_market,
)
from countersign.sources.files.tables import FilesProvider
from countersign.store.home import Home
from countersign.store.market import members_of
from tests.support.market_homes import NOW, new_home

MONDAY, TUESDAY, WEDNESDAY = date(2025, 6, 23), date(2025, 6, 24), date(2025, 6, 25)
SHARED = next(
    (
        folder / "shared" / "market"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared" / "market").is_dir()
    ),
    None,
)
Import = Callable[[Home, Path, datetime], Any]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home without a market."""
    return new_home(tmp_path / "home")


def bars(*rows: tuple[str, date, float]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["symbol", "session", "close"], orient="row")
    return frame.with_columns(open="close", high="close", low="close", volume=pl.lit(1000))


def levels(*rows: tuple[str, date, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["index", "session", "close"], orient="row")


def saved(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


def closes(home: Home, session: date) -> dict[str, float]:
    return dict(home.lake.read(BARS, session).select("symbol", "close").iter_rows())


def everything(home: Home) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.lake_path.rglob("*.parquet")}


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_bars_are_imported_once(home: Home, tmp_path: Path, name: str) -> None:
    frame = bars(("600000.SH", TUESDAY, 10.1), ("600000.SH", MONDAY, 10.0), ("000001.SZ", MONDAY, 11.0))
    path = saved(frame, tmp_path / name)
    first = import_bars(home, path, NOW)
    assert (first.rows, first.since, first.until, first.changed) == (3, MONDAY, TUESDAY, 2)
    assert closes(home, MONDAY) == {"000001.SZ": 11.0, "600000.SH": 10.0}
    files = everything(home)
    again = import_bars(home, path, NOW)
    assert again.changed == 0
    assert everything(home) == files
    assert home.lake.orphans() == []
    with home.ledger.read() as db:
        assert [entry.subject for entry in db.exec(select(AuditEntry))] == [name]


def test_changed_bars_supersede_only_their_own_session(home: Home, tmp_path: Path) -> None:
    frame = bars(("600000.SH", MONDAY, 10.0), ("600000.SH", TUESDAY, 10.1), ("000001.SZ", TUESDAY, 11.0))
    import_bars(home, saved(frame, tmp_path / "bars.parquet"), NOW)
    corrected = bars(("600000.SH", MONDAY, 10.0), ("600000.SH", TUESDAY, 10.2))
    assert import_bars(home, saved(corrected, tmp_path / "new.parquet"), NOW).changed == 1
    assert closes(home, TUESDAY) == {"600000.SH": 10.2}
    assert closes(home, MONDAY) == {"600000.SH": 10.0}
    assert len(everything(home)) == 3  # the superseded file stays, for provenance


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (bars(("600000.SH", date(2025, 6, 22), 10.0)), "session"),
        (bars(("600000.SH", MONDAY, 10.0)).with_columns(colour=pl.lit("red")), "colour"),
        (bars(("600000.SH", MONDAY, -10.0)), "open"),
        (bars(("600000.SH", MONDAY, 10.0), ("600000.SH", MONDAY, 10.0)), "symbol"),
        (bars(("600000.SH", date(2300, 1, 1), 10.0)), "session"),
        (bars(), "bars"),
    ],
)
def test_faulty_bars_leave_nothing_behind(home: Home, tmp_path: Path, frame: pl.DataFrame, field: str) -> None:
    whole = pl.concat([bars(("600001.SH", MONDAY, 10.0)).head(frame.height), frame], how="diagonal_relaxed")
    with pytest.raises(InputError) as caught:
        import_bars(home, saved(whole, tmp_path / "bars.parquet"), NOW)
    assert caught.value.field == field
    assert everything(home) == {}
    assert home.lake.sessions(BARS) == []


@pytest.mark.parametrize("take_in", [import_bars, import_index, import_universe, import_actions])
def test_a_file_that_is_no_table_is_refused(home: Home, tmp_path: Path, take_in: Import) -> None:
    path = tmp_path / "bars.parquet"
    path.write_bytes(b"not Parquet")
    with pytest.raises(InputError, match="neither"):
        take_in(home, path, NOW)


def test_levels_of_other_indices_stay(home: Home, tmp_path: Path) -> None:
    first = saved(levels(("hs300", MONDAY, 3900.0), ("hs300", TUESDAY, 3910.0)), tmp_path / "one.csv")
    second = saved(levels(("csi500", TUESDAY, 5600.0), ("hs300", TUESDAY, 3911.0)), tmp_path / "two.csv")
    assert import_index(home, first, NOW).changed == 2
    assert import_index(home, second, NOW).changed == 1
    assert home.lake.read(INDEX_LEVELS, TUESDAY)["close"].to_list() == [5600.0, 3911.0]
    assert home.lake.read(INDEX_LEVELS, MONDAY)["close"].to_list() == [3900.0]
    assert import_index(home, second, NOW).changed == 0


def members(*rows: tuple[str, str, date, date | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["universe", "symbol", "since", "until"], orient="row")


def test_members_are_upserted_and_may_not_overlap(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "universe.parquet"
    first = members(("hs300", "600000.SH", MONDAY, None), ("hs300", "000001.SZ", MONDAY, None))
    assert import_universe(home, saved(first, path), NOW).changed == 2
    assert import_universe(home, path, NOW).changed == 0
    leaves = members(("hs300", "600000.SH", MONDAY, TUESDAY))
    assert import_universe(home, saved(leaves, path), NOW).changed == 1
    with home.ledger.read() as db:
        assert members_of(db, "hs300", TUESDAY) == ["000001.SZ", "600000.SH"]
        assert members_of(db, "hs300", WEDNESDAY) == ["000001.SZ"]
        assert members_of(db, "csi500", MONDAY) == []
    with pytest.raises(InputError, match="since"):
        import_universe(home, saved(members(("hs300", "600000.SH", TUESDAY, None)), path), NOW)
    with home.ledger.read() as db:
        assert len(db.exec(select(UniverseMember)).all()) == 2


def test_actions_are_upserted(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "actions.csv"
    frame = pl.DataFrame({"symbol": ["600000.SH"], "session": [MONDAY], "cash": [0.41], "bonus": [0.0]})
    assert import_actions(home, saved(frame, path), NOW).changed == 1
    assert import_actions(home, path, NOW).changed == 0
    assert import_actions(home, saved(frame.with_columns(bonus=pl.lit(0.3)), path), NOW).changed == 1
    with home.ledger.read() as db:
        (row,) = db.exec(select(CorporateAction))
        assert (row.symbol, row.session, row.cash, row.bonus) == ("600000.SH", MONDAY, 0.41, 0.3)


def test_the_sample_market_fills_a_home_once(home: Home) -> None:
    def fill(seed: int = 5) -> list[Any]:
        return simulate_market(home, NOW, symbols=20, sessions=30, seed=seed, end=TUESDAY)

    assert fill()[0].changed > 0
    days = home.lake.sessions(BARS)
    assert days == home.lake.sessions(INDEX_LEVELS)
    assert (len(days), days[-1]) == (30, TUESDAY)
    assert home.lake.read(BARS, TUESDAY).equals(simulate(20, days, 5).bars.filter(pl.col("session") == TUESDAY))
    files = everything(home)
    assert {imported.changed for imported in fill()} == {0}
    assert everything(home) == files
    with pytest.raises(ConflictError, match="another sample"):
        fill(seed=6)


def test_the_sample_market_keeps_out_of_real_ones(home: Home, tmp_path: Path) -> None:
    import_bars(home, saved(bars(("600000.SH", MONDAY, 10.0)), tmp_path / "bars.csv"), NOW)
    with pytest.raises(ConflictError, match="home of its own"):
        simulate_market(home, NOW, symbols=20, sessions=5)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"symbols": 3}, "symbols"),
        ({"sessions": 0}, "sessions"),
        ({"sessions": -1}, "sessions"),
        ({"end": date(2025, 6, 22)}, "end"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(home: Home, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate_market(home, NOW, **wrong)
    assert caught.value.field == field


class Provider:
    """A provider with the data that a test gives it."""

    def __init__(self, frame: pl.DataFrame, of_indices: pl.DataFrame) -> None:
        self.frame, self.of_indices = frame, of_indices

    def fetch_bars(self, session: date) -> pl.DataFrame:
        return self.frame.filter(pl.col("session") == session) if "session" in self.frame.columns else self.frame

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        return self.of_indices.filter(pl.col("session") <= max(session, TUESDAY))


def test_a_session_is_ingested_once(home: Home) -> None:
    provider = Provider(bars(("600000.SH", MONDAY, 10.0)), levels(("hs300", MONDAY, 3900.0)))
    assert [imported.changed for imported in ingest(home, provider, MONDAY, NOW)] == [1, 1]
    assert [imported.changed for imported in ingest(home, provider, MONDAY, NOW)] == [0, 0]
    assert closes(home, MONDAY) == {"600000.SH": 10.0}
    provider.frame = bars(("600000.SH", MONDAY, 10.5))
    assert [imported.changed for imported in ingest(home, provider, MONDAY, NOW)] == [1, 0]
    assert closes(home, MONDAY) == {"600000.SH": 10.5}


def test_a_bond_in_a_providers_market_is_left_out_and_said(home: Home) -> None:
    frame = bars(("600000.SH", MONDAY, 10.0), ("113999.SH", MONDAY, 120.005), ("900901.SH", MONDAY, 0.5))
    taken, _ = ingest(home, Provider(frame, levels(("hs300", MONDAY, 3900.0))), MONDAY, NOW)
    assert closes(home, MONDAY) == {"600000.SH": 10.0}
    assert taken.remarks == (
        "left out, as they are no shares or exchange-traded funds: 113999.SH, a convertible bond; 900901.SH, a B share",
    )


def test_reference_prices_become_factors(home: Home) -> None:
    """10.00 yesterday, a reference of 8.00 today: the factor is 10/8 = 1.25 and stays so on the next day."""
    index = pl.concat([levels(("hs300", day, 3900.0)) for day in (MONDAY, TUESDAY, WEDNESDAY)])
    for day, close, reference in ((MONDAY, 10.0, 9.9), (TUESDAY, 8.1, 8.0), (WEDNESDAY, 8.2, 8.1)):
        frame = bars(("600000.SH", day, close)).with_columns(pre_close=pl.lit(reference))
        ingest(home, Provider(frame, index.filter(pl.col("session") == day)), day, NOW)
    factors = [home.lake.read(BARS, day)["adj_factor"][0] for day in (MONDAY, TUESDAY, WEDNESDAY)]
    assert factors == [1.0, 1.25, 1.25]


def test_the_level_of_all_funds_is_made_where_nobody_publishes_one(home: Home) -> None:
    index = pl.concat([levels(("hs300", day, 3900.0)) for day in (MONDAY, TUESDAY)])
    for _ in range(2):  # again is the same
        for day, close in ((MONDAY, 4.0), (TUESDAY, 4.2)):
            ingest(home, Provider(bars(("510300.SH", day, close)), index.filter(pl.col("session") == day)), day, NOW)
    own = home.lake.scan(INDEX_LEVELS).filter(pl.col("index") == "etf_all").sort("session").collect()
    assert own["close"].to_list() == [1000.0, 1050.0]
    for given in (levels(("etf_all", TUESDAY, 77.0), ("hs300", TUESDAY, 3900.0)), levels(("hs300", TUESDAY, 3901.0))):
        ingest(home, Provider(bars(("510300.SH", TUESDAY, 4.2)), given), TUESDAY, NOW)
    assert home.lake.read(INDEX_LEVELS, TUESDAY)["close"].to_list() == [77.0, 3901.0]  # a level handed in stays


@pytest.mark.parametrize(
    ("frame", "index", "said"),
    [
        (bars(("600000.SH", MONDAY, -1.0)), levels(("hs300", MONDAY, 1.0)), "bars of 2025-06-23 make no sense: open"),
        (bars(), levels(("hs300", MONDAY, 1.0)), "bars"),
        (bars(("600000.SH", MONDAY, 1.0)), levels(("hs300", TUESDAY, 1.0)), "index levels of 2025-06-23"),
        (pl.DataFrame({"a": [1]}), levels(("hs300", MONDAY, 1.0)), "bars of 2025-06-23 make no sense: a"),
    ],
)
def test_a_provider_that_talks_nonsense_is_refused(
    home: Home, frame: pl.DataFrame, index: pl.DataFrame, said: str
) -> None:
    with pytest.raises(SourceRefused, match=said):
        ingest(home, Provider(frame, index), MONDAY, NOW)
    assert everything(home) == {}


@pytest.mark.parametrize(
    ("session", "error"),
    [(date(2025, 7, 1), InputError), (date(2025, 6, 29), InputError), (WEDNESDAY, SourceBusy)],
)
def test_a_session_that_is_open_none_or_not_delivered_is_an_error(
    home: Home, tmp_path: Path, session: date, error: type[CountersignError]
) -> None:
    with pytest.raises(error):
        ingest(home, FilesProvider(tmp_path / "drop"), session, NOW)


@pytest.mark.skipif(SHARED is None, reason="the real bars are not beside this checkout")
def test_real_bars_come_in_whole(home: Home) -> None:
    path = Path(os.fspath(SHARED or "")) / "bars_hs300_2024.parquet"
    real = pl.read_parquet(path)
    assert import_bars(home, path, NOW).rows == real.height
    stored = home.lake.scan(BARS).select(real.columns).cast({"volume": pl.Int64}).sort("session", "symbol").collect()
    assert stored.equals(real.sort("session", "symbol"))
