"""What an experiment tracker is to us, and MLflow as one. The only file that imports mlflow, which takes seconds."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from spaces.errors import ConfigError

from ..environment.store import sqlite_path
from .tracker import PARAM_CHARACTERS, TAG_CHARACTERS, Points, Status, finite_points, spelled_values

Item = TypeVar("Item")

PARAMS_PER_CALL = 100  # params or tags
METRICS_PER_CALL = 1000


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
        found = [Param(key, value) for key, value in spelled_values(values, PARAM_CHARACTERS).items()]
        for part in _parts(found, PARAMS_PER_CALL):
            self._client.log_batch(run_id, params=part)

    def log(self, run_id: str, points: Points) -> None:
        finite, faults = finite_points(points)
        metrics = [Metric(key, value, ts_ms, step) for key, step, ts_ms, value in finite]
        for part in _parts(metrics, METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics=part)
        self.tags(run_id, faults)

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        found = [RunTag(key, value) for key, value in spelled_values(values, TAG_CHARACTERS).items()]
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


def _parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
