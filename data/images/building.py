"""Crop cache building: decodes the images of a run into shards before it starts, in several processes and bounded
memory."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..poses.poseset import ImageTrack
from .shards import Shard, begin, broken_in, cut, finish, leftovers, total_bytes

PIECE = 64  # images that a process is given at a time
AHEAD = 2  # pieces handed out for each process; more would only wait
SPARE_BYTES = 1 << 28  # of the disk, to be left for others
TELL_EVERY = 10.0  # seconds

Task = tuple[Path, ImageTrack, int, int, int]  # arguments of `cut`


def make_crops(shards: Sequence[Shard], cache: Path, workers: int) -> dict[Path, dict[int, str]]:
    """Builds the shards that are missing or damaged; returns the broken images of each shard by its path, number ->
    reason.

    One process builds in a cache at a time, others wait for it. DataError when the disk is too small."""
    found = {shard.path: broken_in(shard) for shard in shards}
    if any(broken is None for broken in found.values()):
        with _alone_in(cache):
            for path in leftovers(cache):
                path.unlink()
            found = {shard.path: broken_in(shard) for shard in shards}
            missing = [shard for shard in shards if found[shard.path] is None]
            found |= _build(missing, cache, workers) if missing else {}
    return {path: broken for path, broken in found.items() if broken is not None}


def _build(shards: Sequence[Shard], cache: Path, workers: int) -> dict[Path, dict[int, str]]:
    count, needed = sum(len(shard.track.numbers) for shard in shards), total_bytes(shards)
    free = shutil.disk_usage(cache).free
    size = f"{count} crops of {shards[0].height} x {shards[0].width}, {needed / 1e9:.2f} GB, in {cache}"
    if needed + SPARE_BYTES > free:
        remedy = "name a folder on another disk (data.cache), or take fewer (data.downsample) or smaller crops"
        raise DataError("image cache", [f"needs {size}, where {free / 1e9:.2f} GB are free; {remedy}"])
    _tell(f"making {size}")
    progress = _Progress(count)
    found: dict[Path, dict[int, str]] = {}
    try:
        for shard, is_last, broken in _in_order(shards, workers):
            found.setdefault(shard.path, {}).update(broken)
            if is_last:
                finish(shard, found[shard.path])
                progress.add(len(shard.track.numbers))
    except OSError as error:
        raise DataError("image cache", [f"{cache} cannot be written: {error.strerror or error}"]) from None
    progress.end()
    return found


def _in_order(shards: Sequence[Shard], workers: int) -> Iterator[tuple[Shard, bool, dict[int, str]]]:
    """Yields each finished piece: its shard, whether it is the shard's last one, and its broken images."""
    if workers == 0:
        for shard, is_last, task in _pieces(shards):
            yield shard, is_last, cut(*task)
        return
    # Not forked: a fork of a process with threads, or with a CUDA context, may hang.
    context = multiprocessing.get_context("spawn")
    waiting: deque[tuple[Shard, bool, Future[dict[int, str]]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        try:
            for shard, is_last, task in _pieces(shards):
                waiting.append((shard, is_last, pool.submit(cut, *task)))
                if len(waiting) > workers * AHEAD:
                    yield _done(waiting)
            while waiting:
                yield _done(waiting)
        except BrokenProcessPool:
            raise DataError("image cache", ["a process that decodes images was killed; too little memory?"]) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _pieces(shards: Sequence[Shard]) -> Iterator[tuple[Shard, bool, Task]]:
    for shard in shards:
        part, count = begin(shard), len(shard.track.numbers)
        for first in range(0, count, PIECE):
            piece = shard.track.only(np.arange(first, min(first + PIECE, count)))
            yield shard, first + PIECE >= count, (part, piece, first, shard.height, shard.width)


def _done(waiting: deque[tuple[Shard, bool, Future[dict[int, str]]]]) -> tuple[Shard, bool, dict[int, str]]:
    shard, is_last, future = waiting.popleft()
    return shard, is_last, future.result()


def _die_with_parent() -> None:
    """Ends a pool's worker when its parent is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "not in a process of a pool"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _alone_in(cache: Path) -> Iterator[None]:
    """Locks a cache folder against other builds; the system frees the lock of a killed process."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("w")
    except OSError as error:
        raise DataError(
            str(cache), [f"cannot be written: {error.strerror}; name another folder (data.cache)"]
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell(f"waiting for the process that builds in {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Progress:
    """Prints now and then how far a build is."""

    def __init__(self, count: int) -> None:
        self._count, self._done = count, 0
        self._start = self._told = time.monotonic()

    def add(self, images: int) -> None:
        self._done += images
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            _tell(f"{self._done} of {self._count} crops, {self._done / (self._told - self._start):.0f} images/s")

    def end(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-6)
        _tell(f"made {self._done} crops in {seconds:.0f} s, {self._done / seconds:.0f} images/s")


def _tell(text: str) -> None:
    # Not on the output that a verb may print JSON to.
    print(f"image cache: {text}", file=sys.stderr, flush=True)
