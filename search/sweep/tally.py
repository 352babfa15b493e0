"""Running figures of a sweep for the panel, kept record by record."""

from __future__ import annotations

import time

from ..decisions.forecast import Forecast
from ..decisions.progress import epochs_of
from ..decisions.schedulers.choose import scheduler_of
from ..record.journal import Journal
from ..record.plan import Plan
from ..record.records import PAUSED, AttemptRow, EndRow, EpochRow, TrialEvent
from ..record.spending.split import HOUR_MS, amount_text
from ..terminal.status import Best, RunningTrial, Status

LOOK_S = 0.25  # between two looks at the time spent


class Tally:
    """Figures of the sweep in `journal`: `take` each record of a trial once it is written, at a cost that does not
    depend on the number of trials and epochs. `status` may be called in another thread."""

    def __init__(self, journal: Journal, plan: Plan, forecast: Forecast) -> None:
        self._journal, self._forecast = journal, forecast
        self._rungs_of = scheduler_of(plan).rungs_of
        recipe = "confirmation" if plan.is_confirmation else f"recipe {plan.sweep.recipe}"
        self._about = f"{plan.base.model} on {plan.base.data.name}, {recipe}"
        trials = journal.trials.values()
        self._paused = {trial.number for trial in trials if trial.state == PAUSED}
        self._failed = sum(trial.state == "failed" for trial in trials)
        self._running: dict[int, RunningTrial] = {}
        self._objective = journal.sweep.objective
        self._best: Best | None = None
        self._look_at_best()
        self._look_at_time()

    def take(self, row: TrialEvent, knobs: str = "") -> None:
        """Counts a record of a trial. `knobs`: of a start, those in which the trial differs from the best, as text."""
        number, trial = row.trial, self._journal.trials[row.trial]
        is_better = True  # perhaps
        if isinstance(row, EpochRow):
            if (before := self._running.get(number)) is not None:
                is_better = before.score != trial.own_score
                self._running[number] = RunningTrial(
                    number=number,
                    epoch=trial.last_epoch,
                    epochs=before.epochs,
                    last=row.metrics.get(self._objective),
                    score=trial.own_score,
                    rungs=before.rungs,
                    knobs=before.knobs,
                )
        elif isinstance(row, AttemptRow):
            self._paused.discard(number)
            self._running[number] = RunningTrial(
                number=number,
                epoch=trial.last_epoch,
                epochs=epochs_of(trial),
                last=None,
                score=trial.own_score,
                rungs=self._rungs_of(trial),
                knobs=knobs,
            )
        elif isinstance(row, EndRow):
            self._running.pop(number, None)
            self._failed += row.state == "failed"
            if row.state == PAUSED:
                self._paused.add(number)
            else:
                self._paused.discard(number)
        # No other thread may ask for these.
        if is_better:
            self._look_at_best()
        if time.monotonic() >= self._next:
            self._look_at_time()

    def _look_at_best(self) -> None:
        best = self._journal.state.best()
        if best is None:
            self._best = None
        elif self._best is None or (best.number, best.own_score) != self._best[:2]:
            epoch = best.best_epoch(self._objective) or 0
            score = best.own_score or 0.0
            self._best = Best(number=best.number, score=score, epoch=epoch, epochs=epochs_of(best))

    def _look_at_time(self) -> None:
        """Reads the time spent, to which `status` adds what has passed since."""
        self._next = time.monotonic() + LOOK_S
        spend, now = self._journal.state.spend, self._journal.now_ms()
        self._spent = now, spend.wall_s(now), spend.used_hours(now)
        limit = spend.time_budget_s
        self._ends_s = None if limit is None else spend.wall_s(now) + limit - spend.wall_s(now, under_limit=True)

    def status(self) -> Status:
        """Returns the present figures."""
        state, plan = self._journal.state, self._journal.sweep
        running = tuple(self._running.values())  # at once, as the sweep goes on meanwhile
        then, wall_s, hours = self._spent
        since_ms = max(0, self._journal.now_ms() - then)
        wall_s += since_ms / 1000
        hours += since_ms * len(running) * state.spend.devices / HOUR_MS
        outlook = self._forecast.latest
        ends = [end for end in (self._ends_s, None if outlook is None else outlook.wall_s) if end is not None]
        return Status(
            name=plan.name,
            about=self._about,
            objective=plan.objective,
            trials=plan.trials,
            done=state.ended,
            failed=self._failed,
            paused=len(self._paused),
            running=running,
            best=self._best,
            spent_s=wall_s,
            left_s=max(0.0, min(ends) - wall_s) if ends else None,
            spend=self._spend_text(hours, None if outlook is None else outlook.hours),
        )

    def _spend_text(self, hours: float, in_all: float | None) -> str:
        spend = self._journal.state.spend
        text = amount_text(hours)
        if in_all is not None:
            text += f" of about {amount_text(max(hours, in_all))}"
        text += f" {spend.unit}-hours"
        if spend.gpu_hours is not None:
            text += f", limit {amount_text(spend.gpu_hours)}"
        return text if spend.price is None else f"{text}, cost {amount_text(hours * spend.price)}"
