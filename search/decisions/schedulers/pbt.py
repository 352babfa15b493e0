"""Population-based training (Jaderberg et al. 2017), in step: at fixed epochs the worst trials go on from the training
states of the best, with other values of their knobs."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable
from typing import Any

from spaces.domains import Choice, Domain, Float, Grid, Int, Normal, nearest
from spaces.errors import ConfigError
from spaces.schema import Value

from ...record.options.population import QUARTERS
from ...record.plan import Plan
from ...record.records import PAUSED
from ...record.trial import Trial
from .none import NoScheduler
from .protocol import GOES_ON, Heritage, Verdict

FACTORS = 0.8, 1.25  # of a value that is spread by its logarithm
SHIFT = 0.1  # of a range, or of the share of a distribution, for any other number
OTHER = 0.25  # chance that a choice in no order is drawn anew
TRIES = 20  # draws of values that the model allows


class Population(NoScheduler):
    """Scheduler `pbt`. Every `grace` epochs, below `epochs`, each trial waits until all others that still train have
    come as far. Then the worst quarter goes on from the states of the best quarter, each from one drawn at random, with
    its knobs changed by a little; the others go on as they were. All follows from the seed of `plan` and the record."""

    def __init__(self, grace: int, epochs: int, plan: Plan) -> None:
        self._grace, self._epochs, self._plan = grace, epochs, plan
        self._objective, self._domains = plan.sweep.objective, plan.domains
        self._trials: dict[int, Trial] = {}
        self._training: set[int] = set()
        self._waiting: set[int] = set()
        self._queue: deque[int] = deque()  # those that go on now, heirs before their donors
        self._donors: dict[int, int] = {}  # by heir
        self._is_begun = False  # whether a step was begun and not ended when the driver died

    def replay(self, trials: Iterable[Trial]) -> None:
        """Adds the recorded trials of a resumed sweep."""
        for trial in trials:
            self.tell(trial)
        at = min((self._trials[number].last_epoch for number in self._waiting), default=math.inf)
        # One that has come as far and did not start from there is about to wait, too.
        training = (self._trials[number] for number in self._training)
        self._is_begun = any(one.last_epoch > at or one.last_epoch == at == one.started_after for one in training)

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns that the trial waits for the others, or continues to the next epoch at which it does."""
        if epoch % self._grace or epoch >= self._epochs or not can_pause:
            return GOES_ON
        return Verdict(PAUSED, f"pbt: waits for the others at epoch {epoch}")

    def rungs_of(self, trial: Trial) -> tuple[int, ...]:
        """Returns the epochs at which the trials wait for each other."""
        return tuple(range(self._grace, self._epochs, self._grace))

    def tell(self, trial: Trial) -> None:
        """Updates who trains and who waits."""
        self._trials[trial.number] = trial
        self._training.discard(trial.number)
        self._waiting.discard(trial.number)
        if trial.state == PAUSED:
            self._waiting.add(trial.number)
        elif not trial.has_ended:
            self._training.add(trial.number)

    def next_up(self, *, at_least: int = 0) -> int | None:
        """Returns the next trial of those that go on, None while any other trains or, with `at_least` 0, is still to be
        drawn."""
        while self._queue and self._queue[0] not in self._waiting:
            self._queue.popleft()
        is_complete = bool(at_least and not self._training) or self._is_begun
        if not self._queue and self._waiting and is_complete:
            self._is_begun = False
            self._go_on()
        return self._queue[0] if self._queue else None

    def heritage_of(self, number: int) -> Heritage | None:
        """Returns what a trial that goes on takes over, None if it keeps its own state."""
        donor = self._donors.get(number)
        if donor is None:
            return None
        epoch = self._trials[number].last_epoch
        chance = random.Random(f"{self._plan.sweep.seed}:{number}:{epoch}")
        return Heritage(donor, self._changed(self._trials[donor].knobs_at(epoch + 1), chance))

    def _go_on(self) -> None:
        """Lets those that wait at the lowest epoch go on, and decides which of them take over what. The trials with
        which they are compared are those that have come as far and went on from there, or will: the same ones, whether
        some have done so already or not."""
        epoch = min(self._trials[number].last_epoch for number in self._waiting)
        trials = sorted(self._trials.items())
        rivals = [n for n, one in trials if one.last_epoch > epoch or (one.last_epoch == epoch and not one.has_ended)]
        ranked = sorted(rivals, key=lambda number: (self._value(number, epoch), number))
        count = len(ranked) // QUARTERS
        best = [number for number in ranked[:count] if math.isfinite(self._value(number, epoch))]
        there = [number for number in rivals if number in self._waiting and self._trials[number].last_epoch == epoch]
        self._donors = {}
        for heir in ranked[len(ranked) - count :] if best else ():
            if heir in there:
                self._donors[heir] = random.Random(f"{self._plan.sweep.seed}:{epoch}:{heir}").choice(best)
        self._queue.extend(sorted(there, key=lambda number: number not in self._donors))

    def _value(self, number: int, epoch: int) -> float:
        value = self._trials[number].epochs[epoch].get(self._objective, math.nan)
        return value if math.isfinite(value) else math.inf

    def _changed(self, knobs: dict[str, Any], chance: random.Random) -> dict[str, Any]:
        """Draws values near those of the donor that the model allows; the donor's own if none is found."""
        for _ in range(TRIES):
            drawn = {
                path: moved(domain, knobs[path], chance) for path, domain in self._domains.items() if path in knobs
            }
            found = self._plan.active({**knobs, **drawn})
            try:
                self._plan.config(found)
            except ConfigError:
                continue
            return found
        return dict(knobs)


def moved(domain: Domain, value: Any, chance: random.Random) -> Value:
    """Draws a value of a domain near another one: a number on a logarithmic scale times one of FACTORS, on any other
    SHIFT of its range lower or higher; of a list of numbers a neighbour; of a choice now and then any."""
    up = chance.random() < 0.5
    if isinstance(domain, Choice):
        return chance.choice(domain.values) if chance.random() < OTHER else value
    inside = nearest(domain, value)
    assert isinstance(inside, int | float), "a domain of numbers"
    if isinstance(domain, Grid):
        at = domain.values.index(inside) + (1 if up else -1)
        return domain.values[min(max(at, 0), len(domain.values) - 1)]
    if isinstance(domain, Normal):
        return domain.at(min(max(domain.share_of(inside) + (SHIFT if up else -SHIFT), 0.0), 1.0))
    if domain.log:
        return nearest(domain, _stepped(domain, inside, inside * FACTORS[up], up=up))
    shift = SHIFT * (domain.high - domain.low)
    return nearest(domain, _stepped(domain, inside, inside + (shift if up else -shift), up=up))


def _stepped(domain: Float | Int, value: float, wanted: float, *, up: bool) -> float:
    """Returns `wanted`, or for whole numbers and steps at least the next value, so that a small one is not stuck."""
    if domain.step is None:
        return wanted
    return max(wanted, value + domain.step) if up else min(wanted, value - domain.step)
