"""Loading of what a command line names, and what Ctrl-C does until all is loaded."""

from __future__ import annotations

import importlib
import signal
from typing import Any


def named(name: str) -> Any:
    """Imports what "module:attribute" names, and returns it."""
    module, _, attribute = name.partition(":")
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
