"""User functions that are called in the driver process as epochs and trials end."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError

from ..record.journal import Journal
from ..record.records import ENDED, STOPPED, EndRow, EpochRow, Row
from ..record.watcher import Watcher
from .records import EndRecord, EpochRecord


class Callbacks(Watcher):
    """Watcher that calls user functions once a record is booked. `on_epoch` takes an EpochRecord, `on_end` an
    EndRecord; None: nobody is called. An attempt that the machine cut short is no end: the trial is tried again.

    A function that raises is told with its traceback on stderr and not called again; the sweep goes on. `folder`: the
    sweep's, None before it has begun; `words`: the last words of a sweep that failed, ''."""

    def __init__(
        self,
        on_epoch: Callable[[EpochRecord], object] | None = None,
        on_end: Callable[[EndRecord], object] | None = None,
    ) -> None:
        self.folder: Path | None = None
        self.words = ""
        self._journal: Journal | None = None
        self._functions: dict[str, Callable[[Any], object]] = {}
        problems: list[str] = []
        for name, function in (("on_epoch", on_epoch), ("on_end", on_end)):
            if callable(function):
                self._functions[name] = function
            elif function is not None:
                problems.append(f"{name}: expected a function of one record, got {type(function).__name__}")
        if problems:
            raise ConfigError("callbacks", problems)

    def begun(self, journal: Journal) -> None:
        """Remembers the journal, for the scores of trials that end."""
        self._journal, self.folder = journal, journal.path.parent

    def booked(self, row: Row) -> None:
        """Calls the function for this kind of record, if there is one."""
        if isinstance(row, EpochRow):
            self._call("on_epoch", EpochRecord(trial=row.trial, epoch=row.epoch, metrics=dict(row.metrics)))
        elif isinstance(row, EndRow) and row.state in (*ENDED, STOPPED) and self._journal is not None:
            trial = self._journal.trials[row.trial]
            score = trial.score(self._journal.sweep.objective)
            self._call("on_end", EndRecord(trial=row.trial, state=row.state, score=score))

    def failed(self, words: str) -> None:
        """Prints the words on stderr, and remembers them."""
        super().failed(words)
        self.words = f"{self.words}\n{words}".strip()

    def _call(self, name: str, record: object) -> None:
        function = self._functions.get(name)
        if function is None:
            return
        try:
            function(record)
        except (Exception, SystemExit):  # it is the user's, and may raise anything
            del self._functions[name]
            whose = getattr(function, "__qualname__", type(function).__name__)
            print(f"{name} ({whose}) raised, and is not called again:\n{traceback.format_exc()}", file=sys.stderr)
