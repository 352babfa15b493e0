"""End of a sweep: its result as soon as that is on record; behind it Ray closes while MLflow gets the last records."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from spaces.cli import INTERRUPTED
from spaces.loading import all_kept, named

from ..record.journal import Journal
from ..record.watcher import SILENT, Watcher
from ..tracking.spool import Spool
from ..tracking.sweep_runs import PAGE
from .last_words import End, conclude, interrupted, tell_result
from .place import DRAIN_S, Place, settle, tell_all, unsent_of
from .reporter import Reporter

SENDING = "sending the last records to MLflow"
LEAVING = f"closing Ray and {SENDING}"
DONE = "done"


class Ahead:
    """Loads what the report of a sweep needs, for which its end would wait, in a thread while trials train."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Starts the thread; does nothing the second time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="ahead", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Waits for the thread: a library that is being loaded does not take well to the end of the process."""
        if self._thread is not None:
            self._thread.join()

    def _load(self) -> None:
        with suppress(Exception):  # the report says why it cannot be made
            named(PAGE)


def end_sweep(
    journal: Journal,
    place: Place,
    spool: Spool,
    reporter: Reporter,
    end: Callable[[], End],
    *,
    thrown: int = 0,
    close: Callable[[], None] | None = None,
    watcher: Watcher = SILENT,
) -> int:
    """Prints the result of a sweep, then closes what is left of it, while MLflow gets the rest of its records, and
    prints its last words; returns the exit code. Ctrl-C meanwhile: 130, and how to send what MLflow lacks.

    `end`: returns why the sweep ended; `thrown`: number of rejected draws; `close`: ends whatever still runs but the
    spool, as Ray (None: nothing does); `watcher`: prints what went wrong in the sweep."""
    try:
        reporter.leave_terminal()
        tell_result(journal, place, thrown)
        # A look for garbage among all that Ray, torch and MLflow have made takes longer than what is left to do.
        with all_kept(), reporter.behind(SENDING if close is None else LEAVING):
            spool.finish(DRAIN_S)
            if close is not None:
                close()
            unsent = settle(spool, place)
    except KeyboardInterrupt:
        return _cut_short(place, spool, end())
    return conclude(journal, place, end(), unsent, watcher)


def _cut_short(place: Place, spool: Spool, end: End) -> int:
    """Says what goes on with a sweep whose end is interrupted: where it is done and MLflow lacks something, what sends
    that; else what resumes it. Returns the exit code of an interrupt."""
    spool.stop(0.0)
    unsent = unsent_of(spool, place)
    tell_all(unsent)
    if end == End(DONE) and spool.pending():
        return INTERRUPTED
    return interrupted(place)
