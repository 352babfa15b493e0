"""Confirmation of configs over several seeds: mean and standard deviation, as published tables report them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from spaces.table import text_table
from trainables.config import config_from
from trainables.runs.evaluate import evaluate_weights
from trainables.runs.names import BEST
from trainables.scoring.metrics import heading, in_table

from ..record.confirmed import SEED, Candidate, Spread, candidates_of, recommended
from ..record.journal import Journal, trial_folder
from ..record.records import ScoreRow, SweepRow

MEANS = ("frame_mean", "action_mean")


def score_seeds(journal: Journal) -> None:
    """Evaluates the best weights of every finished trial on the test subjects and records the metrics; trials that have
    test metrics are skipped."""
    for trial in journal.trials.values():
        if trial.state == "finished" and not trial.test:
            config = config_from(trial.config, str(journal.path))
            weights = trial_folder(journal.path.parent, trial.number) / BEST
            table = evaluate_weights(config, weights, flip=False)["metrics"]
            journal.append(ScoreRow(trial=trial.number, metrics={mean: table[mean] for mean in MEANS}))


def confirmation_text(journal: Journal) -> str:
    """Formats the result of a confirmation: of one config a row per seed, of several a row per config, each with mean
    and standard deviation of the validation score and of the test metrics; then what follows from them."""
    candidates = candidates_of(journal.sweep, journal.trials)
    if len(candidates) == 1:
        return "\n".join([_seeds_table(journal), *_test_lines(candidates[0])])
    lines = [_candidates_table(journal.sweep.objective, candidates)]
    for one in candidates:
        lines += [f"{one.label}, {line}" for line in _test_lines(one)]
    return "\n".join([*lines, *advice(journal.sweep, candidates)])


def _seeds_table(journal: Journal) -> str:
    objective = journal.sweep.objective
    trials = journal.trials.values()
    names = next((list(trial.test["frame_mean"]) for trial in trials if trial.test), [])
    rows: list[list[Any]] = [
        [trial.knob(SEED), trial.state, trial.score(objective),
         *(in_table(name, trial.test.get("frame_mean", {}).get(name)) for name in names)]
        for trial in trials
    ]  # fmt: skip
    return text_table(["seed", "state", objective, *(f"test/{heading(name)}" for name in names)], rows)


def _candidates_table(objective: str, candidates: Sequence[Candidate]) -> str:
    names = next((list(found) for one in candidates if (found := one.tests("frame_mean"))), [])
    rows: list[list[Any]] = []
    for one in candidates:
        tests = one.tests("frame_mean")
        spreads = [one.validation(objective), *(in_table_spread(name, tests.get(name)) for name in names)]
        numbers = " ".join(str(trial.number) for trial in one.trials)
        rows.append([one.label, numbers, one.score, *(spread_text(spread) for spread in spreads)])
    header = ["config", "its trials here", "in the sweep", objective]
    return text_table([*header, *(f"test/{heading(name)}" for name in names)], rows)


def _test_lines(candidate: Candidate) -> list[str]:
    lines = []
    for mean in MEANS:
        if found := candidate.tests(mean):
            shown = ", ".join(
                f"{heading(name)} {spread_text(in_table_spread(name, spread))}" for name, spread in found.items()
            )
            count = max(spread.count for spread in found.values())
            lines.append(f"test, {mean.replace('_', ' ')} over {count} seeds: {shown}")
    return lines


def in_table_spread(name: str, spread: Spread | None) -> Spread | None:
    """Converts the spread of a metric to the unit in which tables show it. None stays None."""
    if spread is None:
        return None
    mean, deviation = in_table(name, spread.mean), in_table(name, spread.deviation)
    assert mean is not None, name
    assert deviation is not None, name
    return Spread(mean, deviation, spread.count)


def spread_text(spread: Spread | None) -> str:
    """Formats a spread as '53.00 +- 3.61'; '' for None."""
    return "" if spread is None else f"{spread.mean:.2f} +- {spread.deviation:.2f}"


def advice(sweep: SweepRow, candidates: Sequence[Candidate]) -> list[str]:
    """Returns what follows from a confirmation, one line each: the recommended config, whether the sweep's best was
    luck, whether the recipe is as good. Differences of means count from two standard deviations on."""
    objective = sweep.objective
    chosen = recommended(candidates, objective)
    if chosen is None:
        return []
    confirmed = {one.label: spread for one in candidates if (spread := one.validation(objective)) is not None}
    best = confirmed[chosen.label]
    lines = [f"recommended: {chosen.label}, {objective} {spread_text(best)} over {best.count} seeds"]
    tried = [one for one in candidates if one.score is not None and one.label in confirmed]
    first = min(tried, key=lambda one: float(one.score or 0.0), default=None)
    if first is not None and first.score is not None:
        spread = confirmed[first.label]
        margin = 0.0 if math.isnan(spread.deviation) else 2 * spread.deviation
        told = f"the sweep had its best, {first.label}, at {first.score:.2f}; its seeds give {spread_text(spread)}"
        if first.score < spread.mean - margin:
            lines.append(f"warning: that was luck: {told}")
        elif first is not chosen:
            lines.append(f"warning: another config is better on average: {told}")
    recipe = confirmed.get("recipe")
    if recipe is not None and chosen.label != "recipe":
        deviations = [0.0 if math.isnan(one.deviation) else one.deviation for one in (best, recipe)]
        gain, noise = recipe.mean - best.mean, math.hypot(*deviations)
        if gain < 2 * noise:
            lines.append(
                f"warning: the recipe, at {spread_text(recipe)}, is within two standard deviations of the difference"
            )
    return lines
