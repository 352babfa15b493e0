"""Tables of a sweep as pandas frames: its trials, and those of them that no other trial beats in every metric."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from spaces.errors import ConfigError, did_you_mean

from ..decisions.fronts import is_undominated
from ..record.journal import Journal
from ..record.lines import read_rows
from ..record.records import EpochRow
from ..record.trial import Trial

# Columns of every table of trials, and their types.
FIXED = {
    "trial": int,
    "state": str,
    "score": float,
    "epochs": int,
    "config_id": str,
    "attempts": int,
    "seconds": float,
}
ADVICE = ("kind", "knobs", "trials", "found", "do", "ranges", "line")  # columns of the table of findings
SHARES = ("pck_", "auc_", "pa_f_")  # metrics that are best when highest; all others are errors and costs


def trials_frame(journal: Journal) -> pd.DataFrame:
    """Builds the table of trials, in the order of `show`: best score first, those without a score last.

    Columns: `trial` (number), `state`, `score` (value of the objective at the best epoch, NaN if there is none),
    `epochs` (last recorded epoch), `config_id`, `attempts`, `seconds` (sum over the recorded epochs), one per searched
    knob by its dotted path, one per metric at the best epoch, one per measured cost. Values that a trial lacks are
    NaN."""
    objective, seconds = journal.sweep.objective, _seconds(journal)
    rows = []
    for trial in journal.leaderboard(objective):
        score, epoch = trial.score(objective), trial.best_epoch(objective)
        values = (
            *(trial.number, trial.state, math.nan if score is None else score, trial.last_epoch),
            *(trial.config_id, trial.attempts, seconds[trial.number]),
        )
        metrics = {} if epoch is None else trial.epochs[epoch]
        rows.append(dict(zip(FIXED, values, strict=True)) | trial.point | dict(metrics) | trial.costs)
    frame = pd.DataFrame(rows, columns=[*FIXED, *knob_paths(journal), *metric_names(journal)])
    return frame.astype(FIXED)


def front_frame(journal: Journal, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Builds the table of the trials that no other trial beats, in the columns of `trials_frame`: no other is as good
    in all of `metrics` and better in one. Of a single metric that is the best trial alone. Trials that break a limit
    of the sweep are left out.

    `metrics`: names, lower is better but for shares (`pck_...`, `auc_...`, `pa_f_...`); none: the sweep's objectives.
    Their values are those of a trial's best epoch, whose weights are kept. ConfigError for a metric that no trial
    has."""
    names = list(metrics) or list(journal.sweep.objectives)
    check_metrics(journal, names)
    frame = trials_frame(journal).dropna(subset=names)
    frame = frame[~breaks_limit(journal, frame)]
    signs = [-1.0 if name.split("/")[-1].startswith(SHARES) else 1.0 for name in names]
    costs = frame[names].to_numpy(float) * signs
    kept = frame[is_undominated(costs)]
    if len(names) == 1:
        kept = kept.sort_values("trial").head(1)
    return kept.sort_values([*names, "trial"], ascending=[*(sign > 0 for sign in signs), True]).reset_index(drop=True)


def findings_frame(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Builds the table of findings of the advice on a sweep, a row each, with the columns ADVICE."""
    return pd.DataFrame(list(records), columns=[*ADVICE])


def breaks_limit(journal: Journal, frame: pd.DataFrame) -> pd.Series:
    """Returns for each row of a table of trials whether the trial breaks a limit of the sweep."""
    return frame["trial"].map(lambda number: bool(journal.trials[number].broken)).astype(bool)


def scored(journal: Journal) -> list[Trial]:
    """Returns the trials that have a score, by number. ConfigError if there is none."""
    found = [trial for trial in journal.trials.values() if trial.score(journal.sweep.objective) is not None]
    if not found:
        states = ", ".join(dict.fromkeys(trial.state for trial in journal.trials.values())) or "none has begun"
        problem = f"no trial has a score yet (trials: {states}); wait for a first epoch, or see why with `show`"
        raise ConfigError(f"sweep '{journal.sweep.name}'", [problem])
    return found


def best_of(journal: Journal) -> Trial:
    """Returns the trial with the lowest score that keeps the limits. ConfigError if there is none."""
    scored(journal)
    best = journal.best(journal.sweep.objective)
    if best is None:
        limits = ", ".join(limit.text for limit in journal.sweep.limits)
        raise ConfigError(f"sweep '{journal.sweep.name}'", [f"no trial with a score keeps the limits: {limits}"])
    return best


def knob_paths(journal: Journal) -> list[str]:
    """Lists the dotted paths of the searched knobs, in the order in which trials first have them."""
    return list(dict.fromkeys(path for trial in journal.trials.values() for path in trial.point))


def metric_names(journal: Journal) -> list[str]:
    """Lists the metrics and costs that any trial has, the objective first."""
    names: dict[str, Any] = {}
    for trial in journal.trials.values():
        for epoch in (trial.best_epoch(journal.sweep.objective), trial.last_epoch):
            names |= dict.fromkeys(trial.epochs[epoch] if epoch else ())
        names |= dict.fromkeys(trial.costs)
    return sorted(names, key=lambda name: name != journal.sweep.objective)


def check_metrics(journal: Journal, names: Iterable[str]) -> None:
    """Raises ConfigError, with the nearest name of each, for metrics that no trial has."""
    known = metric_names(journal)
    here = ", ".join(known) or "none yet"
    unknown = [name for name in names if name not in known]
    problems = [f"metric {name}: no trial has it{did_you_mean(name, known)}; metrics here: {here}" for name in unknown]
    if problems:
        raise ConfigError(f"sweep '{journal.sweep.name}'", problems)


def _seconds(journal: Journal) -> dict[int, float]:
    """Sums the seconds of each trial's recorded epochs."""
    found: dict[int, float] = defaultdict(float)
    for row, _ in read_rows(journal.path):
        if isinstance(row, EpochRow):
            found[row.trial] += row.seconds
    return found
