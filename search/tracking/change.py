"""Changes to a run of the tracker, as they follow from records of a sweep."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..decisions.fronts import front_of
from ..record.trial import Trial
from .tracker import DataUsed, Status


@dataclass(kw_only=True, slots=True)
class Change:
    """Changes to one run that result from one record or several consecutive ones. `number`: its trial, None for the
    sweep's own run; `ts_ms`: Unix time in milliseconds.

    `config`: config of a newly created trial, or the plan of a sweep, logged as params. `points`: (step, time in ms,
    metrics). `end`: final status, or SCHEDULED of a paused trial, and its time in ms. `goes_on`: the run is set to
    RUNNING after that. `texts`: small text artifacts by name, and `late`: tags, built when they are sent. `files`: path
    in the trial's folder -> description. `data`: the data set of a newly created run."""

    number: int | None
    ts_ms: int
    tags: dict[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    points: list[tuple[int, int, Mapping[str, float]]] = field(default_factory=list)
    end: tuple[Status, int] | None = None
    goes_on: bool = False
    texts: dict[str, Callable[[], str]] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    late: dict[str, Callable[[], object]] = field(default_factory=dict)
    data: DataUsed | None = None

    def add(self, later: Change) -> None:
        """Merges a later change of the same run into this one."""
        self.tags |= later.tags
        self.config = later.config or self.config
        self.points += later.points
        if later.end is not None:
            self.end, self.goes_on = later.end, False
        self.goes_on |= later.goes_on
        self.texts |= later.texts
        self.files |= later.files
        self.late |= later.late
        self.data = later.data or self.data

    def every_tag(self) -> dict[str, Any]:
        """Returns the tags with those that are built now."""
        return {**self.tags, **{name: build() for name, build in self.late.items()}}


def add_front(change: Change, objectives: Sequence[str], trials: Iterable[Trial]) -> None:
    """Adds the front of several objectives to a change of the sweep's own run: the tag `front` with the numbers of its
    trials, the table `front.csv`, the number of its trials and the lowest value of each objective as metrics."""
    front = front_of(trials, objectives)
    rows = [[trial.number, trial.state, *(trial.measured(name) for name in objectives)] for trial in front]
    change.tags["front"] = ",".join(str(trial.number) for trial in front)
    values = {"front/trials": float(len(front))}
    for name in objectives if front else ():
        values[f"front/{name}"] = min(trial.measured(name) or 0.0 for trial in front)
    change.points.append((0, change.ts_ms, values))
    change.texts["front.csv"] = lambda: _table(["trial", "state", *objectives], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
