"""Reading hostile repositories: nothing in them runs, alters the records read, or fills the machine."""

import os
import zlib
from pathlib import Path

import pytest

from countersign.domain.attestation.journal import FaultKind
from countersign.models.errors import InputError, StoreError
from countersign.services.verification.verify import audit_repository, verify_journal
from countersign.store.journal import git_reader
from countersign.store.journal.git_reader import open_repository
from tests.support.handmade_journal import Handmade, record_path, utc
from tests.support.worked_example import FIRST, worked_example

RECORD = record_path("attestations", "alpha", FIRST)


def loose(journal: Handmade, name: str) -> Path:
    path = journal.path / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    return path


def test_nothing_of_the_repository_runs(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    git, trace = journal.path / ".git", tmp_path / "it-ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    script.chmod(0o755)
    (git / "hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"):
        (git / "hooks" / hook).write_bytes(script.read_bytes())
        (git / "hooks" / hook).chmod(0o755)
    with (git / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {script}\n\thooksPath = {git}/hooks\n\tpager = {script}\n\tsshCommand = {script}\n"
            f"\talternateRefsCommand = {script}\n\tattributesFile = {tmp_path}/attributes\n"
            f'[gpg]\n\tprogram = {script}\n\tformat = ssh\n[gpg "ssh"]\n\tprogram = {script}\n'
            f'[diff]\n\texternal = {script}\n[diff "d"]\n\ttextconv = {script}\n\tcommand = {script}\n'
            f'[filter "f"]\n\tclean = {script}\n\tsmudge = {script}\n\tprocess = {script}\n'
            f"[log]\n\tshowSignature = true\n[include]\n\tpath = {tmp_path}/more\n"
            f'[extensions]\n\tpartialClone = evil\n[remote "evil"]\n\tpromisor = true\n\turl = ext::{script}\n'
        )
    (git / "info" / "attributes").write_text("* diff=d filter=f\n")
    journal.path.joinpath(".gitattributes").write_text("* diff=d filter=f\n")
    missing = journal.git("rev-parse", f"HEAD:{RECORD}")
    loose(journal, missing).unlink()
    assert FaultKind.CORRUPT in {fault.kind for fault in verify_journal(journal.path).faults}
    audit_repository(journal.path)
    assert not trace.exists()


def test_replacements_grafts_and_caches_bend_nothing(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    git = journal.path / ".git"
    honest = verify_journal(journal.path)
    commits = journal.git("rev-list", "HEAD").split()
    journal.git("replace", commits[1], commits[3])
    (git / "info").mkdir(exist_ok=True)
    (git / "info" / "grafts").write_text(f"{commits[0]} {commits[4]}\n")
    journal.git("-c", "core.commitGraph=true", "commit-graph", "write", "--reachable")
    assert verify_journal(journal.path) == honest
    assert honest.holds


@pytest.mark.parametrize("kind", ["blob", "tree", "commit"])
def test_an_object_with_another_hash_than_its_name_is_corrupt(tmp_path: Path, kind: str) -> None:
    journal = worked_example(tmp_path)
    name = journal.git("rev-parse", {"blob": f"HEAD:{RECORD}", "tree": "HEAD:settlements", "commit": "HEAD~1"}[kind])
    path = loose(journal, name)
    head, _, content = zlib.decompress(path.read_bytes()).partition(b"\0")
    forged = content.replace(b"2025", b"2024") if kind != "commit" else content.replace(b"by hand", b"by haNd")
    forged = content[:-2] + b"!\n" if forged == content else forged
    path.write_bytes(zlib.compress(head + b"\0" + forged))
    if kind == "blob":
        assert (FaultKind.CORRUPT, RECORD) in {(f.kind, f.path) for f in verify_journal(journal.path).faults}
    elif kind == "tree":
        assert name in "".join(f.detail for f in verify_journal(journal.path).faults if f.kind is FaultKind.CORRUPT)
    else:
        with pytest.raises(StoreError, match=name):
            verify_journal(journal.path)


def test_an_object_that_cannot_be_unpacked_is_corrupt(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    loose(journal, journal.git("rev-parse", f"HEAD:{RECORD}")).write_bytes(b"junk")
    assert (FaultKind.CORRUPT, RECORD) in {(f.kind, f.path) for f in verify_journal(journal.path).faults}


def test_links_submodules_and_programs_in_place_of_records_are_malformed(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    commit = journal.git("rev-parse", "HEAD")
    blob = journal.git("hash-object", "-w", "--stdin", given=b"/etc/passwd")
    modes = {"120000": blob, "160000": commit, "100755": blob}
    for mode, name in modes.items():
        journal.git("update-index", "--add", "--cacheinfo", f"{mode},{name},reveals/2025/{mode}.json")
    tree = journal.git("write-tree")
    journal.git("read-tree", tree)
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={journal.key.path}"]
    made = journal.git(*signing, "commit-tree", "-S", "-p", commit, "-m", "x", tree, at=utc("2025-01-04 10:00"))
    journal.git("update-ref", "refs/heads/main", made)
    found = {
        fault.path: fault.detail for fault in verify_journal(journal.path).faults if fault.kind is FaultKind.MALFORMED
    }
    assert found == {f"reveals/2025/{mode}.json": f"not an ordinary file (mode {mode})" for mode in modes}


def test_pipes_and_links_in_the_working_copy_are_altered_files(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    record = journal.path / RECORD
    copy = tmp_path / "copy"
    copy.write_bytes(record.read_bytes())
    record.unlink()
    record.symlink_to(copy)
    reveal = journal.path / record_path("reveals", "beta", FIRST)
    reveal.unlink()
    os.mkfifo(reveal)
    assert [fault.kind for fault in verify_journal(journal.path).faults] == [FaultKind.ALTERED] * 2


@pytest.mark.parametrize(
    "head", ["", "ref: refs/heads/../../../x", "ref: /etc/passwd", "x" * 40, "ref: refs/heads/main\0"]
)
def test_a_repository_with_a_malformed_head_is_refused(tmp_path: Path, head: str) -> None:
    journal = worked_example(tmp_path)
    (journal.path / ".git" / "HEAD").write_text(head)
    with pytest.raises(InputError, match="repository: expected"):
        verify_journal(journal.path)


def test_references_in_a_circle_are_refused(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    (journal.path / ".git" / "refs" / "heads" / "main").write_text("ref: refs/heads/main\n")
    with pytest.raises(InputError, match="a chain of references"):
        verify_journal(journal.path)


def test_folders_that_unfold_without_end_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Handmade.make(tmp_path)
    blob = journal.git("hash-object", "-w", "--stdin", given=b"{}")
    tree = journal.git("mktree", given="".join(f"100644 blob {blob}\tf{n}\n" for n in range(10)).encode())
    for _ in range(9):
        tree = journal.git("mktree", given="".join(f"040000 tree {tree}\td{n}\n" for n in range(10)).encode())
    root = journal.git("mktree", given=f"040000 tree {tree}\tattestations\n".encode())
    commit = journal.git("commit-tree", "-m", "x", root, at=utc("2025-01-02 09:00"))
    journal.git("update-ref", "refs/heads/main", commit)
    monkeypatch.setattr(git_reader, "MAX_GIT_BYTES", 64_000_000)
    for read in (verify_journal, audit_repository):
        with pytest.raises(StoreError, match="cannot be read"):
            read(journal.path)


def test_more_changes_than_any_journal_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = worked_example(tmp_path)
    monkeypatch.setattr(git_reader, "MAX_CHANGES", 5)
    with pytest.raises(InputError, match="at most 5 changed files"):
        verify_journal(journal.path)


def test_a_file_that_is_too_large_is_corrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = worked_example(tmp_path)
    monkeypatch.setattr(git_reader, "MAX_OBJECT_BYTES", 2_000_000)
    large = record_path("attestations", "gamma", FIRST)
    journal.write(large, b"[" * 3_000_000)
    journal.commit(utc("2025-01-04 10:00"))
    (fault,) = verify_journal(journal.path).faults
    assert (fault.kind, fault.path, fault.detail) == (FaultKind.CORRUPT, large, "larger than any record")
    monkeypatch.setattr(git_reader, "MAX_KEPT_BYTES", 1_000)
    with pytest.raises(InputError, match="at most 1000 bytes"):
        verify_journal(journal.path)


def test_a_path_of_control_characters_is_printed_without_them(tmp_path: Path) -> None:
    from countersign.services.verification.text import render_report  # noqa: PLC0415

    journal = Handmade.make(tmp_path)
    journal.write("attestations/\x1b[2J\n\xe9.json", b"{}")
    journal.commit(utc("2025-01-02 09:01"))
    report = verify_journal(journal.path)
    assert [fault.path for fault in report.faults] == ["attestations/\x1b[2J\n\xe9.json"]
    assert "\x1b" not in render_report(report)


def test_a_repository_of_sha256_objects_is_verified(tmp_path: Path) -> None:
    journal = Handmade.make(tmp_path)
    other = Handmade(tmp_path / "other", journal.key)
    other.path.mkdir()
    other.git("init", "-q", "-b", "main", "--object-format=sha256")
    other.write("allowed_signers", journal.key.line().encode())
    other.commit(utc("2025-01-02 09:01"))
    report = verify_journal(other.path)
    assert (len(report.head), report.holds) == (64, True)


def test_only_objects_that_were_asked_for_are_kept(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    with open_repository(journal.path) as repository:
        names = repository.history()
        changes = repository.changes(names, under="settlements")
        wanted = {change.blob for change in changes}
        objects = repository.read(wanted)
    assert [change.path for change in changes] == [
        "settlements/2025/2025-01-02.1.json",
        "settlements/2025/2025-01-03.1.json",
    ]
    assert (set(objects.blobs), set(objects.commits)) == (wanted, set(names))


def test_a_pipe_in_place_of_an_object_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = worked_example(tmp_path)
    path = loose(journal, journal.git("rev-parse", f"HEAD:{RECORD}"))
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(git_reader, "MAX_SECONDS", 1.0)
    with pytest.raises(StoreError, match="cannot be read: git cat-file did not end within 1 s"):
        verify_journal(journal.path)


def test_more_complaints_than_a_pipe_holds_block_nothing(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    folder = journal.path / ".git" / "objects" / "ab"
    folder.mkdir(exist_ok=True)
    for n in range(1_500):
        (folder / f"{n:038x}").write_bytes(b"junk")
    assert {fault.kind for fault in verify_journal(journal.path).faults} == {FaultKind.CORRUPT}
