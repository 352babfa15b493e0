"""`export`: writes a trial as a complete, runnable config with its provenance, and copies its best weights."""

from __future__ import annotations

import shutil
from typing import Any

import yaml

from spaces.cli import OK
from spaces.errors import ConfigError
from spaces.files import replacing, write_text
from spaces.schema import dump, tree_id
from trainables.config import config_from
from trainables.runs.names import BEST

from ..cli.results.export import ExportRequest
from ..executors.mirror import bring
from ..record.journal import Journal, trial_folder
from ..record.trial import Stretch, Trial, descent_of
from .front import front_trials, measured_values
from .retention import lacking_weights


def export(request: ExportRequest) -> int:
    """Writes the trial's config and, if requested, its best weights; returns the exit code. ConfigError if no trial has
    a score or the weights do not exist; InputError if a file cannot be written."""
    journal = Journal(request.journal)
    trial = journal.best(journal.sweep.objective) if request.trial is None else journal.trials[request.trial]
    if trial is None:
        found = f"has no trial with a score{' that keeps its limits' if journal.sweep.limits else ''} yet"
        raise ConfigError(f"sweep '{journal.sweep.name}'", [f"{found}; name one with --trial"])
    if request.weights is not None:
        bring(journal, trial)
    weights = trial_folder(request.journal.parent, trial.number) / BEST
    if request.weights is not None and not weights.is_file():
        raise ConfigError("export", [lacking_weights(journal, trial)])
    text = config_text(journal, trial)
    write_text(request.out, text)
    for line in _notes(journal, trial, is_chosen=request.trial is None):
        print(line)
    print(f"trial {trial.number} -> {request.out}; train it: {request.where.line_told('train', request.out)}")
    if len(stretches := _descent(journal, trial)) > 1:
        told = f"its weights went through {len(stretches)} stretches with other values, listed under provenance"
        print(
            f"{told}; a config has one value a knob, those of the best epoch, so `train` does not reproduce the score"
        )
    if request.weights is not None:
        target = request.weights
        with replacing(target) as file, weights.open("rb") as source:
            shutil.copyfileobj(source, file)
        print(f"weights -> {target}; score them: {request.where.line('evaluate', request.out, '--weights', target)}")
    return OK


def _notes(journal: Journal, trial: Trial, *, is_chosen: bool) -> list[str]:
    """Says by which of several objectives a trial was chosen, and which limits one breaks that was named."""
    lines = []
    if trial.broken:
        lines.append(f"warning: trial {trial.number} breaks a limit of the sweep: {'; '.join(trial.broken)}")
    names = journal.sweep.objectives
    if is_chosen and len(names) > 1:
        others = ", ".join(str(one.number) for one in front_trials(journal) if one is not trial)
        front = f"on the front are also {others}, which --trial exports" if others else "the front has no other"
        lines.append(f"trial {trial.number} is the best by {journal.sweep.objective} of {', '.join(names)}; {front}")
    return lines


def config_text(journal: Journal, trial: Trial) -> str:
    """Formats the trial's full config as YAML, followed by a `provenance` section."""
    config = config_from(trial.config_at(_best_epoch(journal, trial)), str(journal.path))
    provenance = yaml.safe_dump({"provenance": provenance_of(journal, trial)}, sort_keys=False, width=100)
    return f"{dump(config)}{provenance}"


def _best_epoch(journal: Journal, trial: Trial) -> int:
    return trial.best_epoch(journal.sweep.objective) or trial.last_epoch + 1


def _descent(journal: Journal, trial: Trial) -> list[Stretch]:
    return descent_of(journal.trials, trial.number, _best_epoch(journal, trial))


def provenance_of(journal: Journal, trial: Trial) -> dict[str, Any]:
    """Returns the provenance of a trial: sweep, trial, score, seed, config id, data, code revision, package versions,
    command; for a trial of an enlarged sweep the lengths in epochs for which it was planned before; after
    population-based training the stretches that led to its weights, with their knobs."""
    objective, facts = journal.sweep.objective, journal.sweep.facts
    stretches = [one._asdict() for one in _descent(journal, trial)]
    return {
        "sweep": journal.sweep.name,
        "sweep_id": journal.sweep.id,
        "trial": trial.number,
        "state": trial.state,
        **({"objectives": measured_values(journal, trial)} if len(journal.sweep.objectives) > 1 else {}),
        **({"breaks": list(trial.broken)} if trial.broken else {}),
        "score": {objective: trial.score(objective), "epoch": trial.best_epoch(objective), "epochs": trial.last_epoch},
        "seed": trial.knob("loop.seed"),
        "config_id": tree_id(trial.config_at(_best_epoch(journal, trial))) if trial.turns else trial.config_id,
        **({"shorter_plans": list(trial.stages)} if trial.stages else {}),
        **({"schedule": stretches} if len(stretches) > 1 else {}),
        "data": facts.data,
        "revision": facts.revision,
        "versions": facts.versions,
        "command": facts.command,
    }
