"""Simulated executor: runs a sweep without training and without Ray, on a virtual clock, for tests and benchmarks."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..record.records import CostRow, EndRow, EpochRow, Row


class Attempt(Protocol):
    """One attempt at a trial, as the conductor hands it out (`decisions.conductor.Task`)."""

    @property
    def trial(self) -> int: ...

    @property
    def attempt(self) -> int: ...

    @property
    def config(self) -> dict[str, Any]: ...

    @property
    def after_epoch(self) -> int: ...


class Leader(Protocol):
    """Who hands out attempts and hears their reports (`decisions.conductor.Conductor`)."""

    def next_task(self) -> Attempt | None: ...

    def hear(self, report: Row) -> bool: ...


class Clock:
    """Virtual time in seconds: give it to whoever needs `time.monotonic`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Returns the virtual time in seconds."""
        return self.now


@dataclass(frozen=True, slots=True)
class Course:
    """What training a config would show. `values`: metrics of the epochs from 1 on; an epoch with a value that is not
    finite is one in which the training diverges. `epoch_s`: seconds of one epoch; `costs`: what a first attempt
    reports before its first epoch, if anything."""

    values: tuple[dict[str, float], ...]
    epoch_s: float
    costs: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    task: Attempt
    course: Course
    epoch: int  # the last that was trained


class Simulated:
    """Runs the attempts of a leader on `workers` workers of a virtual clock. Reports arrive in the order of their time,
    at equal times in that of their start.

    `course_of`: number and config of a trial -> its Course; it is called once an attempt. `start_s`: seconds before the
    first epoch of a trial; `restart_s`: the same when a trial goes on after an earlier attempt. `spent`: epochs trained
    so far; `attempts`: number of attempts so far."""

    def __init__(
        self,
        leader: Leader,
        course_of: Callable[[int, dict[str, Any]], Course],
        workers: int,
        clock: Clock | None = None,
        start_s: float = 0.0,
        restart_s: float = 0.0,
    ) -> None:
        self.leader = leader
        self.clock = clock or Clock()
        self.spent = self.attempts = 0
        self._course_of = course_of
        self._workers = workers
        self._start_s, self._restart_s = start_s, restart_s
        self._due: list[tuple[float, int, _Run]] = []
        self._handed = 0

    @property
    def running(self) -> list[int]:
        """Returns the numbers of the trials that train, by the time of their next report."""
        return [run.task.trial for _, _, run in sorted(self._due)]

    def fill(self) -> None:
        """Gives attempts to the idle workers until the leader has none for them."""
        while len(self._due) < self._workers and (task := self.leader.next_task()) is not None:
            course = self._course_of(task.trial, task.config)
            before = self._start_s if task.attempt == 1 else self._restart_s
            self.attempts += 1
            report = CostRow(trial=task.trial, costs=course.costs)
            if course.costs and task.attempt == 1 and not self.leader.hear(report):
                continue
            self._wait(_Run(task, course, task.after_epoch), before + course.epoch_s)

    def step(self) -> bool:
        """Fills the workers and reports the epoch that ends next; returns False if no worker trains."""
        self.fill()
        if not self._due:
            return False
        self.clock.now, _, run = heapq.heappop(self._due)
        run.epoch += 1
        self.spent += 1
        if self.leader.hear(report_of(run.task.trial, run.epoch, run.course)):
            self._wait(run, run.course.epoch_s)
        return True

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Steps until no worker trains, or `until` returns True after a step."""
        while self.step() and not until():
            pass

    def _wait(self, run: _Run, seconds: float) -> None:
        self._handed += 1
        heapq.heappush(self._due, (self.clock.now + seconds, self._handed, run))


def report_of(trial: int, epoch: int, course: Course) -> EpochRow | EndRow:
    """Builds what a trial reports after an epoch of its course: its metrics, or its divergence."""
    metrics = course.values[epoch - 1]
    if not all(map(math.isfinite, metrics.values())):
        return EndRow(trial=trial, state="diverged", epoch=epoch, reason=f"loss is nan in epoch {epoch}")
    return EpochRow(trial=trial, epoch=epoch, metrics=metrics, seconds=course.epoch_s, lr=1e-3, loss=0.0)
