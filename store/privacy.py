"""Privacy: a home is for its owner alone, as are all files that our processes make.

The folder's own mode keeps others out of everything in it; that of the files keeps them out where the folder is copied.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

UMASK, FOLDER_MODE, FILE_MODE = 0o077, 0o700, 0o600
OTHERS = 0o077


def keep_to_owner() -> None:
    """Make every file that this process and its children make from now on readable by its owner alone."""
    os.umask(UMASK)


def narrow(home: Path, lake: Path) -> list[str]:
    """Take a home, its keys and its lake from everybody but their owner; return, and log, the changes and failures.

    It reads the modes of three folders and the keys. Other files of the home are protected by its own mode.
    """
    keys = home / "keys"
    wide = [folder for folder in dict.fromkeys((home, keys, lake)) if _is_wide(folder)]
    wide += [file for file in _files(keys) if _is_wide(file)]
    told = [_narrow(path) for path in wide]
    for line in told:
        logging.getLogger("countersign").warning(line)
    return told


def _narrow(path: Path) -> str:
    mode = FOLDER_MODE if path.is_dir() else FILE_MODE
    try:
        path.chmod(mode)
    except OSError as error:
        return f"{path}: others can read it, and its mode cannot be changed ({error.strerror}); its owner has to"
    return f"{path}: others could read it; it is for its owner alone now (mode {mode:o})"


def _is_wide(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def _files(folder: Path) -> Iterable[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()]
    except OSError:
        return []
