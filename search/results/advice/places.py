"""Findings about where in the space the trials lie: edges, sparse optima, diverging sides, knobs without effect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from spaces.domains import limits
from spaces.domains import nearest as nearest_in
from spaces.schema import spelled
from trainables.config import knobs_of

from .finding import DIVERGING, EDGE, IRRELEVANT, SPARSE, Finding, Lines
from .fit import Fit, quantile
from .ranges import narrower, wider
from .survey import Survey, is_ordered, listed

LEAST_TRIALS = 12  # a parabola of one knob has 3 coefficients, and LEAST_FREE residuals beside those of another
ALPHA = 0.05
OUTER = 0.85  # of a range, beyond which a value lies at its edge: one of seven blind draws does
INNER = 2 / 3  # a parabola is equally good here and at the edge if its best is halfway, at 5/6
LEAST_AT_END = 3  # trials with the last of ordered values, so that those beside it are known to be better
ELITE = 5
SMALL = 0.3  # whose square is less than a tenth
SHUFFLES, ODDS = 400, 0.03
MOST_OTHERS = 500  # whose distances to all are looked at, of thousands
NEAR, LEAST_FAR, LEAST_APART = (
    0.25,
    0.2,
    0.15,
)  # of the ranges, root mean square over the knobs; two blind draws are 0.41 apart


def edges(survey: Survey, fit: Fit) -> Iterator[Finding]:
    """Finds knobs whose best values lie at an end of the searched range, and whose scores, with the other knobs allowed
    for, still improve towards it."""
    if survey.best is None:
        return
    known, best = knobs_of(survey.journal.sweep.model), survey.units[survey.at(survey.best)]
    elite = survey.units[survey.order[:ELITE]]
    for index, (path, domain) in enumerate(survey.domains.items()):
        if not is_ordered(domain):
            continue
        values = listed(domain)
        for is_high in (False, True):
            outer = max(OUTER, 1 - 0.5 / (len(values) - 1)) if values else OUTER
            here, middle = (
                (best[index], np.median(elite[:, index]))
                if is_high
                else (1 - best[index], 1 - np.median(elite[:, index]))
            )
            inner = INNER
            if here < outer and middle < outer:
                # A sampler that learns may stay beside an end that it has hardly tried.
                at_end = survey.units[:, index] == float(is_high)
                if not values or here < 1 - 1.5 / (len(values) - 1) or at_end.sum() >= LEAST_AT_END:
                    continue
                inner = here
            end, inside = (1.0, inner) if is_high else (0.0, 1 - inner)
            found = fit.contrast(index, end, inside)
            if found is None or min(here, middle) < 0.5:
                continue
            worse, error, free = found
            entry = wider(domain, known[path], is_high)
            if entry is None or worse > -quantile(1 - ALPHA, free) * error:
                continue
            first, *_, last = values or limits(domain)
            side, limit = ("high", last) if is_high else ("low", first)
            count = int(((elite[:, index] if is_high else 1 - elite[:, index]) >= min(here, outer)).sum())
            place = f"at the {side} end of its range, {_text(limit)}"
            if inner != INNER:
                place = f"beside the {side} end of its range, {_text(limit)}, which was hardly tried"
            yield Finding(
                kind=EDGE,
                knobs=(path,),
                trials=(survey.best.number,),
                found=f"{count} of the {len(elite)} best trials have {path} {place} (the best: "
                f"{_text(survey.best.knob(path))}), and scores still improve towards it",
                do="search beyond that end",
                ranges={path: entry},
            )


def sparse(survey: Survey, lines: Lines) -> Iterator[Finding]:
    """Finds a best trial that is far from all others: none lies within a quarter of the ranges, or it is lonelier than
    95% of the other trials are, or leads by more than what lies between the second and the median."""
    if survey.best is None or len(survey.trials) < 4 or not survey.paths:
        return
    at = survey.at(survey.best)
    away = np.sqrt(((survey.units - survey.units[at]) ** 2).mean(1))
    others = np.delete(away, at)
    nearest = float(others.min())
    if nearest <= NEAR:
        # Or farther than all but one of twenty others are from their nearest.
        some = [one for one in range(0, len(survey.units), max(1, len(survey.units) // MOST_OTHERS)) if one != at]
        lonely = [np.sqrt(np.sort(((survey.units - survey.units[one]) ** 2).mean(1))[1]) for one in some]
        first, second, median = (survey.levels[survey.order[one]] for one in (0, 1, len(survey.order) // 2))
        leads = first == survey.levels[at] and second - first > median - second and nearest > LEAST_APART
        if not leads and (nearest <= LEAST_FAR or nearest <= np.quantile(lonely, 0.95)):
            return
    number = int(survey.trials[int(np.argsort(away, kind="stable")[1])].number)
    trials = survey.plan.sweep.trials
    more = max(10, math.ceil(trials / 2))
    yield Finding(
        kind=SPARSE,
        trials=(survey.best.number, number),
        found=f"the best trial, {survey.best.number}, is far from all others: the nearest, trial {number}, is "
        f"{nearest:.0%} of the ranges away on average, so how wide the optimum is is not known",
        do=f"draw more trials; those that learn from the record come near the best: {more} more",
        line=lines.extend(trials=trials + more),
    )


def diverging(survey: Survey) -> Iterator[Finding]:
    """Finds the side of a knob's range, or of ordered values, in which trials diverge: where they do most
    significantly more often than elsewhere. The significance is that of the most extreme of all knobs, sides and
    thresholds among shuffled divergences."""
    is_out = survey.has_diverged
    if is_out.sum() < 3 or is_out.all():
        return
    taken: set[int] = set()
    for _ in range(2):
        free = [index for index in range(len(survey.paths)) if index not in taken]
        sides = [
            (index, is_high)
            for index in free
            for is_high in (False, True)
            if is_ordered(survey.domains[survey.paths[index]])
        ]
        if not sides or is_out.sum() < 3:
            return
        keys = [survey.units[:, index] if is_high else 1 - survey.units[:, index] for index, is_high in sides]
        scan = _Scan(keys, is_out)
        if scan.share_as_extreme(SHUFFLES) > ODDS:
            return
        index, is_high = sides[scan.side]
        path, beyond = survey.paths[index], keys[scan.side] >= scan.threshold
        count, total = int((is_out & beyond).sum()), int(beyond.sum())
        if count < 3 or count < 0.5 * total:
            return
        taken.add(index)
        is_kept = survey.best is None or not beyond[survey.at(survey.best)]
        domain = survey.domains[path]
        # A recipe may lie outside.
        inside = [
            nearest_in(domain, trial.knob(path)) for trial, one in zip(survey.trials, beyond, strict=True) if not one
        ]
        last: Any = (max if is_high else min)(inside)  # type: ignore[type-var]
        entry = narrower(domain, last, is_high)
        if entry is not None and is_kept:
            rest = int((is_out & ~beyond).sum())
            yield Finding(
                kind=DIVERGING,
                knobs=(path,),
                trials=tuple(trial.number for trial, one in zip(survey.trials, is_out & beyond, strict=True) if one),
                found=f"{count} of {total} trials with {path} {'above' if is_high else 'below'} {_text(last)} "
                f"diverged, and {rest} of the {int((~beyond).sum())} others",
                do="narrow the range at that side",
                ranges={path: entry},
            )
        # What this side explains says nothing about another knob.
        kept = ~beyond
        survey_out = is_out & kept
        if survey_out.sum() < 3:
            return
        is_out = survey_out


class _Scan:
    """Scan for the threshold of one of several keys beyond which most of the marked rows lie, by the hypergeometric
    tail."""

    def __init__(self, keys: list[np.ndarray], marked: np.ndarray) -> None:
        self._orders = [np.argsort(-key, kind="stable") for key in keys]
        # Only behind the last of equal values is there a threshold.
        self._ends = [
            np.append(np.diff(-key[order]) > 1e-12, False) for key, order in zip(keys, self._orders, strict=True)
        ]
        self._marked, count, total = marked, int(marked.sum()), len(marked)
        logs = np.array([math.lgamma(one + 1) for one in range(total + 1)])
        # Tail of having `hits` or more marked rows among the first `size`, for every size and hits.
        hits = np.arange(count + 1)
        table = np.full((total, count + 1), -np.inf)
        for size in range(1, total + 1):
            ok = (hits <= size) & (count - hits <= total - size)
            some = hits[ok]
            log = (
                (logs[size] - logs[some] - logs[size - some])
                + (logs[total - size] - logs[count - some] - logs[total - size - count + some])
                - (logs[total] - logs[count] - logs[total - count])
            )
            table[size - 1, ok] = log
        with np.errstate(divide="ignore"):
            self._tails = np.log(np.cumsum(np.exp(table)[:, ::-1], 1)[:, ::-1])
        self.lowest, self.side, position = self._extreme(marked)
        self.threshold = float(keys[self.side][self._orders[self.side][position]])

    def _extreme(self, marked: np.ndarray) -> tuple[float, int, int]:
        best = (math.inf, 0, 0)
        for side, (order, ends) in enumerate(zip(self._orders, self._ends, strict=True)):
            tails = np.where(ends, self._tails[np.arange(len(order)), np.cumsum(marked[order])], np.inf)
            position = int(tails.argmin())
            if tails[position] < best[0]:
                best = (float(tails[position]), side, position)
        return best

    def share_as_extreme(self, shuffles: int) -> float:
        """Returns the share of shuffled marks whose extreme is at least as extreme."""
        draw = np.random.default_rng(0)
        found = sum(self._extreme(draw.permutation(self._marked))[0] <= self.lowest + 1e-9 for _ in range(shuffles))
        return (found + 1) / (shuffles + 1)


def irrelevant(survey: Survey, fit: Fit, lines: Lines) -> Iterator[Finding]:
    """Finds knobs whose effect is small with confidence: its upper bound is below SMALL times the largest effect, so
    that it makes less than a tenth of the variance that the most important knob makes, and none for certain."""
    if survey.best is None:
        return
    effects = {index: found for index in range(len(survey.paths)) if (found := fit.effect(index)) is not None}
    largest = max((size for lower, size, _ in effects.values() if lower > 0), default=0.0)
    for index, (lower, _, upper) in effects.items():
        if upper >= SMALL * largest or lower > 0.05 * largest:
            continue
        path = survey.paths[index]
        value = survey.best.knob(path)
        yield Finding(
            kind=IRRELEVANT,
            knobs=(path,),
            found=f"{path} does not matter: over {len(survey.trials)} trials at comparable epochs it moves the "
            f"score by less than {upper / largest:.0%} of what the most important knob does",
            do=f"fix it, at the best trial's {spelled(value)}, and give its trials to the others",
            line=lines.relaunch({path: value}),
        )


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
