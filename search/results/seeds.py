"""Test scores of the seeds of a confirmation."""

from __future__ import annotations

from trainables.config import config_from
from trainables.runs.evaluate import evaluate_weights
from trainables.runs.names import BEST

from ..record.journal import Journal, trial_folder
from ..record.records import ScoreRow
from .confirm import MEANS


def score_seeds(journal: Journal) -> None:
    """Evaluates the best weights of every finished trial on the test subjects and records the metrics; trials that have
    test metrics are skipped."""
    for trial in journal.trials.values():
        if trial.state == "finished" and not trial.test:
            config = config_from(trial.config, str(journal.path))
            weights = trial_folder(journal.path.parent, trial.number) / BEST
            table = evaluate_weights(config, weights, flip=False)["metrics"]
            journal.append(ScoreRow(trial=trial.number, metrics={mean: table[mean] for mean in MEANS}))
