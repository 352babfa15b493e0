"""Forecast of a sweep: how long it will take in all, and how many device-hours. Imports no Ray."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from spaces.domains import limits

from ..record.durations import rough_text
from ..record.journal import Journal
from ..record.plan import Plan, begun_by
from ..record.records import EndRow, EpochRow, Facts, Row
from ..record.spending.spend import Spend
from ..record.spending.split import HOUR_MS, amount_text
from ..record.trial import EPOCHS, Terms, Trial
from .schedulers.choose import scheduler_of

MOST, FEWEST = 200, 4  # trials that are played through; a larger sweep is taken as that many, scaled up
MOST_EPOCHS = 10_000  # of all of them, where they are no fewer than FEWEST: a tenth of a second
PLAYS = 4
TOLD = 0.25  # change of the device-hours, as a share, that is worth another line


@dataclass(frozen=True, slots=True)
class Course:
    """Mean course of a sweep whose trials are of random merit. For each trial: `epochs`, `attempts` and `time`, in mean
    epochs, when it was drawn, and at last the totals."""

    epochs: tuple[float, ...]
    attempts: tuple[float, ...]
    time: tuple[float, ...]


def played(plan: Plan, places: int) -> Course:
    """Plays a sweep through PLAYS times with its own scheduler: on `places` places, each trial with one score and one
    length of its epochs drawn at random."""
    logs = [_play(plan, places, random.Random(seed)) for seed in range(PLAYS)]
    means = [[sum(values) / PLAYS for values in zip(*stage, strict=True)] for stage in zip(*logs, strict=True)]
    return Course(*(tuple(column) for column in zip(*means, strict=True)))


def _play(plan: Plan, places: int, chance: random.Random) -> list[tuple[int, int, float]]:
    """Plays a sweep through once; returns the rows of its Course."""
    scheduler = scheduler_of(plan)
    sweep = begun_by(plan, "", Facts(revision="", versions={}, data={}))
    lengths, names = _lengths(plan), plan.sweep.objectives
    count = min(plan.sweep.trials, MOST, max(FEWEST, MOST_EPOCHS // max(lengths)))
    scheduler.replay(())
    trials: list[Trial] = []
    merits: list[dict[str, float]] = []
    paces: list[float] = []
    due: list[tuple[float, int, int]] = []
    spent = started = 0
    now, log = 0.0, list[tuple[int, int, float]]()
    while True:
        while len(due) < places:
            number = scheduler.next_up(at_least=int(len(trials) == count))
            if number is None:
                if len(trials) == count:
                    break
                number = len(trials)
                log.append((spent, started, now))
                trials.append(Trial(number, {EPOCHS: chance.choice(lengths)}, "", Terms.of(sweep)))
                merits.append({name: chance.random() for name in names})
                paces.append(chance.uniform(0.5, 1.5))
            started += 1
            trials[number].state = "running"
            scheduler.tell(trials[number])
            heapq.heappush(due, (now + paces[number], started, number))
        if not due:
            return [*log, (spent, started, now)]
        now, turn, number = heapq.heappop(due)
        trial = trials[number]
        spent += 1
        trial.book(trial.last_epoch + 1, merits[number], names)
        verdict = scheduler.judge(trial, trial.last_epoch, can_pause=plan.sweep.chosen_executor == "solo")
        if trial.last_epoch < trial.knob(EPOCHS) and verdict.goes_on:
            heapq.heappush(due, (now + paces[number], turn, number))
            continue
        trial.state = "finished" if trial.last_epoch == trial.knob(EPOCHS) else verdict.state
        scheduler.tell(trial)


def _lengths(plan: Plan) -> list[int]:
    """Returns the numbers of epochs that trials may have, each as likely as the others."""
    domain = plan.domains.get(EPOCHS)
    ends = () if domain is None else limits(domain)
    return [int(value) for value in ends if isinstance(value, int | float)] or [plan.base.loop.epochs]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a sweep will have taken in all: `wall_s`, seconds of its sessions, and `hours`, device-hours of its
    trials."""

    wall_s: float
    hours: float


