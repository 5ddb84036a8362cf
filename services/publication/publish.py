"""The lens: one DuckDB file over ledger and lake, `<home>/countersign.duckdb`, a link to its newest version.

Nobody opens a published version for writing. A new one is built under a name of its own (`lens/<version>.duckdb`), then
the link is switched in one rename. A crash at any point leaves the old version readable, and the next publication
removes left-overs. `store/lens/reader.py` reads.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from countersign.models.errors import HeldError, LeaseError
from countersign.services.publication.external import External, read_news, take_external
from countersign.services.publication.file import FORMAT, NOTHING, LensContents, fill, read_contents
from countersign.services.publication.seals import seals_of
from countersign.services.publication.snapshot import Snapshot, take_snapshot
from countersign.store.files import storage_errors, sync_folder
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.lens.digest import is_as_published, keep_identity, shown_by
from countersign.store.lens.versions import LINK, current_version

FOLDER = "lens"
BUILDING = ".building"
KEPT_VERSIONS = 3
WAIT_SECONDS = 600.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Publication:
    """The outcome of a publication. `new` is false if the published version was current."""

    version: str
    path: Path
    new: bool
    settled_through: date | None
    sessions_added: int
    seconds: float


def publish(home: Home, wait_seconds: float = WAIT_SECONDS) -> Publication:
    """Publish committed and settled data as a new version, which extends the published one by the changes.

    While a correction is under way nothing new is published: half of a correction is never shown. While another
    publisher works this one waits, up to `wait_seconds` (then LeaseError). StoreError if a file of the lake is missing,
    cut or altered, or the disk refuses: the old version stays. Safe to repeat.
    """
    return _publish(home, wait_seconds, from_nothing=False)


def rebuild(home: Home, wait_seconds: float = WAIT_SECONDS) -> Publication:
    """Publish a new version made from ledger and lake alone, and not from the published one."""
    return _publish(home, wait_seconds, from_nothing=True)


def lens_is_current(home: Home) -> bool:
    """Whether the published version shows all that is committed and settled now. External signals come all day."""
    path = current_version(home.path)
    whole = is_as_published(home.ledger, path) if path else False
    if path is None or whole is False:
        return False
    digest = take_snapshot(home.lake).digest
    noted = shown_by(home.ledger, path) if whole else None
    if noted is not None:
        return noted == _shown(digest)
    held = read_contents(path)
    return held is not None and held.digest == digest


def _shown(digest: str) -> str:
    """Name the contents of a version: its format, and the digest of its snapshot."""
    return f"{FORMAT}:{digest}"


def _publish(home: Home, wait_seconds: float, *, from_nothing: bool) -> Publication:
    started = time.perf_counter()
    with _publisher(home, wait_seconds), storage_errors(home.path / FOLDER):
        _clean(home.path)
        old = current_version(home.path)
        # A version without a row in the ledger was published before identities were kept.
        extended = old if not from_nothing and old and is_as_published(home.ledger, old) else None
        held = (read_contents(extended) if extended else None) or NOTHING
        snapshot, external = take_snapshot(home.lake), take_external(home.ledger)
        path, added = old, 0
        if not snapshot.whole:
            if path is None:
                raise HeldError("a correction is under way: `countersign run settle` completes it")
        elif path is None or (held.digest, held.external_digest) != (snapshot.digest, external.digest):
            path, added = _make_version(home, old, held, snapshot, external)
        seconds = time.perf_counter() - started
        return Publication(path.stem, path, path != old, snapshot.settled_through, added, seconds)


@contextmanager
def _publisher(home: Home, wait_seconds: float) -> Iterator[None]:
    """Be the only publisher for the block, waiting for another one to finish."""
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(lease(home.ledger, "publish"))
                break
            except LeaseError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(POLL_SECONDS)
        yield


def _make_version(
    owner: Home, old: Path | None, held: LensContents, snapshot: Snapshot, external: External
) -> tuple[Path, int]:
    """Build the next version, publish it, and return its path and how many sessions it adds."""
    home = owner.path
    # One that is lost was shown as well: its name is never given again.
    names = [path.stem for path in (*_versions(home), old) if path]
    newest = max((int(name.split("-")[0]) for name in names), default=0)
    version = f"{newest + 1:06d}-{snapshot.settled_through or 'unsettled'}"
    building = home / FOLDER / f"{BUILDING}.duckdb"
    # Those that the old version shows too: its views read the lake whenever they are asked.
    owner.lake.require_known(snapshot.checked)
    try:
        if old is not None and held is not NOTHING:
            shutil.copyfile(old, building)
        seals = seals_of(owner.ledger, snapshot.disclosed - held.sealed_sessions)
        news = read_news(owner.ledger, held.external_through, external.through, held.outcomes_through)
        added = fill(building, version, snapshot, held, seals, external, news, owner.lake.require_paths)
        with building.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        _clean(home)  # on a full disk half a version would take the little room there is
        raise
    path = home / FOLDER / f"{version}.duckdb"
    building.rename(path)
    sync_folder(path.parent)
    keep_identity(owner.ledger, path, KEPT_VERSIONS, _shown(snapshot.digest))
    _switch(home, path)
    _clean(home)
    return path, added


def _switch(home: Path, path: Path) -> None:
    following = home / FOLDER / f"{BUILDING}.link"
    following.symlink_to(path.relative_to(home))
    following.rename(home / LINK)
    sync_folder(home)


def _clean(home: Path) -> None:
    """Remove left-overs of a crash and versions nobody needs; a reader that still has one open keeps its content."""
    (home / FOLDER).mkdir(exist_ok=True)
    for path in (home / FOLDER).glob(f"{BUILDING}*"):
        path.unlink()
    current = current_version(home)
    for path in _versions(home)[:-KEPT_VERSIONS]:
        if path != current:
            path.unlink()


def _versions(home: Path) -> list[Path]:
    return sorted((home / FOLDER).glob("[0-9]*.duckdb"))
