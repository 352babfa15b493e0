"""`python -m data synth --images N`: writes the embedded image set, once."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.formats import h36m_images
from data.poseset import DataError
from data.synthetic.images import NAME, write_images
from spaces.files import write_text

from .tables import summary, table


def synth_images(root: Path, seed: int, count: int, *, force: bool) -> int:
    """Says what it did. DataError, and nothing written, when a folder of that name is there that it did not write.

    The folder appears whole or not at all; one process writes at a time."""
    folder = root / NAME
    with _alone_in(root):
        if not force and _is_there(folder, seed, count):
            print(f"{folder} has {count} images of seed {seed} already; nothing written")
            return 0
        part = root / f".{NAME}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        started = time.perf_counter()
        try:
            write_images(part, seed, count)
            write_text(_record(part), json.dumps({"seed": seed, "images": count}) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        except OSError as error:
            raise DataError(str(folder), [f"cannot be written: {error.strerror or error}"]) from None
        seconds = time.perf_counter() - started
    print(f"wrote {count} images of seed {seed} to {folder} in {seconds:.0f} s:")
    rows = [
        summary(h36m_images.read(root, NAME, keypoints)) for keypoints in h36m_images.available_keypoints(root, NAME)
    ]
    print(table(rows))
    return 0


def _record(folder: Path) -> Path:
    return folder / "synthetic.json"


def _is_there(folder: Path, seed: int, count: int) -> bool:
    if not folder.exists():
        return False
    remedy = "--force writes over it, --root names another folder"
    try:
        record = json.loads(_record(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(str(folder), [f"was not written by synth; {remedy}"]) from None
    if record != {"seed": seed, "images": count}:
        here = f"{record.get('images')} images of seed {record.get('seed')}" if isinstance(record, dict) else "others"
        raise DataError(str(folder), [f"holds {here}, not {count} of seed {seed}; {remedy}"])
    return True


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / f".{NAME}.lock").open("w")
    except OSError as error:
        raise DataError(str(root), [f"cannot be written: {error.strerror}"]) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
