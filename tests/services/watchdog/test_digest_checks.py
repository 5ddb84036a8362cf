"""Altered files: no result is made of them, a problem names each, and derived ones are made again."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from sqlmodel import select

from countersign.models.datasets import (
    ALL,
    BARS,
    EVALUATIONS,
    FACTOR_IC,
    FACTOR_VALUES,
    INDEX_LEVELS,
    KLINES,
    MARKS,
    NAV,
    ORDERS,
    POSITIONS,
    SIGNALS,
    Dataset,
)
from countersign.models.enums import FactorStatus
from countersign.models.errors import StoreError
from countersign.models.problems import Repair
from countersign.models.tables.factors import Factor
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.sealing import seal_pending
from countersign.services.market.imports import import_index
from countersign.services.operations.backup import LAKE, back_up
from countersign.services.publication.publish import lens_is_current, publish, rebuild
from countersign.services.settlement.settled import settled_through
from countersign.services.watchdog.digest_checks import MADE_AGAIN, damaged_files
from countersign.store.home import Home
from countersign.store.lake import digests
from countersign.store.lake.digests import check_turn, checked_through, identity
from countersign.store.lens.reader import Lens, open_lens
from countersign.store.lens.versions import current_version
from tests.support import klines
from tests.support.harming import change_a_figure, flip_a_bit, put_another_in_its_place
from tests.support.settling import evaluate_due, settle_session
from tests.support.trading import trading

DAYS = trading().sessions
LAST = DAYS[-1]
NOW = datetime(2025, 3, 10, tzinfo=UTC)
# The lens shows the rows of all others, and so reads them.
NOT_SHOWN = (MARKS, KLINES)
NOT_MADE_AGAIN = (BARS, INDEX_LEVELS, FACTOR_VALUES, KLINES)
BARS_OF_A_PAIR = klines.bars(*[(10.0, 11.0, 9.0, 10.5)] * 40)


def put_series(home: Home) -> None:
    """Put in the datasets that the platform of the tests lacks: a factor's values and IC, and klines of a pair."""
    with home.ledger.write() as db:
        owner = db.exec(select(Strategy.owner_id)).first()
        factor = Factor(name="f", universe="HS300", owner_id=owner, status=FactorStatus.ACTIVE, created_at=NOW)
        db.add(factor)
        db.flush()
        name = factor.id
    rows = [(name, day, f"60000{n}.SH", n / 7) for day in DAYS for n in range(9)]
    figures = [(name, day, 0.02 * n, 9, 0.001, "is") for n, day in enumerate(DAYS)]
    values, ic = (
        pl.DataFrame(given, schema=dataset.schema, orient="row")
        for given, dataset in ((rows, FACTOR_VALUES), (figures, FACTOR_IC))
    )
    staged = [
        home.lake.stage(FACTOR_VALUES, LAST, values, series=name),
        home.lake.stage(FACTOR_IC, LAST, ic, series=name),
    ]
    with home.ledger.write() as db:
        home.lake.commit(db, staged, NOW)
    klines.put(home, BARS_OF_A_PAIR)


@pytest.fixture
def published(settled: Home) -> Home:
    """A settled home with a file of every dataset, sealed and published."""
    put_series(settled)
    seal_pending(settled, settled.clock.now())
    publish(settled)
    return settled


def first_file(home: Home, dataset: Dataset) -> tuple[LakeFile, Path]:
    files = home.lake.files(dataset) if dataset.series else home.lake.files(dataset, LAST, LAST)
    assert files, f"{dataset.name}: a dataset without a file in the home of these tests is attacked by none of them"
    return files[0], home.lake_path / files[0].path


@pytest.mark.parametrize("dataset", ALL, ids=lambda dataset: dataset.name)
def test_nothing_is_made_of_a_file_that_was_altered(published: Home, dataset: Dataset) -> None:
    file, path = first_file(published, dataset)
    shown, right = current_version(published.path), path.read_bytes()
    # A series is measured by a command, with the sessions that it takes: the watchdog names it.
    repair = Repair.NONE if dataset.series else MADE_AGAIN.get(dataset.name, Repair.NONE)
    for harm in (change_a_figure, flip_a_bit, put_another_in_its_place):
        harm(path)
        assert path.read_bytes() != right
        [problem] = damaged_files(published, LAST)
        assert (problem.subject, problem.warning, problem.repair) == (file.path, False, repair)
        with pytest.raises(StoreError, match=f"{file.path} is (altered|cut) since it was committed"):
            published.lake.read_files(dataset, [file])
        if dataset not in NOT_SHOWN:
            with pytest.raises(StoreError, match=file.path):
                rebuild(published)
            assert current_version(published.path) == shown
        path.write_bytes(right)
        assert damaged_files(published, LAST) == []
    rebuild(published)
    assert lens_is_current(published)


@pytest.mark.parametrize("dataset", [SIGNALS, ORDERS, POSITIONS, NAV, MARKS], ids=lambda dataset: dataset.name)
def test_a_settled_session_that_was_altered_is_settled_again_to_the_same_bytes(
    published: Home, dataset: Dataset
) -> None:
    _, path = first_file(published, dataset)
    right = path.read_bytes()
    change_a_figure(path)
    settle_session(published, LAST)
    assert path.read_bytes() == right
    assert damaged_files(published, LAST) == []


