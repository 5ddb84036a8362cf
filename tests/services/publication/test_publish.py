# ruff: noqa: S608 - queries of our own

from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from countersign.models.datasets import BARS, INDEX_LEVELS, NAV, ORDERS, POSITIONS, SIGNALS
from countersign.models.enums import FactorStatus, StrategyStatus
from countersign.models.errors import StoreError
from countersign.models.lens.tables import LENS_TABLES
from countersign.models.tables.factors import Factor
from countersign.models.tables.strategies import Strategy
from countersign.services.factors.values import put_values
from countersign.services.publication import nav as lens_nav
from countersign.services.publication.publish import FOLDER, KEPT_VERSIONS, lens_is_current, publish, rebuild
from countersign.store.home import Home
from countersign.store.lens.reader import Lens, open_lens
from countersign.store.lens.versions import LINK
from countersign.store.sessions import load_sessions
from tests.support import processes
from tests.support.crashing import run_out_of_space
from tests.support.factors import SYMBOLS, add_active
from tests.support.settled import bars, commit, make_home, results, settle, settled_at, slugs, stage, weekdays

DAYS = weekdays(40)
# As the contract lists them.
COLUMNS = {
    "strategies": "slug, name, owner, universe, execution_price, holding_period, initial_capital, commission_rate,"
    " slippage_rate, status, is_public, created_at, activated_at, retired_at",
    "signals": "strategy, session, revision, symbol, weight, received_at, margin_seconds, signal_hash, commit_sha,"
    " commit_time, evidence",
    "corrections": "strategy, session, version, nav, daily_return, cumulative_return, benchmark_return, settled_at,"
    " difference",
    "orders": "strategy, session, symbol, side, wanted, filled, price, notional, commission, stamp_duty, reason",
    "positions": "strategy, session, symbol, quantity, close, market_value",
    "nav": "strategy, session, nav, cash, daily_return, cumulative_return, benchmark_return, event, detail",
    "evaluations": "strategy, session, sessions, total_return, annual_return, volatility, sharpe, max_drawdown, calmar,"
    " benchmark_return, excess_return, excess_sharpe, rolling_excess_sharpe, sortino, turnover, cost, psr,"
    " deflated_sharpe, trials, min_track_record, score, score_psr, score_excess, score_drawdown, score_length,"
    " score_claim",
    "claims": "strategy, session, nav, after_activation",
    "standings": "strategy, session, trading_days, nav, daily_return, cumulative_return, evaluated, sessions,"
    " total_return, annual_return, volatility, sharpe, max_drawdown, calmar, benchmark_return, excess_return,"
    " excess_sharpe, rolling_excess_sharpe, sortino, turnover, cost, psr, deflated_sharpe, trials, min_track_record,"
    " score, score_psr, score_excess, score_drawdown, score_length, score_claim",
    "settlements": "session, version, strategies, bars_sha256, rules_sha256, manifest_sha256, commit_sha, settled_at",
    "factors": "id, name, owner, universe, status, expression, ic_mean, ic_ir, ic_decay, turnover, sharpe, fitness,"
    " coverage, data_days, max_correlation, newey_west_t, ic_sign_share, yearly_stats, reject_reason, os_ic_mean_30d,"
    " os_ic_mean_60d, os_ic_mean_120d, os_start_date, os_sessions, os_late, claimed_ic_mean, claimed_ic_ir, created_at,"
    " validated_at",
    "factor_ic": "factor, session, ic, symbols, phase",
    "factor_values": "factor, session, symbol, value",
    "bars": "symbol, session, open, high, low, close, volume, amount, adj_factor, suspended, limit_up, limit_down,"
    " is_st",
    "index_levels": "index, session, close",
    "external_signals": "source, external_id, revision, published_at, received_at, exchange, coin, currency, direction,"
    " entry_low, entry_high, target1, target2, target3, stop_loss, type, leverage, risk_level, outcome, r_multiple",
    "external_outcomes": "source, external_id, revision, series, outcome, r_multiple, known_at, entered_at, stopped_at,"
    " target1_at, target2_at, target3_at, closed_at, decided_at",
    "external_gaps": "source, started_at, ended_at",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing settled."""
    return make_home(tmp_path / "home")


def query(home: Home, sql: str) -> pl.DataFrame:
    with open_lens(home.path) as lens, lens.use() as db:
        db.execute("SET TimeZone = 'UTC'")
        return pl.DataFrame(db.sql(sql).to_arrow_table())


def sessions_shown(home: Home, table: str = "nav") -> list[date]:
    return query(home, f"SELECT DISTINCT session FROM {table} ORDER BY 1")["session"].to_list()


def test_a_home_with_nothing_settled_has_every_table_empty(home: Home) -> None:
    published = publish(home)
    assert published.new
    assert published.settled_through is None
    for table in LENS_TABLES:
        assert query(home, f"FROM {table.name}").height == (3 if table.name == "strategies" else 0)


def test_before_the_first_publication_the_error_says_how_to_publish(home: Home) -> None:
    with open_lens(home.path) as lens, pytest.raises(StoreError, match="countersign publish"), lens.use():
        pass


@pytest.mark.parametrize("settled", [False, True])
def test_columns_types_and_comments_are_the_contract(home: Home, settled: bool) -> None:
    if settled:
        settle(home, DAYS[0])
    publish(home)
    shown = query(
        home, "SELECT * FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main' ORDER BY column_index"
    )
    assert set(shown["table_name"]) == set(COLUMNS)
    for table in LENS_TABLES:
        rows = shown.filter(pl.col("table_name") == table.name)
        assert ", ".join(rows["column_name"]) == COLUMNS[table.name]
        assert dict(zip(rows["column_name"], rows["data_type"], strict=True)) == {
            name: kind for name, (kind, _) in table.columns.items()
        }
    assert set(shown["data_type"].filter(shown["column_name"] == "session")) == {"DATE"}
    assert set(shown["data_type"].filter(shown["column_name"].str.ends_with("_at"))) == {"TIMESTAMP WITH TIME ZONE"}


def test_every_table_and_column_has_a_comment(home: Home) -> None:
    publish(home)
    bare = query(
        home,
        "SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal UNION ALL"
        " SELECT view_name, comment FROM duckdb_views() WHERE NOT internal UNION ALL"
        " SELECT table_name || '.' || column_name, comment FROM duckdb_columns() WHERE NOT internal",
    )
    assert bare.height > 80
    assert bare.filter(pl.col("comment").fill_null("") == "").height == 0


def test_the_lens_shows_the_rows_of_the_lake(home: Home) -> None:
    for session in DAYS[:5]:
        settle(home, session, chunks=2)
    published = publish(home)
    assert (published.sessions_added, published.settled_through) == (5, DAYS[4])
    assert published.version == f"000001-{DAYS[4]}"
    for dataset in (NAV, ORDERS, POSITIONS, SIGNALS, BARS, INDEX_LEVELS):
        shown = query(home, f"FROM {dataset.name}")
        columns = [name for name in shown.columns if name in dataset.schema]
        held = home.lake.scan(dataset).select(columns).collect()
        assert shown.height
        assert_frame_equal(shown.select(columns), held, check_row_order=False)


def test_factors_are_shown_once_they_are_active(home: Home) -> None:
    days, symbol = DAYS[:4], SYMBOLS[0]
    active = add_active(home, "alpha", days)
    draft = add_active(home, "draft", days)
    with home.ledger.write() as db:
        row = db.get_one(Factor, draft)
        row.status = FactorStatus.DRAFT
        db.add(row)
    first = publish(home)
    shown = query(home, "SELECT id, name, owner, status, ic_mean, ic_decay, yearly_stats FROM factors ORDER BY name")
    assert shown["name"].to_list() == ["alpha", "draft"]
    assert shown.row(0)[:6] == (active, "alpha", "ann", "active", 0.02, [0.02, None])
    assert shown.row(0)[6][0]["days"] == 3
    ic = query(home, f"SELECT session, ic, symbols, phase FROM factor_ic WHERE factor = '{active}' ORDER BY session")
    phases = ["is", "is", "is", "os"]
    assert ic.rows() == [(day, 0.01 * n, 30, phases[n]) for n, day in enumerate(days)]
    assert query(home, "SELECT DISTINCT factor FROM factor_values").rows() == [(active,)]
    day = f"SELECT symbol, value FROM factor_values WHERE factor = '{active}' AND session = '{days[3]}' ORDER BY ALL"
    assert query(home, day).rows() == [(each, float(n)) for n, each in enumerate(SYMBOLS[:3])]
    corrected = pl.DataFrame({"session": [days[3]], "symbol": [symbol], "value": [9.0]})
    put_values(home.lake, load_sessions(home.path), 1, active, corrected, settled_at(days[3]))
    assert not lens_is_current(home)
    assert publish(home).version > first.version
    assert query(home, day).rows() == [(symbol, 9.0)]
    assert query(home, "FROM factor_values").height == 10


def test_unsealed_signals_say_so(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    shown = query(home, "SELECT DISTINCT commit_sha, commit_time, evidence FROM signals")
    assert shown.rows() == [(None, None, None)]


def test_strategies_come_from_the_ledger(home: Home) -> None:
    publish(home)
    shown = query(home, "SELECT slug, owner, universe, initial_capital::VARCHAR, created_at FROM strategies ORDER BY 1")
    assert shown.rows()[1][:4] == ("strategy-00001", "bo", "hs300", "1000000.00")
    assert shown["created_at"][1] == settled_at(date(2024, 12, 3))


def test_nothing_new_makes_no_new_version(home: Home) -> None:
    settle(home, DAYS[0])
    first = publish(home)
    second = publish(home)
    assert (second.new, second.sessions_added, second.version) == (False, 0, first.version)


def test_a_changed_status_is_news(home: Home) -> None:
    first = publish(home)
    with home.ledger.write() as db:
        strategy = db.get_one(Strategy, 1)
        strategy.status = StrategyStatus.PAUSED
        db.add(strategy)
    second = publish(home)
    assert second.version > first.version
    assert query(home, "SELECT status FROM strategies WHERE slug = 'strategy-00000'").item() == "paused"


def test_rows_that_are_not_committed_or_not_settled_are_not_shown(home: Home) -> None:
    settle(home, DAYS[1])
    staged = stage(home, DAYS[2], results(DAYS[2], slugs(3), ("600000.SH",), 0))
    publish(home)
    with home.ledger.write() as db:
        home.lake.commit(db, staged, settled_at(DAYS[2]))
        for day in (DAYS[0], DAYS[2]):
            home.lake.commit(db, [home.lake.stage(BARS, day, bars(day))], settled_at(day))
    publish(home)
    for table in ("nav", "orders", "positions", "signals", "settlements"):
        assert sessions_shown(home, table) == [DAYS[1]]
    assert sessions_shown(home, "bars") == DAYS[:2]


def test_a_correction_replaces_the_rows_shown(home: Home) -> None:
    for session in DAYS[:15]:
        settle(home, session, chunks=2)
    publish(home)
    before = query(home, "FROM nav")
    corrected = settle(home, DAYS[3], seed=1, chunks=1)
    settle(home, DAYS[15])
    assert publish(home).sessions_added == 2
    shown = query(home, "FROM nav")
    assert shown.height == before.height + 3
    kept = shown.filter(pl.col("session").is_in([DAYS[3], DAYS[15]]).not_())
    assert_frame_equal(kept, before.filter(pl.col("session") != DAYS[3]), check_row_order=False)
    of_the_day = shown.filter(pl.col("session") == DAYS[3])
    assert_frame_equal(of_the_day, corrected["nav"].select(of_the_day.columns), check_row_order=False)
    assert query(home, f"SELECT version FROM settlements WHERE session = '{DAYS[3]}'")["version"].to_list() == [1, 2]
    positions = query(home, f"FROM positions WHERE session = '{DAYS[3]}'")
    assert_frame_equal(positions, corrected["positions"].select(positions.columns), check_row_order=False)


def test_corrected_rows_stay_on_view(home: Home) -> None:
    first = settle(home, DAYS[0], chunks=2)["nav"]
    settle(home, DAYS[1])
    publish(home)
    assert query(home, "FROM corrections").is_empty()
    second = settle(home, DAYS[0], seed=1)["nav"]
    publish(home)
    once = query(home, "FROM corrections")
    third = settle(home, DAYS[0], seed=2)["nav"]
    publish(home)
    shown = query(home, "FROM corrections ORDER BY version, strategy")
    for version, then in ((1, first), (2, second)):
        rows = shown.filter(pl.col("version") == version)
        assert rows["session"].unique().to_list() == [DAYS[0]]
        for name in ("strategy", "nav", "daily_return", "cumulative_return", "benchmark_return"):
            assert rows[name].to_list() == then.sort("strategy")[name].to_list()
        assert rows["difference"].to_list() == (third.sort("strategy")["nav"] - then.sort("strategy")["nav"]).to_list()
        assert set(rows["settled_at"]) == {settled_at(DAYS[0], version)}
    assert once["difference"].sort().to_list() == sorted((second["nav"] - first["nav"]).to_list())
    rebuild(home)
    assert_frame_equal(query(home, "FROM corrections ORDER BY version, strategy"), shown)


def test_a_correction_that_keeps_some_of_its_files_shows_no_row_twice(home: Home) -> None:
    frames = results(DAYS[0], slugs(3), ("600000.SH",), 0)
    first = frames | {"nav": frames["nav"].head(2)}
    commit(home, DAYS[0], [home.lake.stage(NAV, DAYS[0], first["nav"], run="r")], 3)
    publish(home)
    parts = [frames["nav"].head(2), frames["nav"].tail(1)]
    commit(home, DAYS[0], [home.lake.stage(NAV, DAYS[0], part, run="r", n=n) for n, part in enumerate(parts)], 3)
    publish(home)
    assert sorted(query(home, "FROM nav")["strategy"]) == slugs(3)


def test_a_withdrawn_session_disappears(home: Home) -> None:
    settle(home, DAYS[0])
    settle(home, DAYS[1])
    publish(home)
    with home.ledger.write() as db:
        db.connection().exec_driver_sql(f"DELETE FROM settlement WHERE session = '{DAYS[1]}'")
    assert publish(home).settled_through == DAYS[0]
    assert sessions_shown(home) == sessions_shown(home, "orders") == [DAYS[0]]


@pytest.mark.parametrize("at_once", [2, 40])
def test_every_row_is_in_one_level_however_sessions_come(
    home: Home, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (("nav_recent", 1), ("nav_batches", 2), ("nav_history", 4))
    monkeypatch.setattr(lens_nav, "LEVELS", sizes)
    days = DAYS[: 6 + at_once % 6]
    for n, session in enumerate(days):
        settle(home, session, symbols=("600000.SH",))
        if (n + 1) % at_once == 0 or session == days[-1]:
            publish(home)
    nav = home.lake.scan(NAV).drop("since_rebalance").collect()
    assert_frame_equal(query(home, "FROM nav"), nav, check_row_order=False)
    for (level, _), (_, above) in pairwise(sizes):
        assert query(home, f"SELECT count(DISTINCT session) FROM internal.{level}").item() < above


def publish_until_refused(home: Home) -> None:
    try:
        publish(home)
    except StoreError as error:
        raise SystemExit(7) from error


def test_a_disk_that_is_full_half_way_leaves_the_published_version(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    settle(home, DAYS[1])
    before = sorted((home.path / FOLDER).iterdir())
    size = before[-1].stat().st_size
    assert processes.run(run_out_of_space, size // 2, publish_until_refused, home) == 7
    assert sorted((home.path / FOLDER).iterdir()) == before
    publish(home)
    assert query(home, "SELECT count(DISTINCT session) FROM nav").item() == 2


def test_a_rebuilt_lens_shows_the_same(home: Home) -> None:
    for session in DAYS[:3]:
        settle(home, session)
        publish(home)
    settle(home, DAYS[1], seed=1)
    extended = publish(home)
    shown = {table.name: query(home, f"FROM {table.name}") for table in LENS_TABLES}
    rebuilt = rebuild(home)
    assert rebuilt.new
    assert rebuilt.version > extended.version
    for name, frame in shown.items():
        assert_frame_equal(query(home, f"FROM {name}"), frame, check_row_order=False)
    assert not publish(home).new


def test_old_versions_go_and_the_shown_one_stays(home: Home) -> None:
    for session in DAYS[:6]:
        settle(home, session)
        publish(home)
    kept = sorted(path.name for path in (home.path / FOLDER).iterdir())
    assert kept == [f"{n:06d}-{DAYS[n - 1]}.duckdb" for n in range(7 - KEPT_VERSIONS, 7)]
    assert (home.path / LINK).readlink() == Path(FOLDER, kept[-1])


def test_analysts_open_the_link_itself(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    with duckdb.connect(home.path / LINK, read_only=True) as db:
        assert db.execute("SELECT count(*) FROM nav").fetchall() == [(3,)]
        assert db.execute("SELECT count(*) FROM positions").fetchall() == [(15,)]


def test_a_damaged_lens_is_made_anew(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home).path.write_bytes(b"not a database")
    with open_lens(home.path) as lens, pytest.raises(StoreError, match="publish"), lens.use():
        pass
    assert publish(home).sessions_added == 1
    assert sessions_shown(home) == [DAYS[0]]


def test_a_missing_lake_file_keeps_the_old_version(home: Home) -> None:
    settle(home, DAYS[0])
    old = publish(home)
    settle(home, DAYS[1])
    for file in (home.lake_path / "nav" / f"session={DAYS[1]}").iterdir():
        file.unlink()
    with pytest.raises(StoreError, match="is missing since it was committed"):
        publish(home)
    assert Lens(home.path).version == old.version
    assert sessions_shown(home) == [DAYS[0]]


def test_a_moved_home_is_put_right_by_publishing(home: Home, tmp_path: Path) -> None:
    settle(home, DAYS[0])
    publish(home)
    moved = tmp_path / "it's [moved] 100% *"
    home.path.rename(moved)
    after = Home(moved, f"sqlite:///{moved / 'ledger.db'}", moved / "lake")
    assert publish(after).new
    assert sessions_shown(after, "positions") == [DAYS[0]]


def test_a_session_opens_its_own_file_and_the_first_for_its_columns(home: Home) -> None:
    for session in DAYS[:4]:
        settle(home, session)
    publish(home)
    for session in DAYS[2:4]:
        for file in (home.lake_path / "positions" / f"session={session}").iterdir():
            file.write_bytes(b"")
    assert query(home, f"FROM positions WHERE session = '{DAYS[1]}'").height == 15
