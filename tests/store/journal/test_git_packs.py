"""Packs and their indexes, held against git's own, and read by GitPython."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from git import GitDB, Repo
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.store.journal.git_folders import Folders
from countersign.store.journal.git_objects import BLOB, FILE, Entry
from countersign.store.journal.git_packs import NewObjects, pack_index
from countersign.store.journal.journal import Journal
from tests.support.journals import git


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty bare repository."""
    folder = tmp_path_factory.mktemp("packs") / "bare"
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    return folder


@settings(max_examples=5)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_git_finds_every_object_of_a_pack(repository: Path, contents: list[bytes]) -> None:
    objects = NewObjects()
    names = {
        objects.add(BLOB, content).hex(): content
        for content in [*contents, os.urandom(70_000), bytes(5_000), b"ab" * 9_000]
    }
    objects.write(repository)
    for name, content in names.items():
        command = ["git", "-C", str(repository), "cat-file", "blob", name]
        assert subprocess.run(command, capture_output=True, check=True).stdout == content
    git(repository, "fsck", "--strict", "--full")


def test_the_index_is_git_s_own_byte_for_byte(repository: Path, tmp_path: Path) -> None:
    objects = NewObjects()
    for n in range(600):
        objects.add(BLOB, b"%d" % n)
    before = set(repository.glob("objects/pack/*.pack"))
    objects.write(repository)
    (pack,) = set(repository.glob("objects/pack/*.pack")) - before
    git(repository, "index-pack", "-o", str(tmp_path / "its.idx"), str(pack))
    assert pack.with_suffix(".idx").read_bytes() == (tmp_path / "its.idx").read_bytes()
    assert pack.stat().st_mode & 0o777 == 0o444


def test_git_reads_places_beyond_two_gigabytes_in_an_index(tmp_path: Path) -> None:
    rows = [(bytes([n]) * 20, n, place) for n, place in ((3, 2**31 - 1), (1, 2**33 + 5), (2, 12), (255, 2**31))]
    (tmp_path / "far.idx").write_bytes(pack_index(rows, bytes(20)))
    with (tmp_path / "far.idx").open("rb") as index:
        told = subprocess.run(["git", "show-index"], stdin=index, capture_output=True, check=True, cwd=tmp_path)
    found = {bytes.fromhex(name): int(place) for place, name, _ in map(str.split, told.stdout.decode().splitlines())}
    assert found == {name: place for name, _, place in rows}


def test_folders_are_read_once_and_absent_ones_never() -> None:
    asked: list[list[str]] = []

    def read(names: list[str]) -> list[tuple[str, bytes]]:
        asked.append(list(names))
        return [("tree", b"") if name == "c1:" else ("missing", b"") for name in names]

    folders = Folders(read)  # type: ignore[arg-type]
    folders.load("c1", ["a/b"])
    assert asked == [["c1:", "c1:a", "c1:a/b"]]
    folders["a/b"][b"file"] = Entry(FILE, bytes(20))
    folders.write(NewObjects(), ["a/b"])
    folders.load("c2", ["a/b", "a/c", "d/e"])
    assert len(asked) == 1
    assert folders["a/b"] == {b"file": Entry(FILE, bytes(20))}
    assert set(folders["a"]) == {b"b"}
    folders.forget()
    folders.load("c2", ["a/b"])
    assert len(asked) == 2


@pytest.mark.filterwarnings("ignore:GitDB is deprecated")  # slow, and meant for files one trusts: ours, in a test
def test_another_program_reads_the_journal(tmp_path: Path) -> None:
    """GitDB parses packs and indexes by itself, without git."""
    journal = Journal(tmp_path / "journal", tmp_path)
    journal.create()
    now = datetime(2026, 5, 14, 1, 10, tzinfo=UTC)
    given = {f"attestations/2026/{n % 3}/{n}.json": b"%d" % n * n for n in range(30)}
    with journal.writing() as writer:
        for n, (path, content) in enumerate(given.items()):
            writer.add({path: content}, f"seal {n}", now + timedelta(seconds=n))
    with Repo(journal.path, odbt=GitDB) as repo:
        commits = list(repo.iter_commits())[::-1]
        assert [len(commit.parents) for commit in commits] == [0, *[1] * 29]
        assert [commit.committed_datetime for commit in commits] == [now + timedelta(seconds=n) for n in range(30)]
        assert {commit.gpgsig.splitlines()[0] for commit in commits} == {"-----BEGIN SSH SIGNATURE-----"}
        found = {str(blob.path): blob.data_stream.read() for blob in commits[-1].tree.traverse() if blob.type == "blob"}
    assert {path: content for path, content in found.items() if path.startswith("attestations/")} == given
