"""Loading of what a command line names, and what Ctrl-C does until all is loaded."""

from __future__ import annotations

import gc
import importlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def all_kept() -> Iterator[None]:
    """Lets the block run without garbage collection: what imports or a journal's records make is all kept, and to look
    through it again and again takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
