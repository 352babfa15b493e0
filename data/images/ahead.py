"""Prefetching in threads: the next batches are decoded or read while the current step runs."""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

AHEAD = 2  # things that may wait to be fetched; each takes the memory of a batch
Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """Prefetcher: computes up to `most` announced values in threads. `waited`: seconds that `fetch` had to wait in
    total."""

    def __init__(self, threads: int, name: str, most: int = AHEAD) -> None:
        self.waited = 0.0
        self._most = most
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._coming: OrderedDict[Hashable, Future[Made]] = OrderedDict()
        # Not waited for: the last one to know this may be one of its own threads.
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def expect(self, key: Hashable, make: Callable[[], Made]) -> None:
        """Starts computing the value of a key, unless enough is waiting already."""
        if len(self._coming) < self._most and key not in self._coming:
            self._coming[key] = self._pool.submit(make)

    def fetch(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Returns the value announced under this key, waiting for it if need be, or computes it now."""
        started = time.perf_counter()
        future = self._coming.pop(key, None)
        if future is None:
            # Whoever asks for something else has no use for what was expected.
            self._coming.clear()
            found = make()
        else:
            found = future.result()
        self.waited += time.perf_counter() - started
        return found
