"""Environment variables that Ray and MLflow read at import or start; values set by the user are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .store import environment as mlflow_environment

ROOT = Path(__file__).resolve().parents[2]  # the repository
ARENAS, AUTH_MODE = "MALLOC_ARENA_MAX", "RAY_AUTH_MODE"
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # A machine that is busy, or has a tenth of a core, is not broken: Ray's own patience (seconds: 30 until a node
    # counts as started, 30 for its GCS, 60 for a worker; 5 missed signs of life of 10) ends sweeps there.
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_gcs_server_port_wait_time_s": "240",
    "RAY_gcs_server_request_timeout_seconds": "600",
    "RAY_gcs_rpc_server_connect_timeout_s": "600",
    "RAY_worker_register_timeout_seconds": "900",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_health_check_initial_delay_ms": "60000",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "30",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray would start a process for each CPU ahead of time. None of them is used: those of trials have an environment of
    # their own.
    "RAY_prestart_worker_first_driver": "0",
    # Ctrl-C is ours: it ends the sweep in good order and says how to go on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Our journal holds every result; Tune's own files and tables would be a second truth.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
    # As many as the conductor hands out: of searchers like ours Tune would start one process after another.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    # Each trial of a reused process runs in a thread of its own, to which the C library gives an arena of its own, and
    # keeps what it freed: 50 MB a trial with GraFormer, up to 8 arenas a core.
    ARENAS: "2",
}


def settle_environment() -> None:
    """Sets the environment variables of Ray and MLflow that the user has not set. Call it before importing either."""
    for name, value in {**RAY, **auth(), **mlflow_environment()}.items():
        os.environ.setdefault(name, value)


def home() -> Path:
    """Returns the folder from which relative paths and mlruns/ count: the working directory, or, in a submitted job,
    the repository that it was copied from (POSESWEEP_HOME)."""
    return Path(os.environ.get("POSESWEEP_HOME") or Path.cwd())


def is_job() -> bool:
    """Returns whether this process is a submitted job of a Ray cluster."""
    return "POSESWEEP_HOME" in os.environ


def auth() -> dict[str, str]:
    """Returns the environment variables that enable Ray's token authentication; {} if no token is found. Ray's clients
    send a token only if told to by these."""
    is_found = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH") or token_file().is_file()
    return {AUTH_MODE: "token"} if is_found else {}


def token_file() -> Path:
    """Returns the file with the token of Ray's clients, where none is in the environment: RAY_AUTH_TOKEN_PATH, or
    `.ray/auth_token` below the home folder."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def pins() -> dict[str, str]:
    """Parses requirements.txt and returns package -> pinned version."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE))


LOOPBACK = "127.0.0.1"
