"""Budgets of a sweep, of wall-clock time and of device-hours: how much has been used, and which trials may still run
once one is exhausted. Imports no Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ..record.durations import duration_text
from ..record.journal import Journal
from ..record.lines import read_rows
from ..record.records import GPU_HOURS, TIME_BUDGET
from ..record.spending.spend import Spend
from ..record.spending.split import amount_text


@dataclass(frozen=True, slots=True)
class Spent:
    """Time budget of a sweep at the start of this session: `limit_s`, the limit in seconds (None: unlimited), and
    `used_s`, the seconds that earlier sessions used of it. A new limit set by `resume` resets `used_s` to 0."""

    limit_s: float | None
    used_s: float

    @property
    def is_over(self) -> bool:
        """Returns whether earlier sessions have used up the limit."""
        return self.limit_s is not None and self.used_s >= self.limit_s


def spent_before(path: Path, limit_s: float | None) -> Spent:
    """Computes from the journal at `path` the limit in force and the wall-clock time used of it. `limit_s`: the limit
    in seconds that the sweep was launched with; a later `resume` with a limit overrides it. A session ends at its close
    record or, if the driver died, at its last record. DataError names a damaged line."""
    spend = Spend()
    for row, _ in read_rows(path):
        spend.take(row)
    return Spent(limit_s if spend.time_budget_s is None else spend.time_budget_s, spend.wall_s(under_limit=True))


def hours_over(spend: Spend, now_ms: int | None = None) -> bool:
    """Returns whether a sweep has used up its device-hours at the time `now_ms` (None: at its last record)."""
    return spend.gpu_hours is not None and spend.used_hours(now_ms, under_limit=True) >= spend.gpu_hours


def limit_text(spend: Spend) -> str:
    """Formats the limit of device-hours in force: '40 GPU-hours'."""
    return f"{amount_text(spend.gpu_hours or 0)} {spend.unit}-hours"


class Budget:
    """Decides which trials may run once the time budget or the device-hours are exhausted. A running trial completes
    its epoch and is then stopped, unless it is needed for the `at_least` trials that must finish. A sweep without any
    score continues until it has one.

    Wall-clock time counts from its making, which is when the sweep goes on record; device-hours, with their limit, are
    those of the journal. `spent`: time limit and earlier use. `tell`: prints one line, once, when a budget is
    exhausted. `clock`: the time in seconds from any start."""

    def __init__(
        self,
        journal: Journal,
        objective: str,
        spent: Spent,
        at_least: int,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._objective = objective
        self._spent = spent
        self._at_least = at_least
        self._tell = tell
        self._started = clock()
        self._kept: list[int] = []
        self._has_told = False

    @property
    def reason(self) -> str:
        """Returns which budget is exhausted, one of `records.BUDGETS`; '' if none."""
        limit = self._spent.limit_s
        if limit is not None and self._clock() - self._started + self._spent.used_s >= limit:
            return TIME_BUDGET
        return GPU_HOURS if hours_over(self._journal.state.spend, self._journal.now_ms()) else ""

    @property
    def is_over(self) -> bool:
        """Returns whether a budget is exhausted."""
        return bool(self.reason)

    def may_start(self, running: Collection[int]) -> bool:
        """Returns whether another trial may start: while no budget is exhausted, or while fewer trials are
        running than must still finish. `running`: numbers of the running trials."""
        if not self.is_over:
            return True
        self._tell_once(running)
        return len(running) < self._lacking()

    def goes_on(self, number: int, running: Collection[int]) -> bool:
        """Returns whether the running trial `number` continues after the epoch that it has just reported. `running`:
        numbers of all running trials, this one included."""
        if not self.is_over:
            return True
        self._tell_once(running)
        return number in self._keep(running)

    def _lacking(self) -> int:
        """Counts the trials that must still run although the budget is exhausted: those missing from `at_least`, and at
        least one while the sweep has no score."""
        trials = self._journal.trials.values()
        finished = sum(trial.state == "finished" for trial in trials)
        # A score that breaks a limit is one too, or a sweep whose limits nobody keeps would go on for ever.
        has_score = any(trial.own_score is not None for trial in trials)
        return max(self._at_least - finished, 0 if has_score else 1)

    def _keep(self, running: Collection[int]) -> list[int]:
        """Selects the running trials that continue to their last epoch: the best-scoring ones, as many as `at_least`
        still lacks. A selected trial stays selected as long as it runs."""
        wanted = self._lacking() if self._at_least else 0
        self._kept = [number for number in self._kept if number in running]
        for number in sorted(running, key=self._rank):
            if len(self._kept) < wanted and number not in self._kept:
                self._kept.append(number)
        return self._kept[:wanted]

    def _rank(self, number: int) -> tuple[float, int]:
        score = self._journal.trials[number].score(self._objective)
        return (float("inf") if score is None else score, number)

    def _tell_once(self, running: Collection[int]) -> None:
        if self._has_told:
            return
        self._has_told = True
        kept = self._keep(running)
        if self.reason == GPU_HOURS:
            line = f"the limit of {limit_text(self._journal.state.spend)} is reached"
        else:
            line = f"the time budget of {duration_text(self._spent.limit_s or 0)} is over"
        line += ": trials that run end their epoch, no other starts"
        if kept:
            names = " and ".join(f"trial {number}" for number in kept)
            verb = "goes" if len(kept) == 1 else "go"
            line += f"; {names} {verb} on to the last epoch, for --at-least {self._at_least}"
        elif self._at_least and self._lacking():
            line += f"; the sweep goes on until it has finished {self._at_least}, for --at-least {self._at_least}"
        elif self._lacking():
            line += "; the sweep goes on until its first score"
        self._tell(line)
