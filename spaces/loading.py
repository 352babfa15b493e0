"""Loading of what a command line names, and what Ctrl-C does until all is loaded."""

from __future__ import annotations

import gc
import importlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Collection:
    """Garbage collection of this process, which several threads may want to rest at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting = 0  # blocks that run now
        self._was_enabled = False  # before the first of them

    def rest(self) -> None:
        with self._lock:
            if not self._resting:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._resting += 1

    def go_on(self) -> None:
        with self._lock:
            self._resting -= 1
            if self._was_enabled and not self._resting:
                gc.enable()


_collection = _Collection()


@contextmanager
def all_kept() -> Iterator[None]:
    """Lets the block run without garbage collection in any thread: what imports or a journal's records make is all
    kept, and to look through it again and again takes a fifth of the time."""
    _collection.rest()
    try:
        yield
    finally:
        _collection.go_on()


def leave_all() -> None:
    """Lets this process end without looking for garbage among all that it has made: where Ray, torch and MLflow are
    loaded, that takes longer than all else that an end takes. Call it last."""
    gc.freeze()


def named(name: str) -> Any:
    """Imports what "module:attribute" names, and returns it."""
    module, _, attribute = name.partition(":")
    with all_kept():
        return getattr(importlib.import_module(module), attribute)


def end_at_once() -> None:
    """Makes Ctrl-C end this process at once, where Python would raise KeyboardInterrupt wherever it is; where it is
    ignored, as in the background of a shell, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_again() -> None:
    """Undoes `end_at_once`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
