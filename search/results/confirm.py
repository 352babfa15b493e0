"""Test metrics of one config over several seeds: mean and standard deviation, as published tables report them."""

from __future__ import annotations

import statistics
from typing import Any

from spaces.table import text_table
from trainables.config import config_from
from trainables.runs.evaluate import evaluate_weights
from trainables.runs.names import BEST
from trainables.scoring.metrics import heading, in_table

from ..record.journal import Journal, trial_folder
from ..record.records import ScoreRow

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


def spread(journal: Journal) -> dict[str, dict[str, tuple[float, float]]]:
    """Computes mean and sample standard deviation of the test metrics over the seeds: kind of mean -> metric -> (mean,
    deviation). The deviation of a single seed is nan; {} if no trial has test metrics."""
    scored = [trial.test for trial in journal.trials.values() if trial.test]
    return {
        mean: {
            name: (statistics.mean(values), statistics.stdev(values) if len(values) > 1 else float("nan"))
            for name in scored[0][mean]
            if (values := [row[mean][name] for row in scored])
        }
        for mean in (MEANS if scored else ())
    }


def confirmation_text(journal: Journal) -> str:
    """Formats a table with one row per seed (validation score and test metrics), followed by mean and standard
    deviation per kind of mean."""
    objective = journal.sweep.objective
    found = spread(journal)
    names = list(found.get("frame_mean", {}))
    rows: list[list[Any]] = [
        [trial.knob("loop.seed"), trial.state, trial.score(objective),
         *(in_table(name, trial.test.get("frame_mean", {}).get(name)) for name in names)]
        for trial in journal.trials.values()
    ]  # fmt: skip
    lines = [text_table(["seed", "state", objective, *(f"test/{heading(name)}" for name in names)], rows)]
    for mean, metrics in found.items():
        shown = ", ".join(
            f"{heading(name)} {in_table(name, value):.2f} +- {in_table(name, deviation):.2f}"
            for name, (value, deviation) in metrics.items()
        )
        lines.append(f"test, {mean.replace('_', ' ')} over {len(rows)} seeds: {shown}")
    return "\n".join(lines)
