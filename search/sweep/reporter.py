"""Reports a sweep as it runs, to the terminal and to its log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Self

from spaces.console import visible
from spaces.errors import one_line

from ..decisions.forecast import Forecast
from ..decisions.progress import now_text, start_text
from ..record.journal import Journal
from ..record.plan import Plan
from ..record.records import LOST, STOPPED, AttemptRow, EndRow, EpochRow, TrialEvent
from ..results.follow import choice_of, event_text, state_text
from ..terminal.log import FILE, Log
from ..terminal.modes import mode_of
from ..terminal.rule import LineRule
from ..terminal.screen import Screen, Step
from .tally import Tally

PRUNED = "pruned"
FAULTS = ("failed", "diverged", LOST, STOPPED)
FIRST = "waiting for the first epoch, for which Ray starts processes"


class Reporter:
    """Reports one sweep: events as lines on the terminal, the panel below them, and every event in the log. `mode`: of
    `--progress` (None: the default). Nothing here waits for terminal or disk, or raises where they fail. Use it in a
    `with` block."""

    def __init__(self, mode: str | None) -> None:
        self._started = time.monotonic()
        self._screen, self._log, self._rule = Screen(mode_of(mode), self._stamp), Log(), LineRule()
        self._journal: Journal | None = None
        self._tally: Tally | None = None
        self._waiting = ExitStack()  # for the first epoch, or after an interrupt
        self._first: Step | None = None
        self._is_interrupted = False
        self._pruned: int | None = None  # since the sweep began to close
        self._once: set[str] = set()

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, line: str, *, is_cut: bool = False) -> None:
        """Shows an event, one line, and logs it. `is_cut`: beside a panel it may be cut, but not in the log."""
        text = visible(line)
        self._screen.tell(self._stamp() + text, is_cut=is_cut)
        self._log.write(text)

    def _stamp(self) -> str:
        return f"{now_text(self._started)}  "

    def note(self, line: str) -> None:
        """Logs an event, one line."""
        self._log.write(visible(line))

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Shows that something goes on while the block runs, and logs it if it took long. `what`: as 'starting Ray'."""
        with self._logged(self._screen.step(what)) as step:
            yield step

    @contextmanager
    def behind(self, what: str) -> Iterator[Step]:
        """Shows, below the last words, that something goes on while the block runs if it takes long, and logs that."""
        with self._logged(self._screen.behind(what)) as step:
            yield step

    @contextmanager
    def _logged(self, shown: AbstractContextManager[Step]) -> Iterator[Step]:
        with shown as step:
            try:
                yield step
            finally:
                if took := step.long_s:
                    self.note(f"{step.what}: took {took:.0f} s")

    def begin(self, journal: Journal, plan: Plan, forecast: Forecast) -> None:
        """Begins the log beside the locked journal, and the panel."""
        self._journal = journal
        self._log.open(journal.path.parent / FILE)
        self._tally = Tally(journal, plan, forecast)
        self._screen.follow(self._tally.status)
        self._first = self._waiting.enter_context(self.step(FIRST))

    def booked(self, row: TrialEvent) -> None:
        """Reports a record of a trial, which the journal has taken just now."""
        try:
            self._book(row)
        except Exception as error:  # a fault of ours in the seeing must not end the sweep
            self.tell_once(f"what happens is not all shown: {one_line(error)}")

    def _book(self, row: TrialEvent) -> None:
        assert self._journal is not None, "a record without a journal"
        assert self._tally is not None, "a record without a journal"
        state, trial = self._journal.state, self._journal.trials[row.trial]
        if isinstance(row, AttemptRow):
            knobs = choice_of(state, trial)
            text = start_text(trial, knobs)
        else:
            knobs, text = "", event_text(state, row)
        self._tally.take(row, knobs)
        if isinstance(row, EpochRow | EndRow):
            self._waiting.close()
        if self._pruned is not None and isinstance(row, EndRow) and row.state == PRUNED:
            self._pruned += 1
            self.note(text)
        elif self._rule.takes(row, trial):
            is_fault = isinstance(row, EndRow) and row.state in FAULTS
            self.tell(text, is_cut=not is_fault)
        else:
            self.note(text)
        self._screen.change()
        if self._log.trouble:
            self.tell_once(f"{FILE} takes no lines ({self._log.trouble}); the sweep goes on")

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Sums up in one line the trials that are pruned while the block runs, as the sweep is over."""
        self._stop_waiting()
        self._pruned = 0
        yield
        if self._pruned:
            what = "trial that waited is" if self._pruned == 1 else "trials that waited are"
            self.tell(f"{self._pruned} {what} pruned: the sweep is over")

    def tell_once(self, line: str) -> None:
        """Shows and logs an event the first time that it is told."""
        if line not in self._once:
            self._once.add(line)
            self.tell(line)

    def interrupt(self) -> None:
        """Says, the first time, that the sweep was interrupted and comes to its end."""
        if self._is_interrupted:
            return
        self._is_interrupted = True
        self._stop_waiting()
        self.tell("interrupted: the sweep is closed in order; another Ctrl-C ends it at once")
        self._waiting.enter_context(self.step("ending the trials"))

    def finish(self, fault: str) -> None:
        """Logs how the sweep was closed, and gives the terminal back for the last words. `fault`: why it failed, of
        which the last line counts, or ''."""
        if fault.strip():
            self.note(fault.strip().splitlines()[-1])
        if self._journal is not None:
            self.note(state_text(self._journal.state))
        self.leave_terminal()

    def leave_terminal(self) -> None:
        """Removes panel and spinner, and gives the terminal back, for the last words; the log goes on. Does nothing the
        second time."""
        self._stop_waiting()
        self._screen.close()

    def _stop_waiting(self) -> None:
        if self._first is not None:
            self._first.is_void = True  # if it still waits for the first epoch, it does so in vain
        self._waiting.close()

    def close(self) -> None:
        """Gives the terminal back, and writes the rest of the log as far as the disk takes it at once."""
        self.leave_terminal()
        self._log.close()
