"""Sweep of bench/plain/lifter.py by Ray Tune, as its documentation shows it: a function trainable, OptunaSearch and
MLflow's callback. Arguments: data, folder, trials, epochs, trials at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch

DATA, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
TRIALS, EPOCHS, AT_A_TIME = map(int, sys.argv[3:6])
SHAPE = {"width": 32, "layers": 3, "heads": 4, "batch": 64}


def train(config: dict[str, Any]) -> None:
    from lifter import epochs_of  # the folder of this script is on the workers' path

    for error in epochs_of(DATA, SHAPE | config, EPOCHS, seed=0):
        tune.report({"mpjpe_mm": error})


tuner = tune.Tuner(
    tune.with_resources(train, {"cpu": 1}),
    param_space={
        "lr": tune.loguniform(1e-4, 3e-3),
        "weight_decay": tune.loguniform(1e-6, 1e-2),
        "dropout": tune.uniform(0.0, 0.4),
    },
    tune_config=tune.TuneConfig(
        metric="mpjpe_mm",
        mode="min",
        search_alg=OptunaSearch(),
        num_samples=TRIALS,
        max_concurrent_trials=AT_A_TIME,
    ),
    run_config=tune.RunConfig(
        name="sweep",
        storage_path=str(FOLDER),
        callbacks=[MLflowLoggerCallback(tracking_uri=f"sqlite:///{FOLDER}/mlflow.db", experiment_name="sweep")],
    ),
)
results = tuner.fit()
assert not results.errors, results.errors
print(f"best {results.get_best_result().metrics['mpjpe_mm']:.1f} mm")
