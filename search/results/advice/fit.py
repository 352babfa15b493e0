"""Additive least-squares model of the trials' levels over the knobs: what a knob does once the others are allowed for.

A sampler that learns draws good values of all knobs together, so that a knob without any effect looks good where the
others are. Only the part of a knob that the others do not explain says something about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from .survey import Survey, is_ordered, listed

LEAST_FREE = 6  # degrees of freedom of the residuals, below which a t quantile is twice the normal one and means little
GRID = np.linspace(0, 1, 21)


def quantile(share: float, free: float) -> float:
    """Returns the quantile of Student's t distribution with `free` degrees of freedom, by Cornish and Fisher's
    expansion: within 2% from 5 degrees on, for shares up to 0.99."""
    z = NormalDist().inv_cdf(share)
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def _limited(levels: np.ndarray, leads: float = 0) -> np.ndarray:
    """Returns levels in deviations from their mean, diverged ones as bad as the worst; with `leads`, none worse than
    the median by more than that many times the lead of the best over it."""
    known = levels[np.isfinite(levels)]
    if not len(known):
        return np.zeros(len(levels))
    median = float(np.median(known))
    worst = float(known.max())
    made = np.minimum(levels, min(worst, median + leads * (median - float(known.min()))) if leads else worst)
    deviation = float(made.std())
    return (made - made.mean()) / deviation if deviation > 0 else np.zeros(len(levels))


class Fit:
    """Additive model of the trials' levels: as they are, with or without a limit for the worst, or as normal scores of
    their ranks, whichever the knobs explain better. A knob with an order has a parabola, any other a constant per
    value. The knobs beside the one asked for are chosen by forward selection with Schwarz's criterion (BIC); `chosen`:
    their indices, none where nothing explains the levels."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        ranks = np.argsort(np.argsort(survey.levels, kind="stable"), kind="stable")
        is_out = ~np.isfinite(survey.levels)
        if is_out.any():
            ranks = np.where(is_out, ranks[is_out].mean(), ranks)  # none of the diverged ones is worse than another
        count = len(ranks)
        # Blom's formula.
        normal = np.array([NormalDist().inv_cdf((rank + 0.625) / (count + 0.25)) for rank in ranks])
        self._columns = [self._features(index) for index in range(len(survey.paths))]
        self.scores, self.chosen = normal, list[int]()
        found = []
        for scores in (normal, _limited(survey.levels, 2), _limited(survey.levels)):
            self.scores = scores
            self.chosen = self._selected()
            found.append(
                (
                    self._rest(self.chosen)[0] / max(1e-12, float(((scores - scores.mean()) ** 2).sum())),
                    scores,
                    self.chosen,
                )
            )
        _, self.scores, self.chosen = min(found, key=lambda one: one[0])

    def _features(self, index: int) -> np.ndarray:
        domain, units = self.survey.domains[self.survey.paths[index]], self.survey.units[:, index]
        if is_ordered(domain):
            return self._basis(units, len(set(units.tolist())))
        values = sorted(set(units.tolist()))
        return (
            np.stack([units == value for value in values[1:]], 1).astype(float)
            if values[1:]
            else np.zeros((len(units), 0))
        )

    @staticmethod
    def _basis(units: np.ndarray, different: int) -> np.ndarray:
        centred = units - 0.5
        return (
            np.stack([centred, centred**2][: max(0, min(2, different - 1))], 1)
            if different > 1
            else np.zeros((len(units), 0))
        )

    def _design(self, chosen: Sequence[int]) -> np.ndarray:
        return np.concatenate([np.ones((len(self.scores), 1)), *(self._columns[one] for one in chosen)], 1)

    def _rest(self, chosen: Sequence[int]) -> tuple[float, int]:
        """Returns the sum of squared residuals, and the number of coefficients."""
        design = self._design(chosen)
        solution, _, rank, _ = np.linalg.lstsq(design, self.scores, rcond=None)
        return float(((self.scores - design @ solution) ** 2).sum()), int(rank)

    def _selected(self) -> list[int]:
        count, chosen = len(self.scores), list[int]()

        def criterion(some: Sequence[int]) -> float:
            rest, rank = self._rest(some)
            if count - rank < LEAST_FREE:
                return math.inf
            return count * math.log(max(rest, 1e-9) / count) + rank * math.log(count)

        lowest = criterion(chosen) if count > LEAST_FREE else -math.inf
        while True:
            others = [one for one in range(len(self._columns)) if one not in chosen and self._columns[one].shape[1]]
            best = min(others, key=lambda one: criterion([*chosen, one]), default=None)
            if best is None or criterion([*chosen, best]) >= lowest:
                return chosen
            chosen.append(best)
            lowest = criterion(chosen)

    def part(self, index: int) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Returns the coefficients of one knob beside the chosen ones, their covariance, and the degrees of freedom;
        None if the trials are too few, or do not tell the knob from the others."""
        chosen = [one for one in self.chosen if one != index]
        design, width = self._design([*chosen, index]), self._columns[index].shape[1]
        free = len(self.scores) - design.shape[1]
        if not width or free < LEAST_FREE or np.linalg.matrix_rank(design) < design.shape[1]:
            return None
        inverse = np.linalg.inv(design.T @ design)
        solution = inverse @ design.T @ self.scores
        variance = float(((self.scores - design @ solution) ** 2).sum()) / free
        return solution[-width:], inverse[-width:, -width:] * variance, free

    def contrast(self, index: int, here: float, there: float) -> tuple[float, float, int] | None:
        """Returns by how much the model's score of a knob with an order is higher at unit `here` than at `there`, its
        standard error, and the degrees of freedom; None as in `part`."""
        found = self.part(index)
        if found is None:
            return None
        solution, covariance, free = found
        rows = self._basis(np.array([here, there]), len(solution) + 1)
        weights = rows[0] - rows[1]
        return float(weights @ solution), math.sqrt(max(0.0, float(weights @ covariance @ weights))), free

    def effect(self, index: int) -> tuple[float, float, float] | None:
        """Returns the root mean square of a knob's effect over its whole domain, in deviations of the scores: the lower
        bound, the estimate and the upper bound, the bounds with 95% confidence each; None as in `part`."""
        found = self.part(index)
        if found is None:
            return None
        solution, covariance, free = found
        path = self.survey.paths[index]
        if is_ordered(self.survey.domains[path]):
            values = listed(self.survey.domains[path])
            rows = self._basis(np.linspace(0, 1, len(values)) if values else GRID, len(solution) + 1)
        else:
            rows = np.concatenate([np.zeros((1, len(solution))), np.eye(len(solution))])
        rows = rows - rows.mean(0)
        mean_square, spread = (
            float(((rows @ solution) ** 2).mean()),
            float(np.einsum("ij,jk,ik->i", rows, covariance, rows).mean()),
        )
        size, error = math.sqrt(max(0.0, mean_square - spread)), math.sqrt(spread)
        return max(0.0, size - quantile(0.95, free) * error), size, size + quantile(0.95, free) * error