@pytest.mark.parametrize("dataset", [MARKS, POSITIONS, NAV, BARS], ids=lambda dataset: dataset.name)
def test_no_session_is_settled_upon_an_altered_one(fresh: Home, dataset: Dataset) -> None:
    settle_session(fresh, DAYS[0])
    day = DAYS[1] if dataset is BARS else DAYS[0]
    change_a_figure(fresh.lake_path / fresh.lake.files(dataset, day, day)[0].path)
    with pytest.raises(StoreError, match="since it was committed"):
        settle_session(fresh, DAYS[1])
    with fresh.ledger.read() as db:
        assert settled_through(db) == DAYS[0]


def test_no_session_is_evaluated_upon_an_altered_nav(fresh: Home) -> None:
    settle_session(fresh, DAYS[0])
    change_a_figure(fresh.lake_path / fresh.lake.files(NAV, DAYS[0], DAYS[0])[0].path)
    with pytest.raises(StoreError, match="since it was committed"):
        evaluate_due(fresh, DAYS[0])
    assert fresh.lake.files(EVALUATIONS) == []


@pytest.mark.parametrize("dataset", NOT_MADE_AGAIN, ids=lambda dataset: dataset.name)
def test_what_no_stage_makes_is_put_back_as_the_operator_is_told(
    published: Home, dataset: Dataset, tmp_path: Path
) -> None:
    file, path = first_file(published, dataset)
    right = path.read_bytes()
    back_up(published, tmp_path / "saved", NOW)
    flip_a_bit(path)
    [problem] = damaged_files(published, LAST)
    assert f"{file.path} is altered: copy it from {LAKE}/{file.path} of a back-up" in problem.text
    assert ("import" in problem.text) == (dataset is BARS)
    shutil.copy(tmp_path / "saved" / LAKE / file.path, path)
    assert damaged_files(published, LAST) == []
    assert path.read_bytes() == right


def test_every_dataset_is_made_again_or_put_back() -> None:
    assert {each.name for each in ALL} == MADE_AGAIN.keys() | {each.name for each in NOT_MADE_AGAIN}


def test_an_import_cannot_make_again_what_it_is_merged_with(published: Home, tmp_path: Path) -> None:
    levels, handed = published.lake.read(INDEX_LEVELS, LAST), tmp_path / "levels.csv"
    levels.write_csv(handed)
    for dataset, bring in (
        (INDEX_LEVELS, lambda: import_index(published, handed, NOW)),
        (KLINES, lambda: klines.put(published, BARS_OF_A_PAIR)),
    ):
        flip_a_bit(first_file(published, dataset)[1])
        with pytest.raises(StoreError, match="is altered since it was committed"):
            bring()


@pytest.mark.parametrize("dataset", ALL, ids=lambda dataset: dataset.name)
def test_rot_that_changes_no_time_is_found_by_turns_and_then_refused(published: Home, dataset: Dataset) -> None:
    file, path = first_file(published, dataset)
    flip_a_bit(path)
    with published.ledger.write() as db:  # as if the disk had done it
        db.merge(file).checked_as = identity(path.stat())
    assert damaged_files(published, LAST) == []
    turn = check_turn(published.ledger, published.lake.root, lambda: True, 10_000)
    assert turn.altered == (file.path,)
    # Another process, such as the api, may have found it whole before it rotted: that counts no more either.
    digests._found_whole[str(path), file.sha256] = identity(path.stat())
    assert [problem.subject for problem in damaged_files(published, LAST)] == [file.path]
    with pytest.raises(StoreError, match=f"{file.path} is altered since it was committed"):
        published.lake.read_files(dataset, [first_file(published, dataset)[0]])
    if dataset not in NOT_SHOWN:
        with pytest.raises(StoreError, match=file.path):
            rebuild(published)


def test_every_file_has_its_turn(published: Home) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with published.ledger.write() as db:
        rows = list(db.exec(select(LakeFile).where(LakeFile.superseded_at == None)))  # noqa: E711 - SQL
        for row in rows:
            row.checked_at = long_ago
        rows[0].checked_at = None
    for left in range(len(rows), 0, -1):
        with published.ledger.read() as db:
            assert checked_through(db) == (None if left == len(rows) else long_ago)
        assert check_turn(published.ledger, published.lake.root, lambda: True, 1).files == 1
    with published.ledger.read() as db:
        assert (checked_through(db) or long_ago) > long_ago
    assert check_turn(published.ledger, published.lake.root, lambda: False, 1).files == 0


def test_a_lens_that_was_altered_is_neither_read_nor_extended(published: Home) -> None:
    def nav() -> list[tuple[object, ...]]:
        with open_lens(published.path) as lens, lens.use() as db:
            return db.execute("SELECT strategy, session, nav FROM nav ORDER BY ALL").fetchall()

    right, path = nav(), current_version(published.path)
    assert path
    before = path.stat()
    with duckdb.connect(path) as db:
        for table in ("nav_recent", "nav_batches", "nav_history"):
            db.execute(f"UPDATE internal.{table} SET nav = nav + 500000")  # noqa: S608 - names of ours
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert nav() != right
    assert not lens_is_current(published)
    reader = Lens(published.path, published.ledger)
    with pytest.raises(StoreError, match="was altered since it was published"), reader.use():
        pass
    assert publish(published).new
    assert nav() == right
    with reader.use():
        reader.close()
    assert lens_is_current(published)
