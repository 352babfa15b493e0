"""MLflow implementation of the Tracker protocol: all writes to MLflow go through here. Together with `one_transaction`
the only file that imports mlflow, which takes seconds."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import mlflow
from alembic.config import Config
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from ..environment.store import sqlite_path, sqlite_uri
from .moves import follow_move
from .one_transaction import dataset_of, link_dataset, one_transaction
from .tracker import (
    NONE,
    PARAM_CHARACTERS,
    TAG_CHARACTERS,
    DataUsed,
    DeletedExperiment,
    End,
    Points,
    Values,
    finite_points,
    spelled_values,
)

DATA_TAGS = {"mlflow.data.context": "training"}
RUNS_PER_PAGE = 200  # with all that they hold, which a server must answer within its time limit


class MlflowTracker:
    """Writes runs to an MLflow database or server at `uri`, a resolved tracking URI; a missing sqlite file is created.
    `artifact_root`: folder for the artifacts of new experiments in a database; a server has its own. Not thread-safe.
    Raises MLflow's exceptions and sqlite3's, and DeletedExperiment."""

    def __init__(self, uri: str, artifact_root: Path) -> None:
        database = sqlite_path(uri)
        _escape_script_location()
        if database is not None:
            if database.exists():
                follow_move(database, artifact_root)
            else:
                _make_database(database, artifact_root)
        self._has_server = uri.startswith("http")
        self._artifact_root = artifact_root
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._store = self._client._tracking_client.store if database is not None else None
        self._experiments: dict[str, str] = {}
        self._artifact_uris: dict[str, str] = {}
        # Of the present transaction, which may be rolled back: runs that it made without data, and data sets by id.
        self._made: set[str] = set()
        self._datasets: dict[DataUsed, str] = {}

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        experiment_id = self._find_experiment(experiment)
        found = [] if experiment_id is None else self._client.search_runs([experiment_id], _has(key), max_results=1)
        return str(found[0].info.run_id) if found else None

    def find_runs(self, experiment: str, key: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        experiment_id, token = self._find_experiment(experiment), None
        found: dict[str, Mapping[str, str]] = {}
        while experiment_id is not None:
            page = self._client.search_runs([experiment_id], _has(key), max_results=RUNS_PER_PAGE, page_token=token)
            found |= {str(run.info.run_id): run.data.tags for run in page}
            token = page.token
            if not token:
                break
        return found

    def make_run(self, experiment: str, name: str, parent_id: str | None, ts_ms: int, tags: Values) -> str:
        experiment_id = self._experiments.get(experiment) or self._find_experiment(experiment)
        experiment_id = experiment_id or self._make_experiment(experiment)
        parent = {} if parent_id is None else {"mlflow.parentRunId": parent_id}
        # The tags that identify a run go in with it: a crash in between cannot leave a run that is not found again.
        every = {**spelled_values(tags, TAG_CHARACTERS), **parent}
        try:
            run = self._client.create_run(experiment_id, start_time=ts_ms, tags=every, run_name=name)
        except MlflowException:
            self._find_experiment(experiment)  # says what to do when somebody deleted it
            raise
        self._artifact_uris[run.info.run_id] = run.info.artifact_uri
        self._made.add(str(run.info.run_id))
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        finite, faults = finite_points(points)
        if end is not None and self._store is not None:
            # In one transaction nobody sees the order, and the answer to an end lists all that the run has by then.
            self._client.set_terminated(run_id, end[0], end_time=end[1])
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, ts_ms, step) for key, step, ts_ms, value in finite],
            params=[Param(key, text) for key, text in spelled_values(params, PARAM_CHARACTERS).items()],
            tags=[RunTag(key, text) for key, text in spelled_values({**faults, **tags}, TAG_CHARACTERS).items()],
        )
        if end is not None and self._store is None:
            self._client.set_terminated(run_id, end[0], end_time=end[1])

    def data(self, run_id: str, data: DataUsed) -> None:
        known, is_new = self._datasets.get(data), run_id in self._made
        self._made.discard(run_id)
        if self._store is not None and known is not None and is_new:
            link_dataset(self._store, run_id, known, DATA_TAGS)
            return
        used = Dataset(name=data.name, digest=data.digest, source_type="local", source=data.facts)
        self._client.log_inputs(run_id, [DatasetInput(used, [InputTag(*tag) for tag in DATA_TAGS.items()])])
        if self._store is not None and is_new:
            self._datasets[data] = dataset_of(self._store, run_id)

    def text(self, run_id: str, text: str, file: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            path.write_text(text, encoding="utf-8")
            self.artifact(run_id, path, "")

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        # The client would fetch the whole run, only to learn where its artifacts are.
        if run_id not in self._artifact_uris:
            self._artifact_uris[run_id] = self._client.get_run(run_id).info.artifact_uri
        place = get_artifact_repository(self._artifact_uris[run_id], tracking_uri=self._uri)
        place.log_artifact(str(path), folder or None)

    def delete(self, experiment: str, key: Mapping[str, str]) -> int:
        """Marks all runs with all tags of `key` as deleted, as MLflow's UI does, and returns their number."""
        found = self.find_runs(experiment, key)
        for run_id in found:
            self._client.delete_run(run_id)
        return len(found)

    def restore(self, experiment: str) -> bool:
        """Restores an experiment and its runs if they were deleted; returns whether they were."""
        found = self._client.get_experiment_by_name(experiment)
        if found is None or found.lifecycle_stage != "deleted":
            return False
        self._client.restore_experiment(found.experiment_id)
        return True

    def together(self) -> AbstractContextManager[None]:
        self._made.clear()
        self._datasets.clear()
        return contextlib.nullcontext() if self._store is None else one_transaction(self._store)

    def _find_experiment(self, name: str) -> str | None:
        self._experiments.pop(name, None)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            raise DeletedExperiment(name)
        self._experiments[name] = str(experiment.experiment_id)
        return self._experiments[name]

    def _make_experiment(self, name: str) -> str:
        location = None if self._has_server else (self._artifact_root.resolve() / name).as_uri()
        self._experiments[name] = str(self._client.create_experiment(name, artifact_location=location))
        return self._experiments[name]


def _has(key: Mapping[str, str]) -> str:
    """Builds the MLflow filter string for runs with all these tags."""
    assert not any("'" in value for value in key.values()), key
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in key.items())


@functools.cache
def _escape_script_location() -> None:
    """Lets MLflow open databases where its own package lies below a folder with a '%' in its name: of what it tells
    alembic it escapes the address of the database, and not the path of its scripts."""
    if "%" not in mlflow.__file__:
        return
    config: Any = Config
    plain = config.set_main_option

    def set_main_option(self: Any, name: str, value: str) -> None:
        plain(self, name, value.replace("%", "%%") if name == "script_location" else value)

    config.set_main_option = set_main_option


def _make_database(path: Path, artifact_root: Path) -> None:
    """Creates an empty MLflow sqlite store atomically: a process killed while MLflow creates its tables would leave a
    file that cannot be opened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        made = Path(folder, path.name)
        SqlAlchemyStore(sqlite_uri(made), artifact_root.resolve().as_uri()).engine.dispose()
        # A link, not a rename: of two processes that make it at once, the second must not take away the first's.
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
