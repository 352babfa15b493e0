"""Arrays of a recorded sweep: points in units of their domains, curves, scores extrapolated to one length."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from spaces.domains import Choice, Domain, Grid, Normal, nearest
from spaces.schema import Value, is_number

from ...record.journal import Journal
from ...record.plan import Plan
from ...record.trial import EPOCHS, Trial

LEAST_CURVE = 5  # epochs of a curve whose noise is read


def listed(domain: Domain) -> tuple[Value, ...]:
    """Returns the values of an ordinal domain, ascending: a grid's, or those of a choice among three numbers or more;
    () for any other. Two values have no inside, so that neither of them is an end."""
    values = domain.values if isinstance(domain, Grid | Choice) else ()
    numbers = [value for value in values if is_number(value)]
    return tuple(sorted(numbers)) if len(numbers) == len(values) and len(values) > 2 else ()


def is_ordered(domain: Domain) -> bool:
    """Returns whether the values of a domain have an order, and so ends."""
    return not isinstance(domain, Choice | Grid) or bool(listed(domain))


def unit(domain: Domain, value: object) -> float:
    """Returns where in its domain a value lies, 0 to 1: by the logarithm, the place in the list or the share of the
    distribution where the domain has one. A value outside counts as the nearest inside."""
    value = nearest(domain, value)
    if isinstance(domain, Choice | Grid):
        values = listed(domain) or domain.values
        return values.index(value) / max(1, len(values) - 1)
    assert is_number(value), value
    if isinstance(domain, Normal):
        return domain.share_of(value)
    scale = math.log if domain.log else float
    low, high = scale(domain.low), scale(domain.high)
    return (scale(value) - low) / (high - low)


class Survey:
    """A sweep of one objective as arrays. `trials`: those with a finite score, and the diverged ones, by number;
    `best`: the winner, None if there is none."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self.journal, self.plan = journal, plan
        self.objective = journal.sweep.objective
        self.domains = plan.domains
        self.paths = list(self.domains)
        self.best = journal.best(self.objective)
        self.trials: list[Trial] = [
            trial
            for _, trial in sorted(journal.trials.items())
            if trial.own_score is not None or trial.state == "diverged"
        ]
        self._indices = {trial.number: index for index, trial in enumerate(self.trials)}

    @cached_property
    def units(self) -> np.ndarray:
        """Returns the points (trial, knob) in units of their domains; a knob that a point lacks has the recipe's
        value."""
        rows = [[unit(domain, trial.knob(path)) for path, domain in self.domains.items()] for trial in self.trials]
        return np.array(rows, float).reshape(len(self.trials), len(self.paths))

    @cached_property
    def has_diverged(self) -> np.ndarray:
        """Returns for each trial whether it diverged."""
        return np.array([trial.state == "diverged" for trial in self.trials], bool)

    @cached_property
    def curves(self) -> list[np.ndarray]:
        """Returns the value of the objective by epoch for each trial, as far as its epochs are on record without a
        gap."""
        found = []
        for trial in self.trials:
            scores = trial.scores(self.objective)
            curve: list[float] = []
            while len(curve) + 1 in scores:
                curve.append(scores[len(curve) + 1])
            found.append(np.array(curve, float))
        return found

    @cached_property
    def running_bests(self) -> list[np.ndarray]:
        """Returns the lowest value up to each epoch for each trial."""
        return [np.minimum.accumulate(curve) if len(curve) else curve for curve in self.curves]

    @cached_property
    def is_whole(self) -> np.ndarray:
        """Returns for each trial whether it finished at its full length."""
        return np.array([trial.state == "finished" for trial in self.trials], bool)

    @cached_property
    def noise(self) -> float:
        """Returns the standard deviation from epoch to epoch of the later halves of the curves, nan if there are too
        few. From second differences, in which a smooth curve leaves nothing, by their median, which spikes do not
        move."""
        seconds = [
            np.diff(curve[len(curve) // 2 :], 2)
            for curve, is_out in zip(self.curves, self.has_diverged, strict=True)
            if len(curve) >= 2 * LEAST_CURVE and not is_out
        ]
        joined = np.concatenate(seconds) if seconds else np.zeros(0)
        if len(joined) < LEAST_CURVE:
            return math.nan
        # The variance of a second difference is 1 + 4 + 1 times that of the noise; 1.4826: median to deviation.
        return float(1.4826 * np.median(np.abs(joined)) / math.sqrt(6))

    @cached_property
    def levels(self) -> np.ndarray:
        """Returns the lowest value of each trial as if all had trained equally long: one that ended early is taken to
        improve, epoch by epoch, as the median of the trials that went on did. inf for a diverged trial."""
        bests, longest = self.running_bests, max((len(one) for one in self.curves), default=0)
        gains = np.zeros(longest)
        for epoch in range(1, longest):
            steps = [one[epoch] - one[epoch - 1] for one in bests if len(one) > epoch]
            gains[epoch] = np.median(steps)
        still = np.append(np.cumsum(gains[::-1])[::-1], 0.0)
        is_searched = EPOCHS in self.domains
        found = []
        for trial, one in zip(self.trials, bests, strict=True):
            if trial.state == "diverged" or not len(one):
                found.append(math.inf)
            else:
                found.append(one[-1] + (0.0 if is_searched or trial.state == "finished" else still[len(one)]))
        return np.array(found)

    @cached_property
    def order(self) -> np.ndarray:
        """Returns the indices of the trials by their levels, best first."""
        return np.argsort(self.levels, kind="stable")

    def at(self, trial: Trial) -> int:
        """Returns the index of a trial in the arrays."""
        return self._indices[trial.number]