class Forecast:
    """Forecasts the end of the sweep in `journal`; call `look` with each record of an epoch or an end once it is
    written. `places`: trials at a time. `tell`: prints one line once so many trials have reached the first rung, or
    finished where there are no rungs, and another one whenever the total has changed by TOLD. `latest`: that of the
    last look since then, None before.

    What a sweep of its kind takes is played through once; a look then costs the same however many trials there were.
    The number of epochs that was played is scaled by what the sweep took until its last trial was drawn, in proportion
    to what was played until then; a whole trial on each place, added to both, keeps the first ones from deciding
    that."""

    def __init__(self, journal: Journal, plan: Plan, places: int, tell: Callable[[str], None]) -> None:
        self._journal = journal
        self._plan = plan
        self._places = places
        self._tell = tell
        self._course: Course | None = None
        self._drawn = (0, 0)  # number of trials, and epochs on record when the last one was drawn
        self.latest: Outlook | None = None
        self._told: Outlook | None = None
        # Trials at the first rung, or finished where there is none.
        self._arrived = sum(map(self._was_there, journal.trials.values()))

    def look(self, row: Row) -> None:
        """Updates the forecast after a record, and tells it if that is worth a line."""
        spend, trials = self._journal.state.spend, len(self._journal.trials)
        if trials != self._drawn[0]:
            self._drawn = trials, spend.epochs - isinstance(row, EpochRow)
        if self._told is None:
            self._arrived += self._has_arrived(row)
            if self._arrived < min(self._places, self._plan.sweep.trials):
                return
        outlook = self.latest = self.outlook()
        told = self._told
        if outlook is None or (told is not None and abs(outlook.hours - told.hours) < TOLD * told.hours):
            return
        self._told = outlook
        self._tell(self._line(outlook, spend, is_new=told is None))

    def _was_there(self, trial: Trial) -> bool:
        grace = self._plan.sweep.grace
        return trial.state == "finished" if grace is None else trial.last_epoch >= grace

    def _has_arrived(self, row: Row) -> bool:
        grace = self._plan.sweep.grace
        if grace is None:
            return isinstance(row, EndRow) and row.state == "finished"
        return isinstance(row, EpochRow) and row.epoch == grace

    def outlook(self) -> Outlook | None:
        """Computes what the sweep will have taken in all; None before its first epoch."""
        spend = self._journal.state.spend
        if not spend.epochs:
            return None
        course = self._course = self._course or played(self._plan, self._places)
        trials = max(self._plan.sweep.trials, 1)
        scale = trials / (len(course.epochs) - 1)
        drawn, then = self._drawn
        # The last entry is the end; that of a trial is what was played before it was drawn.
        at = min(max(0, round(drawn / scale) - 1), len(course.epochs) - 2)
        prior = self._places * self._plan.base.loop.epochs
        ratio = (then + prior) / (scale * course.epochs[at] + prior)
        left = max(ratio * scale * course.epochs[-1] - spend.epochs, 1.0)
        whole = course.epochs[-1] - course.epochs[at]
        starts = left * (course.attempts[-1] - course.attempts[at]) / whole
        start_s = spend.start_ms / spend.starts / 1000 if spend.starts else 0.0
        left_s = left * spend.epoch_s + starts * start_s
        pace = (course.time[-1] - course.time[at]) / whole  # of all places, in epochs of time for one trained
        return Outlook(
            wall_s=spend.wall_s() + left_s * max(pace, 1 / self._places),
            hours=spend.used_hours() + left_s * spend.devices * 1000 / HOUR_MS,
        )

    def _line(self, outlook: Outlook, spend: Spend, *, is_new: bool) -> str:
        word = "forecast" if is_new else "forecast, corrected"
        text = f"{word}: {rough_text(outlook.wall_s)} in all, {amount_text(outlook.hours)} {spend.unit}-hours"
        if spend.price is not None:
            text += f", cost {amount_text(outlook.hours * spend.price)}"
        ends = []
        if spend.time_budget_s is not None and outlook.wall_s - spend.wall_s() > self._left_s(spend):
            ends.append("the time budget")
        if spend.gpu_hours is not None and outlook.hours - spend.used_hours() > self._left_hours(spend):
            ends.append(f"the limit of {amount_text(spend.gpu_hours)} {spend.unit}-hours")
        return text + (f"; {' or '.join(ends)} ends it before" if ends else "")

    def _left_s(self, spend: Spend) -> float:
        return (spend.time_budget_s or 0) - spend.wall_s(under_limit=True)

    def _left_hours(self, spend: Spend) -> float:
        return (spend.gpu_hours or 0) - spend.used_hours(under_limit=True)
