"""The folders of a branch's newest commit, as its one writer knows them: read once, changed as files are added."""

from collections.abc import Callable, Collection, Iterable

from countersign.models.errors import ConflictError
from countersign.store.journal.git_commands import MISSING
from countersign.store.journal.git_objects import FOLDER, TREE, Entry, Tree, read_tree, write_tree
from countersign.store.journal.git_packs import NewObjects

# A few tens of megabytes at most; a forgotten folder is read again.
MANY_FOLDERS = 2_000


class Folders:
    """Folders by their paths ("" is the root), read through `read`: kind and content of objects by their names."""

    def __init__(self, read: Callable[[Collection[str]], Iterable[tuple[str, bytes]]]) -> None:
        self._read = read
        self._trees: dict[str, Tree] = {}

    def load(self, commit: str | None, folders: Iterable[str]) -> None:
        """Read those folders of the newest commit that are not known yet; one that is not there is empty.

        ConflictError if something else than a folder has the name.
        """
        if len(self._trees) > MANY_FOLDERS:
            self.forget()
        asked = []
        for name in sorted(_with_parents(folders) - self._trees.keys()):
            parent, _, own = name.rpartition("/")
            above = self._trees.get(parent) if name else None
            if commit is None or (above is not None and own.encode() not in above):
                self._trees[name] = Tree()
            else:
                asked.append(name)
        if not asked:
            return
        answers = self._read([f"{commit}:{name}" for name in asked])
        for name, (kind, content) in zip(asked, answers, strict=True):
            if kind not in {TREE, MISSING}:
                raise ConflictError(f"journal: {name} is there already, and it is not a folder")
            self._trees[name] = read_tree(content)

    def __getitem__(self, folder: str) -> Tree:
        """Return a loaded folder; a caller that adds to it must call `write` or `forget`."""
        return self._trees[folder]

    def write(self, objects: NewObjects, changed: Iterable[str]) -> bytes:
        """Add the changed folders and their parents to the new objects; return the root's name."""
        deepest_first = sorted(_with_parents(changed) - {""}, key=lambda name: -name.count("/"))
        for folder in deepest_first:
            parent, _, name = folder.rpartition("/")
            self._trees[parent][name.encode()] = Entry(FOLDER, objects.add(TREE, write_tree(self._trees[folder])))
        return objects.add(TREE, write_tree(self._trees[""]))

    def forget(self) -> None:
        """Forget all folders: the branch was moved, or changes made here were never committed."""
        self._trees.clear()


def _with_parents(folders: Iterable[str]) -> set[str]:
    found = {""}
    for folder in folders:
        name = folder
        while name not in found:
            found.add(name)
            name = name.rpartition("/")[0]
    return found
