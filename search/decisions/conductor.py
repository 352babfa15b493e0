"""Schedules the trials of a sweep: hands out the next trial, a paused or a new one, records reports in the journal,
applies the scheduler's decisions and the time budget. Imports no Ray; `sweep/tune.py` connects it to Ray Tune."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from spaces.errors import ConfigError
from spaces.schema import config_id

from ..environment.store import redacted
from ..record.journal import Journal
from ..record.options.choices import STOPPING
from ..record.plan import Plan, value_at
from ..record.records import (
    LOST,
    MACHINE,
    PAUSED,
    STOPPED,
    STORAGE,
    USER,
    AttemptRow,
    CostRow,
    EndRow,
    EpochRow,
    Row,
    TrialEvent,
    TrialRow,
)
from ..record.trial import Trial
from .budget import Budget
from .costs import Costs
from .progress import MOST_LOSSES, epochs_of, given_up_text
from .sampler import PointSampler
from .schedulers.choose import scheduler_of
from .schedulers.heritage import taken_over
from .schedulers.pauses import can_pause
from .schedulers.protocol import GOES_ON, Verdict
from .task import Task

BY_USER = "by the user"  # why a trial was stopped for good
REST_S = 1.0  # before the second attempt; four times as long before the third


class Conductor:
    """Schedules the trials of one sweep. Every decision is written to the journal before it takes effect.

    `plan`: space, options and base config of the sweep. `concurrent`: most trials that run at once. `tell`: prints one
    line, of what no record tells. `budget`: the limits (None: unlimited). `watch`: is called with each record of a
    start, a cost, an epoch or an end once it is written. `clock`: the time in seconds from any start. `adopt`: gives a
    trial the training state of another one, for a config, and returns whether it could. `fault`: why the machine can
    train no trial any more, '' while it can; the sweep must then end."""

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        concurrent: int,
        tell: Callable[[str], None],
        budget: Budget | None = None,
        watch: Callable[[TrialEvent], None] = lambda row: None,
        clock: Callable[[], float] = time.monotonic,
        adopt: Callable[[Trial, Trial, dict[str, Any]], bool] = lambda heir, donor, config: True,
    ) -> None:
        self.journal = journal
        self.plan = plan
        self.objective = plan.sweep.primary
        self.concurrent = concurrent
        self.thrown = 0
        self.is_exhausted = False
        self.fault = ""
        self._tell = tell
        self._budget = budget
        self._watch = watch
        self._clock = clock
        self._adopt = adopt
        self._running: set[int] = set()
        self._dismissed: set[int] = set()  # those of them that end with their present epoch
        self._resting: dict[int, float] = {}  # lost trials, and when they start again
        on_record, sweep = journal.trials.values(), plan.sweep
        self._unfinished = deque(one.number for one in on_record if not (one.has_ended or one.state == PAUSED))
        self._undecided = journal.state.undecided
        if self._undecided is not None and self._undecided.trial in self._unfinished:
            # First of all, so that what is decided of it goes on record before anything else happens.
            self._unfinished.remove(self._undecided.trial)
            self._unfinished.appendleft(self._undecided.trial)
        self._costs = Costs(sweep)
        self._scheduler = scheduler_of(plan)
        self._scheduler.replay(on_record)
        known = sweep.trials, on_record, self._scheduler.proven, sweep.scheduler == STOPPING
        self._points = PointSampler(plan.domains, sweep.objectives, sweep.sampler, sweep.seed, *known)

    @property
    def notes(self) -> list[str]:
        """Returns what the user should know of the sampler before the first trial, one line each."""
        return self._points.notes

    @property
    def has_handed_out_all(self) -> bool:
        """Returns whether `next_task` will return no further attempt: none is running, which might be lost and come
        again, and all trials have been handed out, the space has no new point, or the time budget allows no other;
        and no paused trial is to be promoted."""
        if self._running:
            return False
        waiting = self._unfinished or self._resting or self._promoted_trial()
        return self._is_spent or (self._has_drawn_all and not waiting)

    @property
    def _has_drawn_all(self) -> bool:
        return len(self.journal.trials) >= self.plan.sweep.trials or self.is_exhausted

    @property
    def has_ended_all(self) -> bool:
        """Returns whether every trial of the sweep has ended, or waits and will not be promoted any more, regardless of
        the time budget."""
        trials = self.journal.trials.values()
        is_idle = all(trial.has_ended or trial.state == PAUSED for trial in trials)
        return self._has_drawn_all and is_idle and self._scheduler.next_up(at_least=1) is None

    @property
    def _is_spent(self) -> bool:
        """Returns whether the exhausted time budget allows no further trial to start."""
        return self._budget is not None and not self._budget.may_start(self._running)

    def next_task(self) -> Task | None:
        """Starts the next attempt, records it and returns it: an unfinished trial first, then a paused one that is to
        be promoted, else a new one. None while `concurrent` trials are running, or when no attempt is left."""
        self._wake()
        # One that rests keeps its place: another in it would be drawn without what the rested one is going to show.
        busy = len(self._running) + len(self._resting)
        if self.fault or busy >= self.concurrent or self._is_spent:
            return None
        trial = self._unfinished_trial() or self._promoted_trial()
        trial = trial or (None if self._has_drawn_all else self._new_trial())
        if trial is None:
            return None
        attempt, after = trial.attempts + 1, trial.last_epoch
        taken = taken_over(self._scheduler, trial, self.journal.trials, self._adopt)
        donor, knobs = (None, None) if taken is None else (taken.donor, taken.knobs)
        row = AttemptRow(trial=trial.number, attempt=attempt, after_epoch=after, donor=donor, knobs=knobs)
        self.journal.append(row)
        self._points.tell(trial)
        self._scheduler.tell(trial)
        self._running.add(trial.number)
        self._watch(row)
        config, costs = trial.config_at(after + 1), self._costs.to_measure(trial)
        return Task(trial.number, attempt, config, after, trial.parts, trial.former_ids, costs)

    def _wake(self) -> None:
        """Puts the lost trials whose rest is over before all others that wait."""
        now = self._clock()
        for number in [number for number, until in self._resting.items() if until <= now]:
            del self._resting[number]
            self._unfinished.appendleft(number)

    def _unfinished_trial(self) -> Trial | None:
        while self._unfinished:
            trial = self.journal.trials[self._unfinished.popleft()]
            if trial.has_ended:
                continue
            # The driver may have died between two records, of a last epoch or loss and of the end.
            if trial.last_epoch >= epochs_of(trial):
                self._end(trial, "finished", "")
            elif not (self._is_given_up(trial) or self._is_barred(trial) or self._is_judged_late(trial)):
                return trial
        return None

    def _is_judged_late(self, trial: Trial) -> bool:
        """Decides on a trial whose last epoch is on record and what follows from it may not be, because the driver died
        in between; returns whether it does not continue."""
        row, self._undecided = self._undecided, None
        if row is None or row.trial != trial.number or trial.state != "running":
            return False
        verdict = self._verdict(trial, row)
        if not verdict.goes_on:
            self._end(trial, verdict.state, verdict.reason)
        return not verdict.goes_on

    def _verdict(self, trial: Trial, report: EpochRow) -> Verdict:
        pauses = can_pause(self.plan.sweep.chosen_executor, report.seconds)
        return self._scheduler.judge(trial, report.epoch, can_pause=pauses)

    def _promoted_trial(self) -> Trial | None:
        """Returns the paused trial that is to continue. Once all trials are drawn the best of each rung does, that one
        of them may finish; once the time budget is exhausted, for the trials that must still finish, any."""
        is_late = self._budget is not None and self._budget.is_over
        at_least = len(self.journal.trials) if is_late else int(self._has_drawn_all)
        number = self._scheduler.next_up(at_least=at_least)
        return None if number is None else self.journal.trials[number]

    def _new_trial(self) -> Trial | None:
        number = len(self.journal.trials)
        point: dict[str, Any] | None
        identity = ""
        first = self.plan.first_points
        if number < len(first):
            config = self.plan.config(first[number])
            point = dict.fromkeys([*self.plan.domains, *first[number]])
        else:
            point, thrown = self._points.draw(number, self._is_legal)
            self.thrown += thrown
            if point is None:
                self.is_exhausted = True
                self._tell(f"{self._points.spent(thrown)}: the sweep ends with {number} trials")
                return None
            config, identity = self._drawn
        # The values of the config and not of the draw: they make the config again when they are put in its base.
        values = self.plan.active({path: value_at(config, path) for path in point})
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
        """Records the report of a trial, its costs, a completed epoch or a divergence, and returns whether the trial
        continues. An epoch that is already recorded is not recorded again. Runs in time independent of the number of
        trials and epochs, but for the ranking by several objectives (`Fronts`)."""
        assert isinstance(report, EpochRow | EndRow | CostRow), report
        trial = self.journal.trials[report.trial]
        if trial.has_ended:
            return False
        if isinstance(report, CostRow):
            if not trial.costs:
                self.journal.append(report)
                self._watch(report)
            return not self._is_barred(trial)
        epoch = report.epoch
        if isinstance(report, EndRow):
            if report.state == LOST:
                self.lost(trial.number, report.reason, report.cause or MACHINE)
            else:
                self._end(trial, report.state, report.reason)
            return False
        verdict = GOES_ON
        if epoch > trial.last_epoch:
            report = self._costs.counted(trial, report)
            self.journal.append(report)
            self._watch(report)
            # Asked before its end is known: a trial that is over at a rung is a rival there all the same.
            verdict = self._verdict(trial, report)
        if epoch >= epochs_of(trial):
            self._end(trial, "finished", "")
            return False
        if trial.number in self._dismissed:
            self._end(trial, STOPPED, BY_USER, USER)
            return False
        if self._is_barred(trial):
            return False
        over = "" if self._budget is None else self._budget.reason
        if over and self._must_finish(trial):
            return True
        if not verdict.goes_on:
            self._end(trial, verdict.state, verdict.reason)
        elif over:
            self._end(trial, STOPPED, over)
            self._unfinished.append(trial.number)  # to be taken up again should those that went on be lost
        return verdict.goes_on and not over

    def _is_barred(self, trial: Trial) -> bool:
        """Ends a trial that breaks a limit, or would with its next epoch; returns whether it does."""
        if reason := self._costs.end_of(trial):
            self._end(trial, "pruned", reason)
        return bool(reason)

    def _must_finish(self, trial: Trial) -> bool:
        """Returns whether a trial continues although the time budget is exhausted; the scheduler judges it no
        longer."""
        assert self._budget is not None, "late without a budget"
        return self._budget.goes_on(trial.number, self._running)

    def dismiss(self, number: int) -> None:
        """Ends a trial for good because the user wants it: after its present epoch if it is running, else at once. Does
        nothing if there is no such trial, or it has ended."""
        trial = self.journal.trials.get(number)
        if trial is None or trial.has_ended:
            return
        if number in self._running:
            self._dismissed.add(number)
        else:
            self._resting.pop(number, None)
            self._end(trial, STOPPED, BY_USER, USER)

    def failed(self, number: int, reason: str) -> None:
        """Records trial `number` as failed because it raised (`reason`, e.g. a traceback); the sweep continues. Does
        nothing if the trial is not running."""
        if number in self._running:
            self._end(self.journal.trials[number], "failed", reason)

    def lost(self, number: int, reason: str, cause: str) -> None:
        """Records the running attempt at trial `number` as lost through a fault of the machine, and has the trial tried
        again after a rest, from its last recorded epoch. After MOST_LOSSES losses without a new epoch it is given up as
        failed if its process dies, or finds no memory; any other cause sets `fault`, as a full disk does at once. Does
        nothing if the trial is not running.

        `reason`: one line; `cause`: one of `records.CAUSES`."""
        if number not in self._running:
            return
        trial = self.journal.trials[number]
        if number in self._dismissed:
            self._end(trial, STOPPED, BY_USER, USER)
            return
        self._end(trial, LOST, reason, cause)
        if cause == STORAGE or (cause == MACHINE and trial.losses >= MOST_LOSSES):
            self.fault = reason
            self._unfinished.append(number)
        elif not self._is_given_up(trial):
            self._resting[number] = self._clock() + REST_S * 4 ** (trial.losses - 1)

    def _is_given_up(self, trial: Trial) -> bool:
        """Ends a trial as failed if it has killed its process too often; returns whether it has."""
        if reason := given_up_text(trial):
            self._end(trial, "failed", reason)
        return bool(reason)

    def close(self, reason: str, *, has_pictures: bool = False) -> None:
        """Closes the sweep in the journal. `reason`: 'done', one of BUDGETS, 'interrupted' or 'error'. Running trials
        are recorded as stopped, except after 'interrupted', when they stay open so that `resume` continues them. After
        'done' the paused ones are pruned; otherwise they wait on.
        `has_pictures`: there are pictures beside the best trial's weights."""
        for number in sorted(self._running):
            if reason != "interrupted":
                self._end(self.journal.trials[number], "stopped", reason)
        for trial in self.journal.trials.values() if reason == "done" else ():
            if trial.state == PAUSED:
                verdict = self._scheduler.verdict_on_waiting(trial)
                self._end(trial, verdict.state, verdict.reason)
        self.journal.close(reason, has_pictures=has_pictures)

    def _end(self, trial: Trial, state: str, reason: str, cause: str | None = None) -> None:
        reason = redacted(reason)  # an error may quote the address of a store
        row = EndRow(trial=trial.number, state=state, epoch=trial.last_epoch, reason=reason, cause=cause)
        self._running.discard(trial.number)
        self._dismissed.discard(trial.number)
        self.journal.append(row)
        self._points.tell(trial)
        self._scheduler.tell(trial)
        self._watch(row)
