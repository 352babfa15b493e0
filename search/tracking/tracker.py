"""What an experiment tracker is to us. Imports no mlflow."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from ..environment.store import redacted

Status = Literal["FINISHED", "FAILED", "KILLED"]
Points = Sequence[tuple[int, int, Mapping[str, float]]]  # step, Unix time in milliseconds, metrics
# Limits of mlflow 3.17 (mlflow/utils/validation.py)
KEY_CHARACTERS = 250
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000


class Tracker(Protocol):
    """Runs, found again by their tags. Every call may be repeated: nothing comes twice. Any call may raise anything.

    Values are written as `--set` reads them, cut to mlflow's limits; characters that it refuses in keys become '_'."""

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        """The run with all tags of `key`, as it is; None when there is none."""

    def open_run(self, experiment: str, key: Mapping[str, str], name: str, parent_id: str | None, ts_ms: int) -> str:
        """The run with all tags of `key`, made when there is none, and RUNNING again if it had ended."""

    def params(self, run_id: str, values: Mapping[str, object]) -> None:
        """Parameters; another value for one that is on record is an error."""

    def log(self, run_id: str, points: Points) -> None:
        """Metrics. A point that is on record already (same key, step, time, value) is dropped; a value that is not
        finite cannot be drawn or ranked and goes into the tag `non_finite` instead."""

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        """Tags; the last value stands."""

    def text(self, run_id: str, text: str, file: str) -> None:
        """A small file among the run's artifacts; the last content stands."""

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        """A copy of a file in a folder ('' for the top) of the run's artifacts."""

    def close(self, run_id: str, status: Status, ts_ms: int) -> None:
        """Ends the run."""


def finite_points(points: Points) -> tuple[list[tuple[str, int, int, float]], dict[str, str]]:
    """(key, step, time, value) of every finite value, and the tag that names the others."""
    every = [
        (_key(name), step, ts_ms, float(value)) for step, ts_ms, metrics in points for name, value in metrics.items()
    ]
    faults = [f"{key} = {value} at step {step}" for key, step, _, value in every if not math.isfinite(value)]
    return [point for point in every if math.isfinite(point[3])], {"non_finite": ", ".join(faults)} if faults else {}


def spelled_values(values: Mapping[str, object], limit: int) -> dict[str, str]:
    texts = {_key(name): redacted(_spelled(value)) for name, value in values.items()}
    return {key: text if len(text) <= limit else text[: limit - 3] + "..." for key, text in texts.items()}


def _spelled(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_spelled, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _key(name: str) -> str:
    """Mlflow takes letters, digits and ' _-.:/', and no name that a file system would read as another."""
    steps = re.sub(r"[^\w./: -]", "_", name).split("/")
    return "/".join(step for step in steps if step not in ("", ".", ".."))[:KEY_CHARACTERS].rstrip("/") or "_"
