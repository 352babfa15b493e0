"""Watcher of a running sweep: is told in the driver process of what the journal has taken."""

from __future__ import annotations

import sys

from .journal import Journal
from .records import Row


class Watcher:
    """Watches one sweep. This one, of the command line, prints the last words of a sweep that fails and ignores the
    rest. Called in the driver process; its methods must not raise."""

    def begun(self, journal: Journal) -> None:
        """Is called once the sweep's journal is open and locked, before the first trial starts."""

    def booked(self, row: Row) -> None:
        """Is called with each record of an epoch or an end of a trial, once it is on disk."""

    def failed(self, words: str) -> None:
        """Is called with each of the last words of a sweep that fails, and prints them on stderr."""
        print(words, file=sys.stderr)


SILENT = Watcher()
