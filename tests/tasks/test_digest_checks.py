"""Altered files: no result is made of them, a problem names each, and derived ones are made again."""

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sqlmodel import select

from models.datasets import (
    BARS,
    EVALUATIONS,
    INDEX_LEVELS,
    MARKS,
    NAV,
    ORDERS,
    POSITIONS,
    SIGNALS,
    Dataset,
)
from models.errors import StoreError
from models.lake import LakeFile
from store import digests
from store.digests import check_turn, checked_through, identity
from store.home import Home
from store.lens import current_version, lens_is_current, publish, rebuild
from store.lens_reader import Lens, open_lens
from store.sealing import seal_pending
from store.settlements import settled_through
from tasks.digest_checks import MADE_AGAIN, damaged_files
from tasks.problems import Repair
from tests.support.harming import change_a_figure, flip_a_bit
from tests.support.settling import evaluate_due, settle_session
from tests.support.trading import trading

DAYS = trading().sessions
LAST = DAYS[-1]
KINDS = (SIGNALS, ORDERS, POSITIONS, NAV, MARKS, EVALUATIONS, BARS, INDEX_LEVELS)


@pytest.fixture
def published(settled: Home) -> Home:
    """A settled home, sealed and published."""
    seal_pending(settled, settled.clock.now())
    publish(settled)
    return settled


def first_file(home: Home, dataset: Dataset) -> tuple[LakeFile, Path]:
    file = home.lake.files(dataset, LAST, LAST)[0]
    return file, home.lake_path / file.path


@pytest.mark.parametrize("dataset", KINDS, ids=lambda dataset: dataset.name)
def test_nothing_is_made_of_a_file_that_was_altered(published: Home, dataset: Dataset) -> None:
    file, path = first_file(published, dataset)
    shown, right = current_version(published.path), path.read_bytes()
    repair = MADE_AGAIN.get(dataset.name, Repair.NONE)
    for harm in (change_a_figure, flip_a_bit):
        harm(path)
        assert path.read_bytes() != right
        [problem] = damaged_files(published, LAST)
        assert (problem.subject, problem.warning, problem.repair) == (file.path, False, repair)
        with pytest.raises(StoreError, match=f"{file.path} is (altered|cut) since it was committed"):
            published.lake.read(dataset, LAST)
        if dataset is not MARKS:  # the lens does not show them
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


def test_rot_that_changes_no_time_is_found_by_turns_and_then_refused(published: Home) -> None:
    file, path = first_file(published, NAV)
    flip_a_bit(path)
    with published.ledger.write() as db:  # as if the disk had done it
        db.merge(file).checked_as = identity(path.stat())
    assert damaged_files(published, LAST) == []
    turn = check_turn(published.ledger, published.lake.root, lambda: True, 10_000)
    assert turn.altered == (file.path,)
    # Another process, such as the api, may have found it whole before it rotted: that counts no more either.
    digests._found_whole[str(path), file.sha256] = identity(path.stat())
    assert [problem.subject for problem in damaged_files(published, LAST)] == [file.path]


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
