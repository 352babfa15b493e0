"""Atomic file writes, and checks of output paths."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import InputError

GIB = 2**30  # bytes; sizes of files and of memory are shown in it


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` atomically when the block ends without exception, and is deleted
    otherwise.

    Missing parent folders are created. InputError if the file cannot be written."""
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp makes files private; results are meant to be read by colleagues.
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise InputError(str(path), [f"cannot be written: {error.strerror or error}"]) from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def is_locked(file: int) -> bool:
    """Returns whether another process has locked an open file or folder (flock) for itself alone, and closes it.
    `file`: its descriptor. OSError if locks cannot be asked for."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically. InputError if it cannot be written."""
    with replacing(path) as file:
        file.write(text.encode())


def target_problems(path: Path, *, force: bool) -> list[str]:
    """Checks that a file can be written at `path`: it must not exist (unless `force`) or be a folder, and its folder
    must exist and be writable. Returns a message if not, else []."""
    if path.is_dir():
        return [f"{path} is a folder; name a file"]
    if path.exists() and not force:
        return [f"{path} exists; choose another name or add --force"]
    if not path.parent.is_dir():
        return [f"{path}: there is no folder {path.parent}"]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return [f"{path}: {path.parent} is not writable; choose another folder or change its rights"]
    return []


def size_text(size: float) -> str:
    """Formats bytes with a unit: '820 B', '14 kB', '10.3 MB', '1.2 GB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"


def size_below(path: Path) -> int:
    """Sums the bytes of a file, or of all files below a folder; links are not followed and count nothing. What vanishes
    meanwhile counts nothing."""
    try:
        if path.is_symlink() or not path.is_dir():
            return 0 if path.is_symlink() else path.lstat().st_size
        return sum(size_below(Path(entry)) for entry in os.scandir(path))
    except OSError:
        return 0
