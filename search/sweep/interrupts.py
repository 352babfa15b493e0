"""Interrupts of a sweep: signals that end it in good order instead of raising."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_interrupts() -> Iterator[list[int]]:
    """Collects the first SIGINT, SIGTERM or SIGHUP (a closed terminal) within the block instead of raising, so that the
    sweep can close in order; a second one takes effect at once. One that is ignored, as under `nohup`, stays so. Yields
    the list of received signals, which stays empty in another thread than the main one: there Python takes none."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    handlers = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

    def note(number: int, frame: object) -> None:
        seen.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
