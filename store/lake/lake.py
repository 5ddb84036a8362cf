"""The lake: immutable Parquet files, one folder a dataset, one sub-folder a session or a series (a factor, a pair).

Files are staged first and committed by rows of the ledger: a file counts only while a committed row names it. A crash
in between leaves files that nobody reads, and the next attempt writes the same names with the same bytes.
"""

import hashlib
import io
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from sqlalchemy import update
from sqlmodel import Session, col, select

from countersign.models.datasets import Dataset
from countersign.models.errors import StoreError
from countersign.models.tables.lake import LakeFile
from countersign.store.clock import wall_clock
from countersign.store.files import storage_errors, write_atomically
from countersign.store.lake.digests import (
    KnownFile,
    fault_of,
    is_known,
    note_whole,
    remember_whole,
    require_whole,
    still_shown,
)
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.ledger import Ledger

COMPRESSION_LEVEL = 3
TEMPORARY = ".staging"


@dataclass(frozen=True)
class StagedFile:
    """A file that is written but not committed: small enough to pass between tasks."""

    dataset: str
    session: date
    path: str
    run: str
    rows: int
    size_bytes: int
    sha256: str
    series: str | None = None
    checked_as: str = ""


@dataclass(frozen=True)
class Lake:
    """A lake folder and the ledger that says which of its files count."""

    root: Path
    ledger: Ledger

    def stage(
        self,
        dataset: Dataset,
        session: date,
        frame: pl.DataFrame,
        run: str | None = None,
        n: int = 0,
        series: str | None = None,
    ) -> StagedFile:
        """Write one session's rows (or the `n`-th chunk of them) and return the file, still uncommitted.

        `frame` must have exactly the dataset's columns and types; it is sorted here. With `series` it holds rows of
        that series, of any sessions, the newest of them `session`. `run` names the inputs; by default the content names
        itself. Staging the same again gives the same file with the same bytes. StoreError, and nothing written, where a
        committed file has the name and other bytes.
        """
        check_schema(dataset, frame)
        content = encode(frame.sort(dataset.sort))
        sha256 = hashlib.sha256(content).hexdigest()
        run = run or sha256[:16]
        folder = f"{dataset.series}={series}" if series else f"session={session}"
        path = f"{dataset.name}/{folder}/{run}-{n}.parquet"
        target = self.root / path
        if not _holds(target, content):
            self._refuse_other(dataset, session, path, sha256)
            write_atomically(target, content, temporary_folder=self.root / TEMPORARY)
        whole = remember_whole(target, sha256)
        return StagedFile(dataset.name, session, path, run, frame.height, len(content), sha256, series, whole)

    def _refuse_other(self, dataset: Dataset, session: date, path: str, sha256: str) -> None:
        # Not by the path alone: the index by path has only the files that count now.
        ours = (LakeFile.dataset == dataset.name, LakeFile.session == session, LakeFile.path == path)
        with self.ledger.read() as db:
            committed = db.exec(select(LakeFile.sha256).where(*ours)).all()
        if committed and sha256 not in committed:
            raise StoreError(f"{path}: committed with other bytes than those made now; nothing was changed")

    def commit(
        self, db: Session, files: Iterable[StagedFile], now: datetime, emptied: Collection[tuple[str, date]] = ()
    ) -> int:
        """Make staged files count, inside the caller's transaction; return how many rows changed.

        They replace the files of the same datasets for the same sessions, or series, and for the partitions `emptied`
        (dataset, session) though no file is staged for them. Committing the same files again changes nothing.
        """
        staged = list(files)
        partitions = {(file.dataset, file.session) for file in staged if file.series is None}.union(emptied)
        series = [row for file in staged if file.series for row in series_files(db, file.dataset, file.series)]
        return self.replace(db, [*_current(db, partitions), *series], staged, now)

    def replace(self, db: Session, old: Iterable[LakeFile], staged: Sequence[StagedFile], now: datetime) -> int:
        """Make staged files count in place of these, which count until now; return how many rows changed."""
        current = {row.path: row for row in old}
        wanted = {file.path: file for file in staged}
        stale = [row for path, row in current.items() if path not in wanted or row.sha256 != wanted[path].sha256]
        kept = current.keys() - {row.path for row in stale}
        for chunk in chunked(row.id for row in stale):
            db.execute(update(LakeFile).where(col(LakeFile.id).in_(chunk)).values(superseded_at=now))
        fresh = [file for path, file in wanted.items() if path not in kept]
        db.add_all(LakeFile(**vars(file), checked_at=wall_clock(), committed_at=now) for file in fresh)
        db.flush()
        return len(stale) + len(fresh)

    def files(self, dataset: Dataset, since: date | None = None, through: date | None = None) -> list[LakeFile]:
        """List the committed files of a dataset, by session and path."""
        query = select(LakeFile).where(LakeFile.dataset == dataset.name, col(LakeFile.superseded_at).is_(None))
        if since is not None:
            query = query.where(LakeFile.session >= since)
        if through is not None:
            query = query.where(LakeFile.session <= through)
        with self.ledger.read() as db:
            return list(db.exec(query.order_by(col(LakeFile.session), col(LakeFile.path))))

    def named(self, paths: Iterable[str]) -> list[LakeFile]:
        """List the files of these paths, whether they still count or were superseded; StoreError if one has no row."""
        wanted = sorted(set(paths))
        if not wanted:
            return []
        datasets, sessions = zip(*map(_partition, wanted), strict=True)
        # The index by path has only the files that count now: the partitions narrow the search.
        query = select(LakeFile).where(
            col(LakeFile.dataset).in_(set(datasets)),
            col(LakeFile.session).between(min(sessions), max(sessions)),
            col(LakeFile.path).in_(wanted),
        )
        with self.ledger.read() as db:
            rows = {row.path: row for row in db.exec(query)}
        missing = [path for path in wanted if path not in rows]
        if missing:
            raise StoreError(f"{missing[0]}: no row of the ledger names it")
        return [rows[path] for path in wanted]

    def sessions(self, dataset: Dataset, since: date | None = None, through: date | None = None) -> list[date]:
        """List the sessions for which the dataset has committed files, ascending."""
        return sorted({file.session for file in self.files(dataset, since, through)})

    def scan(self, dataset: Dataset, since: date | None = None, through: date | None = None) -> pl.LazyFrame:
        """Scan the committed rows of a dataset, in no promised order."""
        return self.scan_files(dataset, self.files(dataset, since, through))

    def scan_files(self, dataset: Dataset, files: Iterable[LakeFile | StagedFile]) -> pl.LazyFrame:
        """Scan the given files. StoreError where one is missing, cut or altered."""
        paths = require_whole(self.root, files)
        if not paths:
            return pl.LazyFrame(schema=dataset.schema)
        return pl.scan_parquet(paths, hive_partitioning=False, glob=False)

    def read(self, dataset: Dataset, session: date) -> pl.DataFrame:
        """Read one session's rows, sorted; an empty frame where nothing is committed."""
        return self.read_files(dataset, self.files(dataset, session, session))

    def read_files(self, dataset: Dataset, files: Iterable[LakeFile | StagedFile]) -> pl.DataFrame:
        """Read the given files' rows, sorted as one session's are."""
        # Sorted once they are here: sorting as they are read costs three times as much.
        return self.scan_files(dataset, files).collect().sort(dataset.sort)

    def orphans(self) -> list[Path]:
        """List the lake's files that no row of the ledger ever named, left-overs of crashes among them."""
        with self.ledger.read() as db:
            known = set(db.exec(select(LakeFile.path)))
        # Thousands of files: a path is made of those alone that are not known.
        root = self.root.as_posix()
        there = (f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names)
        return sorted(Path(path) for path in there if path.removeprefix(f"{root}/") not in known)

    def damaged(self, dataset: Dataset, through: date | None = None) -> list[tuple[LakeFile, str]]:
        """List the committed files of a dataset that are missing, cut or altered, with that word."""
        return self.faults(self.files(dataset, through=through))

    def faults(self, files: Iterable[LakeFile]) -> list[tuple[LakeFile, str]]:
        """List those of the files that are missing, cut or altered, with that word."""
        faults = ((file, fault_of(self.root, file)) for file in files)
        return [(file, fault) for file, fault in faults if fault]

    def require(self, dataset: Dataset, since: date | None = None, through: date | None = None) -> None:
        """Raise StoreError unless the committed files of a dataset are whole."""
        require_whole(self.root, self.files(dataset, since, through))

    def require_paths(self, paths: Collection[str]) -> None:
        """Raise StoreError unless the files of these paths are whole; note in the ledger which were found to be."""
        columns = (getattr(LakeFile, name) for name in KnownFile._fields)
        query = sa.select(*columns).where(still_shown())
        with self.ledger.read() as db:
            rows = [KnownFile(*row) for row in db.execute(query) if row.path in paths]
        require_whole(self.root, rows)
        note_whole(self.ledger, self.root, rows)

    def require_known(self, checked: Mapping[str, str]) -> None:
        """Raise StoreError as `require_paths` does; `checked` says as what the file of each path was found whole."""
        root = str(self.root)
        unknown = {path for path, checked_as in checked.items() if not is_known(f"{root}/{path}", checked_as)}
        if unknown:
            self.require_paths(unknown)

    def superseded(self, dataset: Dataset) -> list[LakeFile]:
        """List the files of a dataset that counted once, by session and path."""
        query = select(LakeFile).where(LakeFile.dataset == dataset.name, col(LakeFile.superseded_at).is_not(None))
        with self.ledger.read() as db:
            return list(db.exec(query.order_by(col(LakeFile.session), col(LakeFile.path))))

    def verify(self, files: Iterable[LakeFile]) -> list[str]:
        """Compare files with their rows byte for byte; return the faults, in words."""
        faults = []
        for file in files:
            path = self.root / file.path
            if not path.is_file():
                faults.append(f"{file.path}: missing")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
                faults.append(f"{file.path}: altered")
        return faults


