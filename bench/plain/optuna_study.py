"""Sweep of bench/plain/lifter.py by Optuna, as its documentation shows it: this script in several processes at once,
with one study in a sqlite file, which is there. Arguments: data, folder, trials, epochs."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from lifter import epochs_of

DATA, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
TRIALS, EPOCHS = map(int, sys.argv[3:5])
SHAPE = {"width": 32, "layers": 3, "heads": 4, "batch": 64}


def objective(trial: optuna.Trial) -> float:
    knobs = SHAPE | {
        "lr": trial.suggest_float("lr", 1e-4, 3e-3, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.4),
    }
    best = float("inf")
    for epoch, error in enumerate(epochs_of(DATA, knobs, EPOCHS, seed=0), 1):
        trial.report(error, epoch)
        best = min(best, error)
    return best


study = optuna.load_study(
    study_name="sweep", storage=f"sqlite:///{FOLDER}/optuna.db", pruner=optuna.pruners.NopPruner()
)
running = (TrialState.COMPLETE, TrialState.RUNNING)
study.optimize(objective, callbacks=[MaxTrialsCallback(TRIALS, states=running)])
print(f"best {study.best_value:.1f} mm")
