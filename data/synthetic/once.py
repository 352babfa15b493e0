"""Folders that a verb writes whole or not at all, and only once."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.files import write_text

from ..errors import DataError

RECORD = "synthetic.json"  # what a folder was made of


def made_once(folder: Path, seed: int, images: int, write: Callable[[Path], None], *, force: bool) -> float | None:
    """Fills a new folder with `write`, moves it into place and returns the seconds it took; None when it is there
    already.

    One process writes at a time. DataError, and nothing written, when a folder of that name is there that something
    else made, or this from other numbers."""
    told = {"seed": seed, "images": images}
    with _alone(folder):
        if not force and _is_there(folder, told):
            return None
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        started = time.perf_counter()
        try:
            write(part)
            write_text(part / RECORD, json.dumps(told) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        except OSError as error:
            raise DataError(str(folder), [f"cannot be written: {error.strerror or error}"]) from None
        return time.perf_counter() - started


def _is_there(folder: Path, told: dict[str, int]) -> bool:
    if not folder.exists():
        return False
    remedy = "--force writes over it, --root names another folder"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(str(folder), [f"was not written by synth; {remedy}"]) from None
    if record != told:
        here = f"{record.get('images')} images of seed {record.get('seed')}" if isinstance(record, dict) else "others"
        raise DataError(str(folder), [f"holds {here}, not {told['images']} of seed {told['seed']}; {remedy}"])
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise DataError(str(folder.parent), [f"cannot be written: {error.strerror}"]) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
