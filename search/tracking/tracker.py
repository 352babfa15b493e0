"""Protocol of an experiment tracker: runs with params, tags, metrics and artifacts. Imports no mlflow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from spaces.errors import ConfigError

from ..environment.store import redacted
from .names import key_of

Status = Literal["FINISHED", "FAILED", "KILLED", "SCHEDULED"]
End = tuple[Status, int]  # and when, Unix time in milliseconds
Points = Sequence[tuple[int, int, Mapping[str, float]]]  # step, Unix time in milliseconds, metrics
Values = Mapping[str, object]
NONE: Values = MappingProxyType({})

# Limits of mlflow 3.17 (mlflow/utils/validation.py)
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000


class DeletedExperiment(ConfigError):
    """Raised when runs are sent to an experiment that somebody deleted, which MLflow keeps and can restore."""

    def __init__(self, experiment: str) -> None:
        super().__init__(f"MLflow experiment {experiment}", ["is deleted and takes no runs"])


@dataclass(frozen=True, kw_only=True, slots=True)
class DataUsed:
    """Data set that runs use. `name`: its name; `digest`: its fingerprint; `facts`: further provenance, JSON."""

    name: str
    digest: str
    facts: str


class Tracker(Protocol):
    """Experiment tracker whose runs are identified by tags. Every call but `make_run` is idempotent. Any call may raise
    any exception.

    Values are written as `--set` reads them, truncated to MLflow's limits; names become keys that MLflow takes
    (`names.key_of`). Times are Unix times in milliseconds."""

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        """Returns the id of a run with all tags of `key`, without changing the run; None if there is none."""

    def find_runs(self, experiment: str, key: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Returns the ids of all runs with all tags of `key`, each with all of its tags; runs with the same start time
        come in any order."""

    def make_run(self, experiment: str, name: str, parent_id: str | None, ts_ms: int, tags: Values) -> str:
        """Creates a run with status RUNNING and returns its id. `parent_id`: run to nest it under (None: none);
        `ts_ms`: start time."""

    def reopen(self, run_id: str) -> None:
        """Sets the status of an ended run back to RUNNING."""

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        """Adds params, tags and metric points to a run and, with `end`, ends it.

        Params: another value for a recorded one is an error. Tags: the last value stands. Points: one that is recorded
        already (same key, step, time, value) is dropped; values that are not finite are omitted, and the tag
        `non_finite` names those of the last point that has any."""

    def data(self, run_id: str, data: DataUsed) -> None:
        """Notes the data set that a run uses as its input; the same one twice counts once."""

    def text(self, run_id: str, text: str, file: str) -> None:
        """Writes the text artifact `file` of a run, replacing an earlier one."""

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        """Copies the file at `path` to a folder of the run's artifacts ('': the root)."""

    def together(self) -> AbstractContextManager[None]:
        """Returns a context manager in which the calls, artifacts apart, are batched; where the store allows, all are
        committed or none."""


def finite_points(points: Points) -> tuple[list[tuple[str, int, int, float]], dict[str, str]]:
    """Splits metric points: returns (key, step, time in ms, value) of every finite value, and the tag `non_finite` that
    names the values that are not finite of the last point that has any ({} if all are finite)."""
    finite: list[tuple[str, int, int, float]] = []
    tag: dict[str, str] = {}
    for step, ts_ms, metrics in points:
        values = [(key_of(name), float(value)) for name, value in metrics.items()]
        finite += [(key, step, ts_ms, value) for key, value in values if math.isfinite(value)]
        faults = [f"{key} = {value} at step {step}" for key, value in values if not math.isfinite(value)]
        tag = {"non_finite": ", ".join(faults)} if faults else tag
    return finite, tag


def spelled_values(values: Values, limit: int) -> dict[str, str]:
    texts = {key_of(name): redacted(_spelled(value)) for name, value in values.items()}
    return {key: text if len(text) <= limit else text[: limit - 3] + "..." for key, text in texts.items()}


def _spelled(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_spelled, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
