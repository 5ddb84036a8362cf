"""Tricks that git allows: each is performed with git's own commands, signed with the journal's key, and reported."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation.journal import FaultKind
from countersign.domain.verification.report import Report
from countersign.domain.verification.tree_tricks import folded
from countersign.services.verification.verify import verify_journal
from countersign.store.journal.git_objects import FILE, Entry, tree_fault, write_tree
from tests.support.handmade_journal import Handmade, record_path, utc
from tests.support.worked_example import FIRST, worked_example

SEAL = record_path("attestations", "alpha", FIRST)
NAMES = "attestations", "reveals", "settlements", "strategies", "retirements", "timestamps", "clock.json"


def commit_tree(journal: Handmade, tree: str) -> str:
    """Commit a tree as it is, signed, without looking at it."""
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={journal.key.path}"]
    made = journal.git(*signing, "commit-tree", "-S", "-p", "HEAD", "-m", "x", tree, at=utc("2025-01-04 10:00"))
    journal.git("update-ref", "refs/heads/main", made)
    return made


def place(journal: Handmade, mode: str, name: str, path: str) -> str:
    """Put an object into the newest tree, and commit that."""
    journal.git("update-index", "--add", "--cacheinfo", f"{mode},{name},{path}")
    return commit_tree(journal, journal.git("write-tree"))


def blob(journal: Handmade, content: bytes = b"{}") -> str:
    return journal.git("hash-object", "-w", "--stdin", given=content)


def told(report: Report) -> set[tuple[FaultKind, str]]:
    """Kinds and paths of the tree's faults; the working copy does not show the entries that `place` made."""
    return {(fault.kind, fault.path) for fault in report.faults if "working copy" not in fault.detail}


@pytest.mark.parametrize("mode", ["100755", "120000"])
@pytest.mark.parametrize("path", [SEAL, "allowed_signers"])
def test_a_known_file_made_a_program_or_a_link_with_the_same_bytes(tmp_path: Path, mode: str, path: str) -> None:
    journal = worked_example(tmp_path)
    commit = place(journal, mode, journal.git("rev-parse", f"HEAD:{path}"), path)
    [fault] = [fault for fault in verify_journal(journal.path).faults if fault.commit == commit]
    assert (fault.kind, fault.path) == (FaultKind.ALTERED if path == SEAL else FaultKind.MALFORMED, path)
    assert f"(mode {mode})" in fault.detail


@pytest.mark.parametrize("mode", ["100755", "120000", "160000"])
def test_an_entry_of_the_journals_folders_that_is_no_file_is_malformed(tmp_path: Path, mode: str) -> None:
    journal = worked_example(tmp_path)
    path = record_path("reveals", "alpha", "2025-01-06")
    place(journal, mode, journal.git("rev-parse", "HEAD") if mode == "160000" else blob(journal), path)
    assert (FaultKind.MALFORMED, path) in told(verify_journal(journal.path))


def test_a_folder_made_a_link_is_malformed_and_its_files_are_removed(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    journal.git("rm", "-q", "-r", "--cached", "reveals")
    place(journal, "120000", blob(journal, b"/tmp/other"), "reveals")
    found = told(verify_journal(journal.path))
    assert (FaultKind.MALFORMED, "reveals") in found
    assert (FaultKind.REMOVED, record_path("reveals", "alpha", FIRST)) in found


SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "title": str.title,
    "long s and ligatures": lambda name: name.replace("st", "\ufb06").replace("s", "\u017f"),
    "full width": lambda name: chr(ord(name[0]) + 0xFEE0) + name[1:],
    "zero width": lambda name: name[:3] + "\u200d" + name[3:],
    "a dot behind": lambda name: name + ".",
    "a space behind": lambda name: name + " ",
    "short": lambda name: name[:6].upper() + "~1",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=list(SPELLINGS))
@pytest.mark.parametrize("name", ["attestations", "allowed_signers"])
def test_a_folder_beside_ours_that_passes_for_it(tmp_path: Path, name: str, spelling: Callable[[str], str]) -> None:
    journal = worked_example(tmp_path)
    other = spelling(name)
    path = f"{other}/2025/x.json" if name == "attestations" else other
    place(journal, "100644", blob(journal), path)
    faults = [fault for fault in verify_journal(journal.path).faults if fault.path == path]
    assert {fault.kind for fault in faults} == {FaultKind.MALFORMED}
    assert f"passes for {name}" in faults[0].detail


