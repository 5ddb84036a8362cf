"""Tree tricks: entries by which a clone shows its reader something else than the verified files. Pure.

A link or a submodule in place of a file, a path that a file system takes for another one (case, Unicode form, signs
that do not show, names of MS-DOS), and entries that git itself obeys (`.gitattributes`). Other entries beside the
journal's own folders are free.
"""

import re
import unicodedata
from collections.abc import Iterable

from countersign.domain.attestation.journal import OWN, REGULAR_FILE, Change, Fault, FaultKind
from countersign.domain.attestation.records import ALLOWED_SIGNERS

# Nearly all paths: of the journal's own folders, lower case, without a name that begins with a dot.
PLAIN = re.compile(r"[a-z]+(?:/[a-z0-9_-][a-z0-9._-]*)+\Z")
OURS = OWN | {ALLOWED_SIGNERS}
SHORT = re.compile(r"([a-z0-9]{1,6})~[0-9]+(?:\..*)?\Z")
LINK, SUBMODULE = "120000", "160000"
DOTGIT = ".git"


def check_paths(changes: Iterable[Change]) -> list[Fault]:
    """Name the entries that were ever in the tree and are no plain files under plain paths."""
    faults, spelled = [], dict[str, set[str]]()
    listed = list(changes)
    for change in listed:
        top = change.path.partition("/")[0]
        if not change.blob or (top in OWN and PLAIN.match(change.path)):
            continue
        spelled.setdefault(folded(change.path), set()).add(change.path)
        detail = _wrong(change, top)
        if detail:
            faults.append(Fault(FaultKind.MALFORMED, detail, change.commit, change.path))
    return faults + _twice(spelled, listed)


def folded(path: str) -> str:
    """Return a path as a careless file system takes it: no case, one Unicode form, no invisible signs."""
    shown = "".join(sign for sign in path if unicodedata.category(sign) != "Cf")
    text = unicodedata.normalize("NFKC", shown).casefold()
    return "/".join(part.rstrip(". ") or part for part in text.split("/"))


def _wrong(change: Change, top: str) -> str:
    """Name the fault of an entry by itself, "" for none."""
    parts = folded(change.path).split("/")
    meant = next((name for name in OURS if name != top and _same_name(parts[0], name)), "")
    if meant:
        return f"its name passes for {meant} in some file systems"
    if any(part.startswith(DOTGIT) or _same_name(part, DOTGIT) for part in parts):
        return "a name that git gives a meaning to"
    strange = "\\" in change.path or any(unicodedata.category(sign)[0] == "C" for sign in change.path)
    if strange and top not in OWN:  # our own are checked against their records
        return "signs in its name that are no letters"
    if change.mode in {LINK, SUBMODULE} and top not in OWN:
        return f"a {'link' if change.mode == LINK else 'submodule'} (mode {change.mode})"
    if change.mode != REGULAR_FILE and change.path == ALLOWED_SIGNERS:
        return f"not an ordinary file (mode {change.mode})"
    return ""


def _same_name(part: str, name: str) -> bool:
    """Whether a folded name is a given one, or its short form in MS-DOS: ATTEST~1 for attestations."""
    short = SHORT.match(part)
    return part == name or (short is not None and name.lstrip(".").startswith(short[1]) and len(name) > len(short[1]))


def _twice(spelled: dict[str, set[str]], changes: Iterable[Change]) -> list[Fault]:
    """Name paths that are one and the same where case and Unicode form do not count."""
    if not spelled:
        return []
    for change in changes:
        if change.path in spelled:
            spelled[change.path].add(change.path)
    return [
        Fault(FaultKind.MALFORMED, f"one path with {', '.join(sorted(paths - {path}))} in some file systems", "", path)
        for paths in spelled.values()
        for path in sorted(paths)
        if len(paths) > 1
    ]
