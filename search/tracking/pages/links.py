"""Links of sweeps in the server that `ui` starts. Imports no mlflow."""

from __future__ import annotations

from urllib.parse import quote, urlencode

PATH = "/sweeps"
TRIALS, CHART = "trials", "chart"
ID_CHARACTERS = 8
TRAINING = "machine_learning"  # the side of MLflow's UI that has training runs


def link(name: str, sweep_id: str, what: str = TRIALS) -> str:
    """Formats the path of a sweep's start page. `sweep_id`: tells it from others of this name; `what`: TRIALS or
    CHART."""
    parts = [PATH, quote(name, safe=""), quote(sweep_id[:ID_CHARACTERS], safe=""), *([CHART] if what == CHART else [])]
    return "/".join(parts)


def plain_address(experiment_id: str, sweep_id: str) -> str:
    """Formats the address, without server, of a sweep's runs in MLflow's UI alone, which has no view of it. MLflow 3.17
    keeps the side with training runs until the next click only."""
    options = {"searchFilter": f"tags.sweep_id = '{sweep_id}'", "workflowType": TRAINING}
    return f"/#/experiments/{experiment_id}/runs?{urlencode(options)}"