def series_files(db: Session, dataset: str, series: str) -> list[LakeFile]:
    """List the committed files of one series, by path."""
    query = select(LakeFile).where(
        LakeFile.series == series, LakeFile.dataset == dataset, col(LakeFile.superseded_at).is_(None)
    )
    return list(db.exec(query.order_by(col(LakeFile.path))))


def encode(frame: pl.DataFrame) -> bytes:
    """Encode a frame as Parquet. The same frame gives the same bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=COMPRESSION_LEVEL, statistics=True)
    return buffer.getvalue()


def check_schema(dataset: Dataset, frame: pl.DataFrame) -> None:
    """Raise StoreError unless `frame` has exactly the dataset's columns, in order and type."""
    expected = pl.Schema(dataset.schema)
    if frame.schema != expected:
        raise StoreError(f"{dataset.name}: expected columns {dict(expected)}, got {dict(frame.schema)}")


def _partition(path: str) -> tuple[str, date]:
    """The dataset and the session that a path of `Lake.stage` says."""
    dataset, _, rest = path.partition("/session=")
    try:
        return dataset, date.fromisoformat(rest.partition("/")[0])
    except ValueError:
        raise StoreError(f"{path}: no row of the ledger names it") from None


def _holds(path: Path, content: bytes) -> bool:
    with storage_errors(path):
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _current(db: Session, partitions: set[tuple[str, date]]) -> list[LakeFile]:
    rows: list[LakeFile] = []
    for dataset in {name for name, _ in partitions}:
        sessions = sorted(session for name, session in partitions if name == dataset)
        query = select(LakeFile).where(
            LakeFile.dataset == dataset,
            col(LakeFile.series).is_(None),
            col(LakeFile.superseded_at).is_(None),
            LakeFile.session >= sessions[0],
            LakeFile.session <= sessions[-1],
        )
        rows += [row for row in db.exec(query) if (dataset, row.session) in partitions]
    return rows