@pytest.mark.parametrize(
    ("one", "other"),
    [("docs/a.md", "docs/A.md"), ("caf\u00e9.md", "cafe\u0301.md"), ("stra\u00dfe.md", "STRASSE.md")],
)
def test_two_paths_that_are_one_on_other_systems_are_malformed(tmp_path: Path, one: str, other: str) -> None:
    journal = worked_example(tmp_path)
    place(journal, "100644", blob(journal), one)
    place(journal, "100644", blob(journal, b"other"), other)
    assert told(verify_journal(journal.path)) == {(FaultKind.MALFORMED, one), (FaultKind.MALFORMED, other)}


@pytest.mark.parametrize("path", [".gitattributes", ".gitmodules", "docs/.GITIGNORE", "attestations/.gitattributes"])
def test_an_entry_that_git_obeys_is_malformed(tmp_path: Path, path: str) -> None:
    journal = worked_example(tmp_path)
    place(journal, "100644", blob(journal), path)
    assert (FaultKind.MALFORMED, path) in told(verify_journal(journal.path))


@pytest.mark.parametrize("mode", ["120000", "160000"])
def test_a_link_or_submodule_beside_the_journals_folders_is_malformed(tmp_path: Path, mode: str) -> None:
    journal = worked_example(tmp_path)
    place(journal, mode, journal.git("rev-parse", "HEAD") if mode == "160000" else blob(journal), "more")
    assert told(verify_journal(journal.path)) == {(FaultKind.MALFORMED, "more")}


def test_a_path_that_is_no_text_is_malformed(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    listed = journal.git("ls-tree", "HEAD").encode() + f"\n100644 blob {blob(journal)}\t".encode() + b"a\xff\x01b\n"
    commit = commit_tree(journal, journal.git("mktree", given=listed))
    [fault] = [fault for fault in verify_journal(journal.path).faults if fault.commit == commit]
    assert (fault.kind, fault.path) == (FaultKind.MALFORMED, "a\\xff\x01b")


def raw_tree(journal: Handmade, *entries: tuple[bytes, bytes, str]) -> str:
    """Write a tree that git itself would not make: modes, names and objects as given, after the newest tree's."""
    known = [line.split(None, 3) for line in journal.git("ls-tree", "HEAD").splitlines()]
    rows = [(mode.lstrip("0").encode(), name.encode(), oid) for mode, _, oid, name in known]
    content = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in [*rows, *entries])
    return journal.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", given=content)


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        ((b"100644", b"strategies"), "a name is there twice"),
        ((b"100644", b"zz/../attestations"), "entries that are none of git's"),
        ((b"0100644", b"zz"), "entries that are none of git's"),
        ((b"100644", b"a"), "names that are not in git's order"),
    ],
)
def test_trees_that_git_would_not_write(tmp_path: Path, entry: tuple[bytes, bytes], detail: str) -> None:
    journal = worked_example(tmp_path)
    tree = raw_tree(journal, (*entry, blob(journal)))
    assert verify_journal(journal.path).holds, "what HEAD does not reach counts for nothing"
    commit_tree(journal, tree)
    assert f"folder {tree}: {detail}" in {fault.detail for fault in verify_journal(journal.path).faults}


def test_a_file_beside_the_journals_folders_is_no_fault(tmp_path: Path) -> None:
    journal = worked_example(tmp_path)
    for mode, path in (("100644", "README.md"), ("100755", "tools/check"), ("100644", "Docs/na\u00efve.md")):
        place(journal, mode, blob(journal, path.encode()), path)
    assert told(verify_journal(journal.path)) == set()


@given(st.sampled_from(NAMES), st.data())
def test_case_never_makes_another_name(name: str, data: st.DataObject) -> None:
    upper = data.draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    spelled = "".join(sign.upper() if each else sign for sign, each in zip(name, upper, strict=True))
    assert folded(spelled) == name


@given(st.dictionaries(st.binary(min_size=1, max_size=9), st.booleans(), max_size=9))
def test_our_own_trees_have_no_fault(names: dict[bytes, bool]) -> None:
    forbidden = {b".", b"..", b".git"}
    tree = {
        name: Entry(b"40000" if folder else FILE, bytes(20))
        for name, folder in names.items()
        if b"/" not in name and b"\0" not in name and name.lower() not in forbidden
    }
    assert tree_fault(write_tree(tree)) == ""
