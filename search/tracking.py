"""What an experiment tracker is to us, and MLflow as one. With `one_transaction` the only file that imports mlflow,
which takes seconds."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from spaces.schema import ConfigError

from .one_transaction import one_transaction
from .tracking_uri import redacted, sqlite_path

Status = Literal["FINISHED", "FAILED", "KILLED"]
End = tuple[Status, int]  # and when, Unix time in milliseconds
Points = Sequence[tuple[int, int, Mapping[str, float]]]  # step, Unix time in milliseconds, metrics
Values = Mapping[str, object]
NONE: Values = MappingProxyType({})

# Limits of mlflow 3.17 (mlflow/utils/validation.py)
KEY_CHARACTERS = 250
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000
RUNS_PER_PAGE = 200  # with all that they hold, which a server must answer within its time limit


class Tracker(Protocol):
    """Runs, found again by their tags. Every call but `make_run` may be repeated: nothing comes twice. Any call may
    raise anything.

    Values are written as `--set` reads them, cut to mlflow's limits; characters that it refuses in keys become '_'."""

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        """The run with all tags of `key`, as it is; None when there is none."""

    def find_runs(self, experiment: str, key: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Every run with all tags of `key`, with all its tags; of several that began at one time any goes first."""

    def make_run(self, experiment: str, name: str, parent_id: str | None, ts_ms: int, tags: Values) -> str:
        """A new run, RUNNING."""

    def reopen(self, run_id: str) -> None:
        """Makes a run that had ended RUNNING again."""

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        """Adds to a run, and ends it.

        Params: another value for one that is on record is an error. Tags: the last value stands. Points: one that is
        on record already (same key, step, time, value) is dropped; a value that is not finite cannot be drawn or
        ranked, and the last point that has any names them in the tag `non_finite` instead."""

    def text(self, run_id: str, text: str, file: str) -> None:
        """A small file among the run's artifacts; the last content stands."""

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        """A copy of a file in a folder ('' for the top) of the run's artifacts."""

    def together(self) -> AbstractContextManager[None]:
        """A block whose calls, artifacts apart, cost less; where the store can, all of them arrive or none."""


class MlflowTracker:
    """Runs in an MLflow database or server. `artifact_root` holds the artifacts of experiments made here in a
    database; a server has its own place for them. One thread at a time."""

    def __init__(self, uri: str, artifact_root: Path) -> None:
        database = sqlite_path(uri)
        if database is not None and not database.exists():
            _make_database(database, artifact_root)
        self._has_server = uri.startswith("http")
        self._artifact_root = artifact_root
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._store = self._client._tracking_client.store if database is not None else None
        self._experiments: dict[str, str] = {}
        self._artifact_uris: dict[str, str] = {}

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
        every = {**_texts(tags, TAG_CHARACTERS), **parent}
        try:
            run = self._client.create_run(experiment_id, start_time=ts_ms, tags=every, run_name=name)
        except MlflowException:
            self._find_experiment(experiment)  # says what to do when somebody deleted it
            raise
        self._artifact_uris[run.info.run_id] = run.info.artifact_uri
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        finite, faults = _split(points)
        if end is not None and self._store is not None:
            # In one transaction nobody sees the order, and the answer to an end lists all that the run has by then.
            self._client.set_terminated(run_id, end[0], end_time=end[1])
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, ts_ms, step) for key, step, ts_ms, value in finite],
            params=[Param(key, text) for key, text in _texts(params, PARAM_CHARACTERS).items()],
            tags=[RunTag(key, text) for key, text in _texts({**faults, **tags}, TAG_CHARACTERS).items()],
        )
        if end is not None and self._store is None:
            self._client.set_terminated(run_id, end[0], end_time=end[1])

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

    def together(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self._store is None else one_transaction(self._store)

    def _find_experiment(self, name: str) -> str | None:
        self._experiments.pop(name, None)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            remedy = f"restore it: mlflow experiments restore --experiment-id {experiment.experiment_id}"
            raise ConfigError(f"MLflow experiment {name}", [f"is deleted and takes no runs; {remedy}"])
        self._experiments[name] = str(experiment.experiment_id)
        return self._experiments[name]

    def _make_experiment(self, name: str) -> str:
        location = None if self._has_server else (self._artifact_root.resolve() / name).as_uri()
        self._experiments[name] = str(self._client.create_experiment(name, artifact_location=location))
        return self._experiments[name]


def _has(key: Mapping[str, str]) -> str:
    """MLflow's filter for runs with these tags."""
    assert not any("'" in value for value in key.values()), key
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in key.items())


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
        self._made = itertools.count()

    def find_run(self, experiment: str, key: Mapping[str, str]) -> str | None:
        for run_id, run in self.runs.items():
            if run.experiment == experiment and key.items() <= run.tags.items():
                return run_id
        return None

    def find_runs(self, experiment: str, key: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        has = key.items()
        return {
            name: run.tags
            for name, run in self.runs.items()
            if run.experiment == experiment and has <= run.tags.items()
        }

    def make_run(self, experiment: str, name: str, parent_id: str | None, ts_ms: int, tags: Values) -> str:
        run_id, every = f"run-{next(self._made)}", _texts(tags, TAG_CHARACTERS)
        self.runs[run_id] = MemoryRun(experiment=experiment, name=name, parent_id=parent_id, start_ms=ts_ms, tags=every)
        return run_id

    def reopen(self, run_id: str) -> None:
        self.runs[run_id].status = "RUNNING"

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        run, texts = self.runs[run_id], _texts(params, PARAM_CHARACTERS)
        changed = [key for key, text in texts.items() if run.params.get(key, text) != text]
        if changed:
            raise ValueError(f"{run_id}: params are on record with other values: {', '.join(changed)}")
        run.params |= texts
        finite, faults = _split(points)
        for key, step, ts_ms, value in finite:
            run.points[key] = sorted({*run.points.get(key, ()), (step, ts_ms, value)})
        run.tags |= _texts({**faults, **tags}, TAG_CHARACTERS)
        if end is not None:
            run.status, run.end_ms = end

    def text(self, run_id: str, text: str, file: str) -> None:
        self.runs[run_id].files[file] = text.encode()

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        self.runs[run_id].files[str(Path(folder, path.name))] = path.read_bytes()

    def together(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


def _split(points: Points) -> tuple[list[tuple[str, int, int, float]], dict[str, str]]:
    """(key, step, time, value) of every finite value, and the tag that names the others of the last point with any."""
    finite: list[tuple[str, int, int, float]] = []
    tag: dict[str, str] = {}
    for step, ts_ms, metrics in points:
        values = [(_key(name), float(value)) for name, value in metrics.items()]
        finite += [(key, step, ts_ms, value) for key, value in values if math.isfinite(value)]
        faults = [f"{key} = {value} at step {step}" for key, value in values if not math.isfinite(value)]
        tag = {"non_finite": ", ".join(faults)} if faults else tag
    return finite, tag


def _texts(values: Values, limit: int) -> dict[str, str]:
    texts = {_key(name): redacted(_spelled(value)) for name, value in values.items()}
    return {key: text if len(text) <= limit else text[: limit - 3] + "..." for key, text in texts.items()}


def _spelled(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_spelled, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


@functools.lru_cache(4096)
def _key(name: str) -> str:
    """Mlflow takes letters, digits and ' _-.:/', and no name that a file system would read as another."""
    steps = re.sub(r"[^\w./: -]", "_", name).split("/")
    return "/".join(step for step in steps if step not in ("", ".", ".."))[:KEY_CHARACTERS].rstrip("/") or "_"
