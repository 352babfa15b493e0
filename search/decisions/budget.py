"""The time that a sweep may take: what is left of it, and who may go on once it is over. Knows no Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ..record.journal import Journal
from ..record.lines import read_rows
from ..record.plan import duration_text
from ..record.records import CloseRow, OpenRow, SweepRow


@dataclass(frozen=True, slots=True)
class Spent:
    """A sweep's limit in seconds (None: none), and what it used of it before. `resume` may set a new limit, of which
    nothing is used then."""

    limit_s: float | None
    used_s: float

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.limit_s is not None and self.used_s >= self.limit_s


def spent_before(path: Path, limit_s: float | None) -> Spent:
    """The limit that holds and the time that ran under it, from a sweep's records; `limit_s`: the one it was launched
    with. A span ends with its `close`, or with its last record where the driver died."""
    used_ms, began, last = 0, None, 0
    for row, _ in read_rows(path):
        if isinstance(row, SweepRow | OpenRow):
            used_ms += 0 if began is None else last - began
            began = row.ts_ms
            if isinstance(row, OpenRow) and row.time_budget_s is not None:
                limit_s, used_ms = row.time_budget_s, 0
        elif isinstance(row, CloseRow) and began is not None:
            used_ms, began = used_ms + row.ts_ms - began, None
        last = row.ts_ms
    used_ms += 0 if began is None else last - began
    return Spent(limit_s, used_ms / 1000)


class Budget:
    """Decides who goes on once the time is over; it runs from here on, as on record, without Ray's start.

    A running trial ends its epoch; then it is stopped, unless it is one of the `at_least` trials that the user wants
    finished. A sweep without any score waits for its first."""

    def __init__(
        self,
        journal: Journal,
        objective: str,
        spent: Spent,
        at_least: int,
        tell: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._objective = objective
        self._spent = spent
        self._at_least = at_least
        self._tell = tell
        self._started = time.monotonic()
        self._kept: list[int] = []
        self._has_told = False

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        limit = self._spent.limit_s
        return limit is not None and time.monotonic() - self._started + self._spent.used_s >= limit

    def may_start(self, running: Collection[int]) -> bool:
        """Whether another trial may start: while there is time, or for those that must finish in spite of it."""
        if not self.is_over:
            return True
        self._tell_once(running)
        return len(running) < self._lacking()

    def goes_on(self, number: int, running: Collection[int]) -> bool:
        """Whether a running trial goes on after the epoch that it just reported."""
        if not self.is_over:
            return True
        self._tell_once(running)
        return number in self._keep(running)

    def _lacking(self) -> int:
        """How many trials must go on although the time is over."""
        trials = self._journal.trials.values()
        finished = sum(trial.state == "finished" for trial in trials)
        has_score = self._journal.best(self._objective) is not None
        return max(self._at_least - finished, 0 if has_score else 1)

    def _keep(self, running: Collection[int]) -> list[int]:
        """The running trials that go on to their last epoch: the best, chosen once, as long as they run."""
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
        limit = duration_text(self._spent.limit_s or 0)
        kept = self._keep(running)
        line = f"the time budget of {limit} is over: trials that run end their epoch, no other starts"
        if kept:
            names = " and ".join(f"trial {number}" for number in kept)
            verb = "goes" if len(kept) == 1 else "go"
            line += f"; {names} {verb} on to the last epoch, for --at-least {self._at_least}"
        elif self._at_least and self._lacking():
            line += f"; the sweep goes on until it has finished {self._at_least}, for --at-least {self._at_least}"
        elif self._lacking():
            line += "; the sweep goes on until its first score"
        self._tell(line)
