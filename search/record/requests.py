"""Requests to a sweep that another process runs: records in small files of its folder, which its driver looks for."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from spaces.files import write_text

from .coding import from_text, to_text
from .records import MisfitError, Row

FOLDER = "requests"  # in the folder of the sweep


def put(folder: Path, row: Row) -> Path:
    """Writes a request to the sweep in `folder` and returns its file, which is removed once it is on record. `row`: the
    record that it asks for. InputError if the file cannot be written."""
    path = folder / FOLDER / f"{time.time_ns()}-{os.getpid()}.json"
    write_text(path, to_text(row))
    return path


def waiting(folder: Path) -> list[tuple[Path, Row]]:
    """Reads the requests to the sweep in `folder` that wait, oldest first; takes microseconds if there are none. What
    is no request is removed."""
    try:
        names = sorted(name for name in os.listdir(folder / FOLDER) if name.endswith(".json"))
    except OSError:
        return []
    found = []
    for name in names:
        path = folder / FOLDER / name
        try:
            found.append((path, from_text(path.read_bytes())))
        except OSError:
            continue
        except MisfitError:
            drop(path)
    return found


def drop(path: Path) -> None:
    """Removes a request, or leaves it where it cannot be removed."""
    with suppress(OSError):
        path.unlink()
