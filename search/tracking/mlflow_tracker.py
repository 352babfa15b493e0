"""What an experiment tracker is to us, and MLflow as one. The only file that imports mlflow, which takes seconds."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from spaces.errors import ConfigError

from ..environment.store import redacted, sqlite_path

Item = TypeVar("Item")
Status = Literal["FINISHED", "FAILED", "KILLED"]
Points = Sequence[tuple[int, int, Mapping[str, float]]]  # step, Unix time in milliseconds, metrics

# Limits of mlflow 3.17 (mlflow/utils/validation.py)
KEY_CHARACTERS = 250
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000
PARAMS_PER_CALL = 100  # params or tags
METRICS_PER_CALL = 1000


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


class MlflowTracker:
    """Runs in an MLflow database or server. `artifact_root` holds the artifacts of experiments made here in a
    database; a server has its own place for them. One thread at a time."""

    def __init__(self, uri: str, artifact_root: Path) -> None:
        database = sqlite_path(uri)
        if database is not None and not database.exists():
            _make_database(database, artifact_root)
        self._has_server = uri.startswith("http")
        self._artifact_root = artifact_root
        self._client = MlflowClient(tracking_uri=uri)

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        experiment_id = self._find_experiment(experiment)
        run = None if experiment_id is None else self._find(experiment_id, key)
        return None if run is None else str(run.info.run_id)

    def open_run(self, experiment: str, key: Mapping[str, str], name: str, parent_id: str | None, ts_ms: int) -> str:
        experiment_id = self._find_experiment(experiment) or self._make_experiment(experiment)
        run = self._find(experiment_id, key)
        if run is None:
            parent = {} if parent_id is None else {"mlflow.parentRunId": parent_id}
            # The tags that identify a run go in with it: a crash in between cannot leave a run that is not found again.
            run = self._client.create_run(experiment_id, start_time=ts_ms, tags={**key, **parent}, run_name=name)
        elif run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def params(self, run_id: str, values: Mapping[str, object]) -> None:
        found = [Param(key, value) for key, value in _texts(values, PARAM_CHARACTERS).items()]
        for part in _parts(found, PARAMS_PER_CALL):
            self._client.log_batch(run_id, params=part)

    def log(self, run_id: str, points: Points) -> None:
        finite, faults = _split(points)
        metrics = [Metric(key, value, ts_ms, step) for key, step, ts_ms, value in finite]
        for part in _parts(metrics, METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics=part)
        self.tags(run_id, faults)

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        found = [RunTag(key, value) for key, value in _texts(values, TAG_CHARACTERS).items()]
        for part in _parts(found, PARAMS_PER_CALL):
            self._client.log_batch(run_id, tags=part)

    def text(self, run_id: str, text: str, file: str) -> None:
        self._client.log_text(run_id, text, file)

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        self._client.log_artifact(run_id, str(path), folder or None)

    def close(self, run_id: str, status: Status, ts_ms: int) -> None:
        self._client.set_terminated(run_id, status, end_time=ts_ms)

    def _find_experiment(self, name: str) -> str | None:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            remedy = f"restore it: mlflow experiments restore --experiment-id {experiment.experiment_id}"
            raise ConfigError(f"MLflow experiment {name}", [f"is deleted and takes no runs; {remedy}"])
        return str(experiment.experiment_id)

    def _make_experiment(self, name: str) -> str:
        location = None if self._has_server else (self._artifact_root.resolve() / name).as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    def _find(self, experiment_id: str, key: Mapping[str, str]) -> Run | None:
        assert not any("'" in value for value in key.values()), key
        has_tags = " and ".join(f"tags.`{name}` = '{value}'" for name, value in key.items())
        runs = self._client.search_runs([experiment_id], has_tags, max_results=1)
        return runs[0] if runs else None


def _make_database(path: Path, artifact_root: Path) -> None:
    """An empty store that is there whole or not at all: a process killed while MLflow makes its tables would leave a
    file that no later one can open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        made = Path(folder, path.name)
        SqlAlchemyStore(f"sqlite:///{made}", artifact_root.resolve().as_uri()).engine.dispose()
        # A link, not a rename: of two processes that make it at once, the second must not take away the first's.
        with contextlib.suppress(FileExistsError):
            os.link(made, path)


@dataclass(kw_only=True, slots=True)
class MemoryRun:
    """What a MemoryTracker knows of a run. `points`: (step, time, value) of each metric, sorted."""

    experiment: str
    name: str
    parent_id: str | None
    start_ms: int
    end_ms: int | None = None
    status: str = "RUNNING"
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class MemoryTracker:
    """Runs in memory, for tests."""

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        for run_id, run in self.runs.items():
            if run.experiment == experiment and key.items() <= run.tags.items():
                return run_id
        return None

    def open_run(self, experiment: str, key: Mapping[str, str], name: str, parent_id: str | None, ts_ms: int) -> str:
        run_id = self.find_run(experiment, key)
        if run_id is None:
            run_id = f"run-{len(self.runs)}"
            run = MemoryRun(experiment=experiment, name=name, parent_id=parent_id, start_ms=ts_ms, tags=dict(key))
            self.runs[run_id] = run
        self.runs[run_id].status = "RUNNING"
        return run_id

    def params(self, run_id: str, values: Mapping[str, object]) -> None:
        run, texts = self.runs[run_id], _texts(values, PARAM_CHARACTERS)
        changed = [key for key, text in texts.items() if run.params.get(key, text) != text]
        if changed:
            raise ValueError(f"{run_id}: params are on record with other values: {', '.join(changed)}")
        run.params |= texts

    def log(self, run_id: str, points: Points) -> None:
        run = self.runs[run_id]
        finite, faults = _split(points)
        for key, step, ts_ms, value in finite:
            run.points[key] = sorted({*run.points.get(key, ()), (step, ts_ms, value)})
        self.tags(run_id, faults)

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        self.runs[run_id].tags |= _texts(values, TAG_CHARACTERS)

    def text(self, run_id: str, text: str, file: str) -> None:
        self.runs[run_id].files[file] = text.encode()

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        self.runs[run_id].files[str(Path(folder, path.name))] = path.read_bytes()

    def close(self, run_id: str, status: Status, ts_ms: int) -> None:
        self.runs[run_id].status = status
        self.runs[run_id].end_ms = ts_ms


def _split(points: Points) -> tuple[list[tuple[str, int, int, float]], dict[str, str]]:
    """(key, step, time, value) of every finite value, and the tag that names the others."""
    every = [
        (_key(name), step, ts_ms, float(value)) for step, ts_ms, metrics in points for name, value in metrics.items()
    ]
    faults = [f"{key} = {value} at step {step}" for key, step, _, value in every if not math.isfinite(value)]
    return [point for point in every if math.isfinite(point[3])], {"non_finite": ", ".join(faults)} if faults else {}


def _texts(values: Mapping[str, object], limit: int) -> dict[str, str]:
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


def _parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
