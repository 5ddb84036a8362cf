"""Factor values at rest, on both databases: which ones count, since when, and the files that a crash leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from countersign.domain.sessions import deadline
from countersign.models.datasets import BARS, FACTOR_VALUES
from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.errors import MissingError, RefusedError
from countersign.models.tables.factors import Factor, FactorSession, FactorTerms
from countersign.services.factors import values as factor_values
from countersign.services.factors.lifecycle import delete_factor, open_factor, own_factor
from countersign.services.factors.validation import validate
from countersign.services.factors.values import Uploaded, put_values, read_values
from countersign.services.market.closes import Closes
from countersign.services.strategies.lifecycle import ensure_user
from countersign.store.home import Home
from countersign.store.lake.lake import series_files
from countersign.store.sessions import load_sessions
from tests.support import processes
from tests.support.crashing import die_at
from tests.support.factors import SYMBOLS, market_of, put_bars
from tests.support.homes import Databases, disposed, make_home
from tests.support.uploading import upload

NOW = datetime(2025, 1, 2, 1, tzinfo=UTC)
DAYS = [day for day in load_sessions(Path()).days if day >= date(2024, 11, 1)][:12]

Cells = dict[date, dict[str, float]]


def new_factor(home: Home, name: str = "alpha") -> Factor:
    with home.ledger.write() as db:
        owner = ensure_user(db, "ann", NOW)
        return open_factor(db, owner, FactorTerms(name=name, universe=FactorUniverse.HS300), NOW)


def frame(cells: Cells) -> pl.DataFrame:
    rows = [(day, symbol, value) for day, values in cells.items() for symbol, value in values.items()]
    schema = {"session": pl.Date, "symbol": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("session", "symbol")


def put(home: Home, factor: Factor, cells: Cells, at: datetime = NOW) -> Uploaded:
    return put_values(home.lake, home.sessions, factor.owner_id, factor.id, frame(cells), at)


def held(home: Home, factor: Factor) -> Cells:
    found: Cells = {}
    for day, symbol, value in read_values(home.lake, [factor.id]).drop("factor").iter_rows():
        assert symbol not in found.setdefault(day, {})
        found[day][symbol] = value
    return found


def since(home: Home, factor: Factor) -> dict[date, datetime]:
    with home.ledger.read() as db:
        rows = db.exec(select(FactorSession).where(FactorSession.factor_id == factor.id))
        return {row.session: row.uploaded_at for row in rows}


def test_a_later_upload_takes_the_place_of_the_sessions_it_names(home: Home) -> None:
    factor, later = new_factor(home), NOW + timedelta(hours=1)
    first: Cells = {day: {"600000.SH": 1.0, "000001.SZ": 2.0} for day in DAYS[:4]}
    assert put(home, factor, first) == Uploaded(4, 4, 4, FactorStatus.DRAFT)
    second: Cells = {DAYS[1]: {"600000.SH": 5.0}, DAYS[2]: first[DAYS[2]], DAYS[5]: {"600001.SH": 6.0}}
    assert put(home, factor, second, later) == Uploaded(3, 2, 5, FactorStatus.DRAFT)
    assert held(home, factor) == first | second
    # Equal values keep the time when they first came.
    assert since(home, factor) == {day: later if day in {DAYS[1], DAYS[5]} else NOW for day in {*first, *second}}
    assert held(home, new_factor(home, "other")) == {}


def test_the_same_again_changes_nothing_and_back_again_counts(home: Home) -> None:
    factor = new_factor(home)
    old, new = ({DAYS[0]: {"600000.SH": value}} for value in (1.0, 2.0))
    put(home, factor, old)
    with home.ledger.read() as db:
        before = series_files(db, FACTOR_VALUES.name, factor.id)
    assert put(home, factor, old, NOW + timedelta(1)) == Uploaded(1, 0, 1, FactorStatus.DRAFT)
    with home.ledger.read() as db:
        assert series_files(db, FACTOR_VALUES.name, factor.id) == before
    put(home, factor, new, NOW + timedelta(2))
    put(home, factor, old, NOW + timedelta(3))
    assert held(home, factor) == old
    assert since(home, factor) == {DAYS[0]: NOW + timedelta(3)}
    assert home.lake.orphans() == []


@given(
    uploads=st.lists(
        st.dictionaries(
            st.sampled_from(DAYS),
            st.dictionaries(st.sampled_from(["600000.SH", "000001.SZ", "430047.BJ"]), st.floats(-1, 1), min_size=1),
            min_size=1,
        ),
        max_size=7,
    )
)
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_after_any_uploads_the_newest_counts_and_no_session_lies_in_two_files(home: Home, uploads: list[Cells]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factor_values, "MAX_FILES", 3)
        factor, expected = new_factor(home), dict[date, dict[str, float]]()
        for cells in uploads:
            expected |= cells
            assert put(home, factor, cells).total_days == len(expected)
    assert held(home, factor) == expected
    with home.ledger.read() as db:
        files = series_files(db, FACTOR_VALUES.name, factor.id)
    assert len(files) <= 3
    days = [set(home.lake.scan_files(FACTOR_VALUES, [file]).collect()["session"]) for file in files]
    assert sum(map(len, days)) == len(expected)
    assert [file.session for file in files] == [max(each) for each in days]


def test_uploads_at_once_are_all_kept(home: Home) -> None:
    factor = new_factor(home)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(put, home, factor, {day: {"600000.SH": 1.0}}) for day in DAYS]:
            assert done.result().changed == 1
    assert sorted(held(home, factor)) == DAYS
    assert home.lake.verify(home.lake.files(FACTOR_VALUES)) == []


def test_killed_between_file_and_row_nothing_counts_and_the_next_attempt_completes_it(
    databases: Databases, tmp_path: Path
) -> None:
    with disposed(databases.ledger("sqlite")) as url:
        home = make_home(tmp_path / "home", url)
        factor, fresh = new_factor(home), {day: {"600000.SH": 1.0} for day in DAYS[1:]}
        old: Cells = {DAYS[0]: {"600000.SH": 9.0}, DAYS[1]: {"600000.SH": 8.0}}
        put(home, factor, old)
        # The file's bytes, its name, the folder's: the fourth step is the commit.
        arguments = (home.lake_path, url, factor.owner_id, factor.id, DAYS[1:])
        assert processes.run(die_at, 4, upload, *arguments) == processes.KILLED
        assert (held(home, factor), len(home.lake.orphans())) == (old, 1)
        assert put(home, factor, fresh).changed == len(fresh)
        assert (held(home, factor), home.lake.orphans()) == (old | fresh, [])


def test_a_deleted_factor_leaves_no_value_that_anybody_reads(home: Home) -> None:
    factor, other = new_factor(home), new_factor(home, "other")
    for each in (factor, other):
        put(home, each, {DAYS[0]: {"600000.SH": 1.0}})
    with home.ledger.write() as db:
        delete_factor(db, home.lake, own_factor(db, factor.owner_id, factor.id), NOW)
    assert held(home, factor) == {}
    assert len(held(home, other)) == 1
    with pytest.raises(MissingError, match="Factor not found"):
        put(home, factor, {DAYS[0]: {"600000.SH": 1.0}})


def test_a_validation_that_was_cut_off_is_begun_again(home: Home) -> None:
    factor = new_factor(home)
    home.clock.set(NOW)
    put_bars(home)
    values = market_of(home).values["first"].rename({"date": "session"}).sort("session", "symbol")
    put_values(home.lake, home.sessions, factor.owner_id, factor.id, values, NOW)
    with home.ledger.write() as db:
        row = db.get_one(Factor, factor.id)
        assert row.status == FactorStatus.READY
        row.status = FactorStatus.VALIDATING
        db.add(row)
    with pytest.raises(RefusedError, match="being validated"):
        put(home, factor, {DAYS[0]: {"600000.SH": 1.0}})
    for file in home.lake.files(FACTOR_VALUES):
        (home.lake_path / file.path).rename(home.lake_path / "elsewhere")
    with pytest.raises(Exception, match="is missing since it was committed"):
        validate(home.lake, home.sessions, Closes(home.lake), factor.owner_id, factor.id, NOW)
    with home.ledger.read() as db:
        assert db.get_one(Factor, factor.id).status == FactorStatus.READY
    for file in home.lake.files(FACTOR_VALUES):
        (home.lake_path / "elsewhere").rename(home.lake_path / file.path)
    done = validate(home.lake, home.sessions, Closes(home.lake), factor.owner_id, factor.id, NOW)
    assert (done.status, done.os_start_date) == (FactorStatus.ACTIVE, date(2025, 1, 2))
    with pytest.raises(RefusedError, match="is active, expected ready"):
        validate(home.lake, home.sessions, Closes(home.lake), factor.owner_id, factor.id, NOW)
    put(home, done, {date(2025, 1, 2): {"600000.SH": 1.0}}, deadline(date(2025, 1, 2), "close"))
    assert len(held(home, done)) == 127


def test_closes_follow_the_bars(home: Home) -> None:
    bars = market_of(home).bars.tail(3 * len(SYMBOLS))
    put_bars(home, bars)
    closes = Closes(home.lake)
    symbols, first = bars["symbol"].unique(), bars["session"].min()
    expected = bars.select("session", pl.col("symbol"), pl.col("close") * pl.col("adj_factor"))

    def read() -> pl.DataFrame:
        found = closes.read(symbols, first)  # type: ignore[arg-type]
        return found.with_columns(pl.col("symbol").cast(pl.String)).sort("session", "symbol")

    assert read().equals(expected.sort("session", "symbol"))
    last = bars.filter(pl.col("session") == bars["session"].max())
    unknown = last.with_columns(pl.col("close") * 2, adj_factor=pl.lit(None, pl.Float64))
    day: date = last["session"][0]
    with home.ledger.write() as db:
        home.lake.commit(db, [home.lake.stage(BARS, day, unknown)], NOW)
    corrected = expected.with_columns(pl.when(pl.col("session") == day).then(pl.col("close") * 2).otherwise("close"))
    assert read().equals(corrected.sort("session", "symbol"))
    nothing = last.with_columns(session=pl.lit(home.sessions.next(day)), close=pl.lit(0.0))
    with home.ledger.write() as db:
        home.lake.commit(db, [home.lake.stage(BARS, home.sessions.next(day), nothing)], NOW)
    assert read().equals(corrected.sort("session", "symbol"))
