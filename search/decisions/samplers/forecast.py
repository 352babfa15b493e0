"""Forecast of what trials that were cut short would have shown at their last epoch, for models of several objectives,
to which Optuna tells no trial as pruned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from ...record.options.objectives import COSTS, GPU_SECONDS
from ...record.trial import EPOCHS, Trial
from ..optuna_terms import told_values

PAIRS = 4  # trials that must have gone on from an epoch to the next one for a line to be fitted through them
SLOPES = (0.3, 1.0)  # allowed; survivors lie so close together that noise would decide
MOST_STOPS = 8  # epochs that are told apart, those at which most trials were cut short
CUT = ("pruned", "paused", "stopped")


class Forecast:
    """Forecasts the values of trials for the objectives of a sweep, from those that went further. The answer follows
    from the trials given to a call; what is kept between calls only saves time."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self._objectives = objectives
        self._known: dict[int, tuple[int, dict[str, list[float]]]] = {}  # lowest values by epoch, of the last call

    def values(self, trials: Iterable[Trial]) -> dict[int, tuple[float, ...]]:
        """Returns the values of the objectives at the planned last epoch of every trial that was cut short and has
        values, by number. From one epoch at which trials were cut short to the next, an error follows the line through
        those that went on; device seconds grow with the epochs."""
        ended = [trial for trial in trials if told_values(trial, tuple(self._objectives)) is not None]
        cut = [trial for trial in ended if trial.state in CUT and 0 < trial.last_epoch < _length(trial)]
        if not cut:
            return {}
        stops = [epoch for epoch, _ in Counter(trial.last_epoch for trial in cut).most_common(MOST_STOPS)]
        columns = [self._column(name, ended, cut, sorted(stops)) for name in self._objectives]
        return {trial.number: tuple(column[trial.number] for column in columns) for trial in cut}

    def _column(self, name: str, ended: list[Trial], cut: list[Trial], stops: list[int]) -> dict[int, float]:
        if name in COSTS:
            grows = name == GPU_SECONDS
            return {
                trial.number: (trial.measured(name) or 0.0) * (_length(trial) / trial.last_epoch if grows else 1.0)
                for trial in cut
            }
        lowest = {trial.number: self._lowest(trial, name) for trial in ended}
        steps = self._steps(ended, lowest, stops)
        found = {}
        for trial in cut:
            own = lowest[trial.number]
            value = own[-1]
            for stop, (slope, shift) in zip(stops, steps, strict=True):
                if stop >= trial.last_epoch:
                    value = min(value, slope * value + shift)
            found[trial.number] = value
        return found

    def _steps(self, ended: list[Trial], lowest: dict[int, list[float]], stops: list[int]) -> list[tuple[float, float]]:
        """Fits (slope, shift) of the line from the values at each stop to those at the next, at last the end."""
        steps = []
        for stop, after in zip(stops, [*stops[1:], None], strict=True):
            pairs = []
            for trial in ended:
                own = lowest[trial.number]
                goes = trial.last_epoch >= after if after is not None else trial.state == "finished"
                if goes and trial.last_epoch > stop:
                    pairs.append((own[stop - 1], own[after - 1 if after is not None else -1]))
            steps.append(_line(pairs))
        return steps

    def _lowest(self, trial: Trial, name: str) -> list[float]:
        last, known = self._known.get(trial.number, (0, {}))
        if last != trial.last_epoch:
            known = {}
            self._known[trial.number] = trial.last_epoch, known
        if name not in known:
            scores = trial.scores(name)
            every = (scores.get(epoch, math.inf) for epoch in range(1, trial.last_epoch + 1))
            known[name] = list(accumulate(every, min))
        return known[name]


def _line(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Fits slope and shift to pairs (before, after); the mean shift alone to a few, none to no pair."""
    finite = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if not finite:
        return 1.0, 0.0
    before, after = np.array(finite).T
    slope = 1.0
    if len(finite) >= PAIRS:
        spread = float(before.var())
        shared = float(((before - before.mean()) * (after - after.mean())).mean())
        slope = min(SLOPES[1], max(SLOPES[0], shared / spread)) if spread > 0 else 1.0
    return slope, float(after.mean() - slope * before.mean())


def _length(trial: Trial) -> int:
    return int(trial.knob(EPOCHS) or trial.last_epoch)
