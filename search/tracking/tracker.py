"""The protocol of an experiment tracker: runs with params, tags, metrics and artifacts. Imports no mlflow."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from ..environment.store import redacted

Status = Literal["FINISHED", "FAILED", "KILLED"]
End = tuple[Status, int]  # and when, Unix time in milliseconds
Points = Sequence[tuple[int, int, Mapping[str, float]]]  # step, Unix time in milliseconds, metrics
Values = Mapping[str, object]
NONE: Values = MappingProxyType({})

# Limits of mlflow 3.17 (mlflow/utils/validation.py)
KEY_CHARACTERS = 250
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000


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


def finite_points(points: Points) -> tuple[list[tuple[str, int, int, float]], dict[str, str]]:
    """(key, step, time, value) of every finite value, and the tag that names the others of the last point with any."""
    finite: list[tuple[str, int, int, float]] = []
    tag: dict[str, str] = {}
    for step, ts_ms, metrics in points:
        values = [(_key(name), float(value)) for name, value in metrics.items()]
        finite += [(key, step, ts_ms, value) for key, value in values if math.isfinite(value)]
        faults = [f"{key} = {value} at step {step}" for key, value in values if not math.isfinite(value)]
        tag = {"non_finite": ", ".join(faults)} if faults else tag
    return finite, tag


def spelled_values(values: Values, limit: int) -> dict[str, str]:
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
