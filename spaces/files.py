"""Files that are whole or not there."""

from __future__ import annotations

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
    """A file to write that takes the place of `path` when the block ends well, and is gone when it does not.

    Folders are made as needed. InputError when the place cannot be written to."""
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


def write_text(path: Path, text: str) -> None:
    """A UTF-8 text file, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def target_problems(path: Path, *, force: bool) -> list[str]:
    """Why a file cannot be written here: it exists (unless `force`), is a folder, or its folder is not there."""
    if path.is_dir():
        return [f"{path} is a folder; name a file"]
    if path.exists() and not force:
        return [f"{path} exists; choose another name or add --force"]
    if not path.parent.is_dir():
        return [f"{path}: there is no folder {path.parent}"]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return [f"{path}: {path.parent} is not writable; choose another folder or change its rights"]
    return []
