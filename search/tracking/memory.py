"""A tracker in memory, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .tracker import PARAM_CHARACTERS, TAG_CHARACTERS, Points, Status, finite_points, spelled_values


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
        run, texts = self.runs[run_id], spelled_values(values, PARAM_CHARACTERS)
        changed = [key for key, text in texts.items() if run.params.get(key, text) != text]
        if changed:
            raise ValueError(f"{run_id}: params are on record with other values: {', '.join(changed)}")
        run.params |= texts

    def log(self, run_id: str, points: Points) -> None:
        run = self.runs[run_id]
        finite, faults = finite_points(points)
        for key, step, ts_ms, value in finite:
            run.points[key] = sorted({*run.points.get(key, ()), (step, ts_ms, value)})
        self.tags(run_id, faults)

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        self.runs[run_id].tags |= spelled_values(values, TAG_CHARACTERS)

    def text(self, run_id: str, text: str, file: str) -> None:
        self.runs[run_id].files[file] = text.encode()

    def artifact(self, run_id: str, path: Path, folder: str) -> None:
        self.runs[run_id].files[str(Path(folder, path.name))] = path.read_bytes()

    def close(self, run_id: str, status: Status, ts_ms: int) -> None:
        self.runs[run_id].status = status
        self.runs[run_id].end_ms = ts_ms
