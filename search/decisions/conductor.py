"""Schedules the trials of a sweep: hands out the next trial from the sampler, records reports in the journal, applies
ASHA early stopping and the time budget. Imports no Ray; `sweep/tune.py` connects it to Ray Tune."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spaces.errors import ConfigError
from spaces.schema import config_id

from ..record.journal import Journal
from ..record.plan import Plan, value_at
from ..record.records import AttemptRow, EndRow, EpochRow, Row, TrialRow
from ..record.trial import Trial
from .asha import Rungs
from .budget import Budget
from .sampler import PointSampler


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a trial: the trial's number, the attempt's number from 1, the full config to train, and the last
    recorded epoch to continue after (0: from the start)."""

    trial: int
    attempt: int
    config: dict[str, Any]
    after_epoch: int


class Conductor:
    """Schedules the trials of one sweep. Every decision is written to the journal before it takes effect.

    `plan`: space, options and base config of the sweep. `concurrent`: most trials that run at once. `tell`: prints one
    line per event. `budget`: the time budget (None: unlimited)."""

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        concurrent: int,
        tell: Callable[[str], None],
        budget: Budget | None = None,
    ) -> None:
        self.journal = journal
        self.plan = plan
        self.objective = plan.sweep.objective
        self.concurrent = concurrent
        self.thrown = 0
        self.is_exhausted = False
        self._tell = tell
        self._budget = budget
        self._running: set[int] = set()
        self._unfinished = deque(trial.number for trial in journal.trials.values() if not trial.has_ended)
        on_record, sweep = journal.trials.values(), plan.sweep
        self._points = PointSampler(
            plan.domains, self.objective, sweep.sampler, sweep.seed, trials=sweep.trials, told=on_record
        )
        self._rungs = Rungs(plan.base.loop.epochs, self.objective) if sweep.scheduler == "asha" else None
        if self._rungs is not None:
            self._rungs.replay(on_record)

    @property
    def has_handed_out_all(self) -> bool:
        """Returns whether `next_task` will return no further attempt: all trials have been handed out, the space has no
        new point, or the time budget allows no other and none is running."""
        if self._is_spent and not self._running:
            return True
        asked_all = len(self.journal.trials) >= self.plan.sweep.trials or self.is_exhausted
        return asked_all and not self._unfinished

    @property
    def has_ended_all(self) -> bool:
        """Returns whether every trial of the sweep has ended, regardless of the time budget."""
        asked_all = len(self.journal.trials) >= self.plan.sweep.trials or self.is_exhausted
        return asked_all and all(trial.has_ended for trial in self.journal.trials.values())

    @property
    def _is_spent(self) -> bool:
        """Returns whether the exhausted time budget allows no further trial to start."""
        return self._budget is not None and not self._budget.may_start(self._running)

    def next_task(self) -> Task | None:
        """Starts the next attempt, records it and returns it: an unfinished trial first, else a new one. None while
        `concurrent` trials are running, or when no attempt is left."""
        if len(self._running) >= self.concurrent or self.has_handed_out_all or self._is_spent:
            return None
        trial = self._unfinished_trial() or (None if self.has_handed_out_all else self._new_trial())
        if trial is None:
            return None
        attempt = trial.attempts + 1
        self.journal.append(AttemptRow(trial=trial.number, attempt=attempt, after_epoch=trial.last_epoch))
        self._points.tell(trial)
        self._running.add(trial.number)
        again = f" again, after epoch {trial.last_epoch}" if attempt > 1 else ""
        is_recipe = trial.number == 0 and not self.plan.points
        what = f"recipe {self.plan.sweep.recipe}" if is_recipe else _short(trial.point)
        self._tell(f"trial {trial.number} starts{again}: {what}")
        return Task(trial.number, attempt, trial.config, trial.last_epoch)

    def _unfinished_trial(self) -> Trial | None:
        while self._unfinished:
            trial = self.journal.trials[self._unfinished.popleft()]
            if trial.last_epoch < _epochs_of(trial):
                return trial
            # The driver died between the record of its last epoch and that of its end.
            self._end(trial, "finished", "")
        return None

    def _new_trial(self) -> Trial | None:
        number = len(self.journal.trials)
        point: dict[str, Any] | None
        identity = ""
        if number < len(self.plan.points):
            point = dict(self.plan.points[number])
            config = self.plan.config(point)
        elif number == 0:
            config = self.plan.base
            point = {path: value_at(config, path) for path in self.plan.domains}
        else:
            point, thrown = self._points.draw(number, self._is_legal)
            self.thrown += thrown
            if point is None:
                self.is_exhausted = True
                self._tell(f"the space has no new legal point in {thrown} draws: the sweep ends with {number} trials")
                return None
            config, identity = self._drawn
        # The values of the config and not of the draw: they make the config again when they are put in its base.
        values = {path: value_at(config, path) for path in point}
        self.journal.append(TrialRow(trial=number, point=values, config_id=identity or config_id(config)))
        return self.journal.trials[number]

    def _is_legal(self, point: dict[str, Any]) -> bool:
        """Returns whether a sampled point is valid: its config satisfies the model's constraints and duplicates no
        recorded trial. The config is kept for the trial: making it takes milliseconds."""
        try:
            config = self.plan.config(point)
        except ConfigError:
            return False
        self._drawn = config, config_id(config)
        return self._drawn[1] not in self.journal.state.config_ids

    def hear(self, report: Row) -> bool:
        """Records the report of a trial, a completed epoch or a divergence, and returns whether the trial continues. An
        epoch that is already recorded is not recorded again. Runs in time independent of the number of trials and
        epochs."""
        assert isinstance(report, EpochRow | EndRow), report
        trial, epoch = self.journal.trials[report.trial], report.epoch
        if trial.has_ended:
            return False
        if isinstance(report, EndRow):
            self._end(trial, report.state, report.reason)
            return False
        goes_on = True
        if epoch > trial.last_epoch:
            self.journal.append(report)
            self._tell(self._epoch_line(trial, report))
            # Asked before its end is known: a trial that is over at a rung is a rival there all the same.
            goes_on = self._rungs is None or self._rungs.judge(trial, epoch)
        if epoch >= _epochs_of(trial):
            self._end(trial, "finished", "")
            return False
        if self._budget is not None and self._budget.is_over:
            return self._goes_on_late(trial)
        if not goes_on:
            self._end(trial, "pruned", f"asha: not among the best third at epoch {epoch}")
            return False
        return True

    def _goes_on_late(self, trial: Trial) -> bool:
        """Returns whether a trial continues although the time budget is exhausted, in which case ASHA no longer applies
        to it; stops it otherwise."""
        assert self._budget is not None, "late without a budget"
        if self._budget.goes_on(trial.number, self._running):
            return True
        self._end(trial, "stopped", "time budget")
        self._unfinished.append(trial.number)  # to be taken up again should those that went on be lost
        return False

    def lost(self, number: int, reason: str) -> None:
        """Records trial `number` as failed because its process raised or died (`reason`, e.g. a traceback); the sweep
        continues. Does nothing if the trial is not running."""
        if number in self._running:
            self._end(self.journal.trials[number], "failed", reason)

    def close(self, reason: str, *, has_pictures: bool = False) -> None:
        """Closes the sweep in the journal. `reason`: 'done', 'time budget', 'interrupted' or 'error'. Running trials
        are recorded as stopped, except after 'interrupted', when they stay open so that `resume` continues them.
        `has_pictures`: there are pictures beside the best trial's weights."""
        for number in sorted(self._running):
            trial = self.journal.trials[number]
            if not trial.has_ended and reason != "interrupted":
                self._end(trial, "stopped", reason)
        self.journal.close(reason, has_pictures=has_pictures)

    def _end(self, trial: Trial, state: str, reason: str) -> None:
        self._running.discard(trial.number)
        self.journal.append(EndRow(trial=trial.number, state=state, epoch=trial.last_epoch, reason=reason))
        self._points.tell(trial)
        detail = f": {reason.strip().splitlines()[-1]}" if reason.strip() else ""
        score = trial.score(self.objective)
        shown = "" if score is None else f", best {score:.2f} at epoch {trial.best_epoch(self.objective)}"
        self._tell(f"trial {trial.number} {state} after epoch {trial.last_epoch}{shown}{detail}")

    def _epoch_line(self, trial: Trial, row: EpochRow) -> str:
        value = row.metrics.get(self.objective, math.nan)
        best = self.journal.best(self.objective)
        leader = "" if best is None else f" (sweep's best {best.score(self.objective):.2f}, trial {best.number})"
        return (
            f"trial {trial.number} epoch {row.epoch}/{_epochs_of(trial)}: {self.objective} {value:.2f}, "
            f"{row.seconds:.1f} s{leader}"
        )


def _epochs_of(trial: Trial) -> int:
    """Returns the number of epochs of a trial, which may be a searched knob."""
    return int(trial.knob("loop.epochs"))


def now_text(started: float) -> str:
    """Formats the time since `started` (`time.monotonic()` seconds) as minutes:seconds, the prefix of progress
    lines."""
    seconds = int(time.monotonic() - started)
    return f"{seconds // 60:3d}:{seconds % 60:02d}"


def _short(point: dict[str, Any]) -> str:
    shown = {path.split(".", 1)[1]: value for path, value in point.items()}
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown.items()
    )
