"""The lake: files that count, files that do not, and those that a crash or a full disk leaves behind."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import select

from countersign.models.datasets import INDEX_LEVELS
from countersign.models.errors import StoreError
from countersign.models.tables.lake import LakeFile
from countersign.store.home import Home
from countersign.store.lake.lake import Lake, StagedFile
from countersign.store.ledger.ledger import Ledger
from tests.support import processes
from tests.support.crashing import die_at, run_out_of_space

DAY, NEXT = date(2025, 1, 2), date(2025, 1, 3)
NOW = datetime(2025, 1, 2, 10, tzinfo=UTC)


def levels(*closes: float, session: date = DAY) -> pl.DataFrame:
    rows = [(f"index{n}", session, close) for n, close in enumerate(closes)]
    return pl.DataFrame(rows, schema=INDEX_LEVELS.schema, orient="row")


def put(lake: Lake, frame: pl.DataFrame, session: date = DAY, run: str | None = None) -> tuple[StagedFile, int]:
    staged = lake.stage(INDEX_LEVELS, session, frame, run)
    with lake.ledger.write() as db:
        return staged, lake.commit(db, [staged], NOW)


def test_a_file_counts_once_it_is_committed_and_not_before(home: Home) -> None:
    staged = home.lake.stage(INDEX_LEVELS, DAY, levels(2.0, 1.0).reverse())
    assert home.lake.read(INDEX_LEVELS, DAY).is_empty()
    assert home.lake.files(INDEX_LEVELS) == []
    assert home.lake.orphans() == [home.lake_path / staged.path]
    with home.ledger.write() as db:
        assert home.lake.commit(db, [staged], NOW) == 1
    assert home.lake.read(INDEX_LEVELS, DAY).equals(levels(2.0, 1.0))
    assert home.lake.orphans() == []
    content = (home.lake_path / staged.path).read_bytes()
    assert (staged.size_bytes, staged.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_again_gives_the_same_bytes_and_changes_nothing(home: Home) -> None:
    first, _ = put(home.lake, levels(1.0, 2.0))
    content = (home.lake_path / first.path).read_bytes()
    again, changed = put(home.lake, levels(1.0, 2.0))
    assert (again, changed) == (first, 0)
    assert (home.lake_path / first.path).read_bytes() == content


def test_other_rows_supersede_and_the_old_stay_readable_by_name(home: Home) -> None:
    old, _ = put(home.lake, levels(1.0))
    put(home.lake, levels(9.0, session=NEXT), NEXT)
    new, changed = put(home.lake, levels(2.0))
    assert changed == 2
    assert home.lake.read(INDEX_LEVELS, DAY).equals(levels(2.0))
    assert home.lake.read(INDEX_LEVELS, NEXT).height == 1
    named = home.lake.named([old.path])
    assert home.lake.scan_files(INDEX_LEVELS, named).collect().equals(levels(1.0))
    assert home.lake.orphans() == []
    # And back again: the old name counts once more.
    assert put(home.lake, levels(1.0))[0].path == old.path
    assert [file.path for file in home.lake.files(INDEX_LEVELS)] == [old.path, home.lake.files(INDEX_LEVELS)[1].path]
    assert new.path not in {file.path for file in home.lake.files(INDEX_LEVELS)}
    assert len(home.lake.named([old.path, new.path])) == 2


def test_a_commit_that_fails_changes_nothing(home: Home) -> None:
    put(home.lake, levels(1.0))
    staged = home.lake.stage(INDEX_LEVELS, DAY, levels(2.0))

    def fail() -> None:
        with home.ledger.write() as db:
            home.lake.commit(db, [staged], NOW)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert home.lake.read(INDEX_LEVELS, DAY).equals(levels(1.0))


def test_a_committed_file_is_never_overwritten_with_other_bytes(home: Home) -> None:
    staged, _ = put(home.lake, levels(1.0), run="0123456789abcdef")
    content = (home.lake_path / staged.path).read_bytes()
    with pytest.raises(StoreError, match="committed with other bytes"):
        home.lake.stage(INDEX_LEVELS, DAY, levels(2.0), "0123456789abcdef")
    assert (home.lake_path / staged.path).read_bytes() == content
    (home.lake_path / staged.path).unlink()
    home.lake.stage(INDEX_LEVELS, DAY, levels(1.0), "0123456789abcdef")
    assert (home.lake_path / staged.path).read_bytes() == content


@pytest.mark.parametrize(
    "frame",
    [
        levels(1.0).drop("close"),
        levels(1.0).with_columns(more=1),
        levels(1.0).select("session", "index", "close"),
        levels(1.0).cast({"close": pl.Float32}),
    ],
)
def test_other_columns_are_refused_before_anything_is_written(home: Home, frame: pl.DataFrame) -> None:
    with pytest.raises(StoreError, match="index_levels: expected columns"):
        home.lake.stage(INDEX_LEVELS, DAY, frame)
    assert home.lake.orphans() == []


def test_files_are_listed_by_session(home: Home) -> None:
    days = [DAY + timedelta(n) for n in range(3)]
    for n in (2, 0, 1):
        put(home.lake, levels(float(n), session=days[n]), days[n])
    assert home.lake.sessions(INDEX_LEVELS) == days
    assert home.lake.sessions(INDEX_LEVELS, days[1]) == days[1:]
    assert home.lake.sessions(INDEX_LEVELS, through=days[1]) == days[:2]
    assert home.lake.scan(INDEX_LEVELS, days[1], days[2]).collect().height == 2
    with pytest.raises(StoreError, match="no row of the ledger"):
        home.lake.named(["index_levels/nothing.parquet"])


def test_missing_cut_and_altered_files_are_told_apart(home: Home) -> None:
    paths = []
    for n in range(3):
        staged, _ = put(home.lake, levels(float(n), session=DAY + timedelta(n)), DAY + timedelta(n))
        paths.append(home.lake_path / staged.path)
    assert home.lake.verify(home.lake.files(INDEX_LEVELS)) == []
    missing, cut, altered = paths
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    faults = home.lake.verify(home.lake.files(INDEX_LEVELS))
    assert [fault.split(": ")[1] for fault in faults] == ["missing", "altered", "altered"]
    for path in (missing, cut):
        with pytest.raises(StoreError, match=path.name):
            home.lake.scan_files(INDEX_LEVELS, [f for f in home.lake.files(INDEX_LEVELS) if path.name in f.path])


def put_in_a_process(root: Path, url: str) -> None:
    put(Lake(root, Ledger(url)), levels(*(n / 7 for n in range(200))))


def test_killed_at_any_step_it_is_whole_or_not_there_and_the_next_attempt_is_the_same(
    home: Home, tmp_path: Path
) -> None:
    undisturbed = put(Lake(tmp_path / "other", home.ledger), levels(*(n / 7 for n in range(200))), NEXT)[0]
    killed = 0
    while (
        code := processes.run(die_at, killed + 1, put_in_a_process, home.lake_path, home.database_url)
    ) == processes.KILLED:
        killed += 1
        with home.ledger.read() as db:
            rows = db.exec(select(LakeFile).where(LakeFile.session == DAY)).all()
        assert home.lake.verify(rows) == []
        # Readers see all of it or nothing, left-overs are known as such.
        assert home.lake.read(INDEX_LEVELS, DAY).height == 200 * len(rows)
        if not rows:
            for path in home.lake.orphans():
                path.unlink()
    assert code == 0
    assert killed == 5  # before: fsync of the file, the rename, fsync of the folder, the commit; and after it
    assert home.lake.files(INDEX_LEVELS)[0].sha256 == undisturbed.sha256
    assert {path.parent.name for path in home.lake.orphans()} <= {".staging"}


def stage_until_refused(root: Path, url: str) -> None:
    try:
        put(Lake(root, Ledger(url)), levels(*(n / 7 for n in range(2000))))
    except StoreError as error:
        if str(root) in str(error) and "File too large" in str(error):
            raise SystemExit(7) from error


def test_a_disk_that_is_full_half_way_is_an_error_and_leaves_nothing(home: Home) -> None:
    assert processes.run(run_out_of_space, 4096, stage_until_refused, home.lake_path, home.database_url) == 7
    assert home.lake.orphans() == []
    put(home.lake, levels(1.0))


def test_a_folder_that_takes_no_files_is_an_error_with_the_path(home: Home) -> None:
    (home.lake_path / "index_levels").touch()
    with pytest.raises(StoreError, match="index_levels/session=2025-01-02"):
        home.lake.stage(INDEX_LEVELS, DAY, levels(1.0))
    assert home.lake.orphans() == [home.lake_path / "index_levels"]
