"""In-memory implementation of the Tracker protocol, for tests."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from .tracker import (
    NONE,
    PARAM_CHARACTERS,
    TAG_CHARACTERS,
    DataUsed,
    End,
    Points,
    Values,
    finite_points,
    spelled_values,
)


@dataclass(kw_only=True, slots=True)
class MemoryRun:
    """Run of a MemoryTracker. `points`: per metric, the sorted (step, time in ms, value)."""

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
    data: set[DataUsed] = field(default_factory=set)


class MemoryTracker:
    """Stores runs in memory; implements Tracker, for tests."""

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
        run_id, every = f"run-{next(self._made)}", spelled_values(tags, TAG_CHARACTERS)
        self.runs[run_id] = MemoryRun(experiment=experiment, name=name, parent_id=parent_id, start_ms=ts_ms, tags=every)
        return run_id

    def reopen(self, run_id: str) -> None:
        self.runs[run_id].status = "RUNNING"

    def write(
        self, run_id: str, params: Values = NONE, tags: Values = NONE, points: Points = (), end: End | None = None
    ) -> None:
        run, texts = self.runs[run_id], spelled_values(params, PARAM_CHARACTERS)
        changed = [key for key, text in texts.items() if run.params.get(key, text) != text]
        if changed:
            raise ValueError(f"{run_id}: params are on record with other values: {', '.join(changed)}")
        run.params |= texts
        finite, faults = finite_points(points)
        for key, step, ts_ms, value in finite:
            run.points[key] = sorted({*run.points.get(key, ()), (step, ts_ms, value)})
        run.tags |= spelled_values({**faults, **tags}, TAG_CHARACTERS)
        if end is not None:
            run.status, run.end_ms = end

    def data(self, run_id: str, data: DataUsed) -> None:
        self.runs[run_id].data.add(data)

    def text(self, run_id: str, text: str, file: str) -> None:
        self.runs[run_id].files[file] = text.encode()

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        self.runs[run_id].files[str(Path(folder, path.name))] = path.read_bytes()

    def together(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()
