"""Temporary folders of sweeps and jobs, each locked by the process that uses it, so that those left behind by a killed
one are known."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.files import is_locked

PREFIX = "posesweep-"
_NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")
_open: list[Path] = []


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yields a new temporary folder, locked until the block ends; it is then removed, as far as that is possible."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _open.append(Path(name))
            yield Path(name)
        finally:
            os.close(lock)
            if Path(name) in _open:
                _open.remove(Path(name))


def remove_scratch_folders() -> None:
    """Removes the temporary folders that `scratch_folder` has open in this process, for one that ends without leaving
    its blocks."""
    while _open:
        shutil.rmtree(_open.pop(), ignore_errors=True)


def left_folders() -> list[Path]:
    """Lists the temporary folders of this user that no process has locked."""
    base = Path(tempfile.gettempdir())
    # The folder of claims is named by the user's number.
    found = [path for path in base.glob(f"{PREFIX}*") if _NAME.fullmatch(path.name) and not path.name[-8:].isdecimal()]
    return sorted(path for path in found if _is_left(path))


def _is_left(path: Path) -> bool:
    try:
        if path.is_symlink() or path.lstat().st_uid != os.getuid():
            return False
        return not is_locked(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
    except OSError:
        return False
