"""Restoring a home from a back-up: into an empty place, whole or not at all."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from countersign.models.errors import ConflictError, InputError
from countersign.services.operations.backup import BUNDLE, HOME, LAKE, LEDGER, Manifest, check_backup, copy_files
from countersign.store.files import storage_errors, sync_folder
from countersign.store.home import Home
from countersign.store.journal.journal import BRANCH
from countersign.store.ledger.copies import copy_in, is_empty

Locate = Callable[[Path], Home]


def restore(source: Path, target: Path, locate: Locate) -> tuple[Home, Manifest]:
    """Make the home `target` from a back-up, whose every file is checked first; return it and the back-up's manifest.

    `locate` reads the settings of a home's folder: they may put ledger and lake elsewhere, which must be empty too.
    InputError for a home that is not empty, ConflictError for such a ledger or lake; nothing is changed then.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("home", "an empty folder, or none, to restore into", target)
    manifest = check_backup(source)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.mkdir(mode=0o700)
        try:
            copy_files(source / HOME, _below(manifest, HOME), staged)
            home = locate(staged)
            _require_empty(home)
            _fill(source, manifest, home)
            if target.exists():
                target.rmdir()
            staged.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    restored = locate(target)
    restored.create()
    return restored, manifest


def _below(manifest: Manifest, folder: str) -> list[str]:
    return [name.removeprefix(f"{folder}/") for name in manifest.files if name.startswith(f"{folder}/")]


def _require_empty(home: Home) -> None:
    if not is_empty(home.ledger):
        raise ConflictError("ledger: the database that the settings name is not empty; nothing was restored")
    if home.lake_path.exists() and any(home.lake_path.iterdir()):
        raise ConflictError(f"{home.lake_path}: the lake that the settings name is not empty; nothing was restored")


def _fill(source: Path, manifest: Manifest, home: Home) -> None:
    home.lake_path.mkdir(parents=True, exist_ok=True)
    copy_files(source / LAKE, _below(manifest, LAKE), home.lake_path)
    home.journal.create()
    if manifest.journal_head:
        home.journal.git("fetch", "-q", str((source / BUNDLE).resolve()), f"{BRANCH}:{BRANCH}")
    copy_in(source / LEDGER, home.ledger)
    home.ledger.engine.dispose()
