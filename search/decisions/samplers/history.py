"""Trials of a sweep as samplers see them: ranked, converted to Optuna's form, and selected where they are many."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from spaces.domains import Domain

from ...record.trial import Trial
from ..optuna_terms import WORST, Rank, frozen, rank, told_values


class History:
    """Trials of one sweep. Call `tell` with a trial when it is created, when it ends and when it restarts. All that the
    samplers read here follows from the trials' states, whatever order they came in.

    `domains`: domain of every searched knob, by dotted path; `objectives`: the metrics to minimise. `trials`: all
    trials by number, in order of their creation. `proven`: epoch of the last comparison with others that a
    running trial has passed, 0 if there was none."""

    def __init__(
        self,
        domains: Mapping[str, Domain],
        objectives: tuple[str, ...],
        proven: Callable[[Trial], int] = lambda trial: 0,
    ) -> None:
        self.trials: dict[int, Trial] = {}
        self._domains = domains
        self._objectives = objectives
        self._proven = proven
        self._running: set[int] = set()
        self._ranks: dict[int, Rank] = {}
        self._best: list[Rank] = []  # sorted
        self._numbers: list[int] = []  # of the trials in `_best`, sorted
        self._frozen: dict[int, FrozenTrial] = {}  # those of the last selection, to be used again

    def tell(self, trial: Trial) -> None:
        """Updates the state of a trial."""
        number = trial.number
        self.trials[number] = trial
        self._frozen.pop(number, None)
        self._running.discard(number)
        old, new = self._ranks.pop(number, None), rank(trial, self._objectives)
        if old is not None:
            del self._best[bisect_left(self._best, old)]
            del self._numbers[bisect_left(self._numbers, number)]
        if new is not None:
            self._ranks[number] = new
            insort(self._best, new)
            insort(self._numbers, number)
        elif not trial.has_ended:
            self._running.add(number)

    def modelled(self, most: int) -> list[FrozenTrial]:
        """Returns the trials that a model sees, by number: all running ones, and at most `most` of the others, of which
        a quarter are the best (of several objectives: the newest that no other dominates) and the rest the most
        recently created. Failed trials are left out, of several objectives diverged ones too.

        A running trial counts by what it had shown at its last comparison, as a paused one does: a promotion would turn
        a good trial into a bad one otherwise. Before the first it counts by its place alone."""
        chosen = self._selected(most)
        old = self._frozen
        self._frozen = {number: old.get(number) or self._converted(number) for number in chosen}
        found = self._frozen | {number: self._converted(number) for number in self._running}
        if len(self._objectives) > 1:
            # The best small networks learn fast and lie beside those that diverge: told as bad, these kept TPE from
            # both.
            found = {number: one for number, one in found.items() if self.trials[number].state != "diverged"}
        return [found[number] for number in sorted(found)]

    def completed(self, numbers: Iterable[int]) -> list[FrozenTrial]:
        """Returns trials as completed ones, each with its values, for samplers that know no other. `numbers`: of ranked
        trials.

        For one objective a value is the trial's place in the ranking of these trials, from 0, as all that is known of a
        pruned trial is its place. For several, they are the objectives' values. Trials without any value share the
        worst."""
        numbers = sorted(numbers)
        values = self._values(numbers) if len(self._objectives) > 1 else self._places(numbers)
        found = []
        for number in numbers:
            made = self._converted(number)
            made.state, made.values = TrialState.COMPLETE, list(values[number])
            found.append(made)
        return found

    def selected(self, most: int) -> list[int]:
        """Returns the numbers of at most `most` ranked trials, ascending, selected as in `modelled`."""
        return sorted(self._selected(most))

    def running(self) -> list[FrozenTrial]:
        """Returns the running trials, by number, with their places alone."""
        return [frozen(self.trials[number], self._domains, self._objectives) for number in sorted(self._running)]

    def generations(self, size: int) -> list[tuple[Rank, ...]]:
        """Splits the ranked trials, in the order of their numbers, into generations of `size` trials; each is sorted,
        the best first. Those that do not fill a last generation are left out."""
        starts = range(0, len(self._numbers) - size + 1, size)
        return [tuple(sorted(self._ranks[number] for number in self._numbers[i : i + size])) for i in starts]

    def _converted(self, number: int) -> FrozenTrial:
        trial = self.trials[number]
        return frozen(trial, self._domains, self._objectives, self._proven(trial))

    def _selected(self, most: int) -> set[int]:
        if len(self._best) <= most:
            return set(self._ranks)
        best = most // 4
        is_single = len(self._objectives) == 1
        chosen = {one[-1] for one in self._best[:best]} if is_single else set(sorted(self._front())[-best:])
        newest = (number for number in reversed(self._numbers) if number not in chosen)
        return chosen | set(islice(newest, most - len(chosen)))

    def _front(self) -> list[int]:
        """Returns the numbers of the trials that no other dominates."""
        known = self._values(self._numbers)
        numbers, values = np.array(list(known)), np.array(list(known.values()))
        found: list[int] = []
        while len(numbers):
            first = np.lexsort(values.T[::-1])[0]
            found.append(int(numbers[first]))
            kept = (values < values[first]).any(axis=1)
            numbers, values = numbers[kept], values[kept]
        return found

    def _values(self, numbers: Iterable[int]) -> dict[int, tuple[float, ...]]:
        known = {number: told_values(self.trials[number], self._objectives) for number in numbers}
        values = np.array([one for one in known.values() if one])
        worst = tuple(values.max(axis=0).tolist()) if len(values) else (0.0,) * len(self._objectives)
        return {number: values or worst for number, values in known.items()}

    def _places(self, numbers: list[int]) -> dict[int, tuple[float]]:
        ranks = sorted(self._ranks[number] for number in numbers)
        places = {one[-1]: (float(i),) for i, one in enumerate(ranks)}
        worst = [one[-1] for one in ranks if one[:2] == WORST]
        return places | dict.fromkeys(worst, (len(ranks) - (len(worst) + 1) / 2,))
