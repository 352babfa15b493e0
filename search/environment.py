"""Variables that Ray and MLflow read when they are imported or started; what the user has set stays."""

from __future__ import annotations

import os

from .tracking_uri import environment as mlflow_environment

RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ctrl-C is ours: it ends the sweep in good order and says how to go on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Our journal holds every result; Tune's own files and tables would be a second truth.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def settle_environment() -> None:
    """To be called before Ray or MLflow is imported."""
    for name, value in {**RAY, **mlflow_environment()}.items():
        os.environ.setdefault(name, value)
