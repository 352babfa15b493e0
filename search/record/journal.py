"""The append-only record of a sweep, its only truth: one JSON object a line, on disk before anyone acts on it.

Kinds of records, all with `ts_ms` (Unix time in milliseconds):
  sweep    {id, name, model, plan, space, base, facts}   first line; `plan` is the SweepConfig, `base` the recipe
  trial    {trial, point, config_id, config}             a trial is born; config is the whole nested TrainConfig
  attempt  {trial, attempt, after_epoch}                 somebody starts training it, from that epoch on
  epoch    {trial, epoch, metrics, seconds, lr, loss}    one epoch is done
  test     {trial, metrics}                              frame and action means on the test subjects, by `confirm`
  end      {trial, state, epoch, reason}                 finished, pruned, diverged, failed or stopped
  close    {reason, best, pictures}                      the sweep ended: done, time budget, or interrupted; whether
                                                         there are pictures beside the weights of the best
  open     {}                                            the sweep goes on after a close or a crash
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from data.errors import DataError
from spaces.errors import ConfigError

FILE = "journal.jsonl"
ENDED = ("finished", "pruned", "diverged", "failed")  # a stopped trial was cut short from outside and may go on

Record = dict[str, Any]


@dataclass(slots=True)
class Trial:
    """One configuration and what became of it. `epochs`: epoch -> metrics, in order."""

    number: int
    point: dict[str, Any]
    config: dict[str, Any]
    config_id: str
    state: str = "waiting"
    reason: str = ""
    attempts: int = 0
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    test: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def last_epoch(self) -> int:
        """The last epoch on record; 0 before the first."""
        return max(self.epochs, default=0)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left to run."""
        return self.state in ENDED

    def scores(self, objective: str) -> dict[int, float]:
        """Epoch -> value of the objective; a value that is not finite is no score."""
        found = {epoch: metrics[objective] for epoch, metrics in self.epochs.items() if objective in metrics}
        return {epoch: value for epoch, value in found.items() if math.isfinite(value)}

    def score(self, objective: str) -> float | None:
        """The value of the objective at its best epoch; None before the first."""
        best = self.best_epoch(objective)
        return None if best is None else self.scores(objective)[best]

    def best_epoch(self, objective: str) -> int | None:
        """The first epoch with the lowest value of the objective, or, as its config says, the last one that has any."""
        scores = self.scores(objective)
        if not scores:
            return None
        keeps_last = self.config.get("loop", {}).get("keep") == "last"
        return max(scores) if keeps_last else min(scores, key=scores.__getitem__)


class Journal:
    """A sweep's records and the trials that they make. Reading needs no lock; writing takes it for good."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._replay()

    def _replay(self) -> int:
        """Takes in all that is on disk; its length in bytes, without a torn last line."""
        self.sweep: Record = {}
        self.trials: dict[int, Trial] = {}
        self.is_closed = False
        self.close_reason = ""
        length = 0
        for record, size in read_records(self.path):
            self._take(record)
            length += size
        return length

    def lock(self) -> None:
        """Opens the journal for writing; ConfigError when another process has it. A torn last line is cut off."""
        file = open(self.path, "ab")  # noqa: SIM115 (held until `unlock`)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ConfigError(
                str(self.path.parent), ["is being run by another process; wait for it or stop it"]
            ) from None
        # Read again: its last writer may have gone on after this journal was first read.
        file.truncate(self._replay())
        self._file = file

    def unlock(self) -> None:
        """Lets others write."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def append(self, kind: str, **fields: Any) -> Record:
        """Writes one record through to the disk, then takes it into account, as a replay would read it."""
        assert self._file is not None, "the journal is not locked for writing"
        line = json.dumps({"kind": kind, "ts_ms": time.time_ns() // 1_000_000, **fields})
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        record: Record = json.loads(line)
        self._take(record)
        return record

    def _take(self, record: Record) -> None:
        match record["kind"]:
            case "sweep":
                self.sweep = record
            case "trial":
                number = record["trial"]
                self.trials[number] = Trial(number, record["point"], record["config"], record["config_id"])
            case "attempt":
                trial = self.trials[record["trial"]]
                trial.state, trial.reason, trial.attempts = "running", "", record["attempt"]
            case "epoch":
                self.trials[record["trial"]].epochs[record["epoch"]] = record["metrics"]
            case "test":
                self.trials[record["trial"]].test = record["metrics"]
            case "end":
                trial = self.trials[record["trial"]]
                trial.state, trial.reason = record["state"], record["reason"]
            case "close":
                self.is_closed, self.close_reason = True, record["reason"]
            case "open":
                self.is_closed = False

    def leaderboard(self, objective: str) -> list[Trial]:
        """Trials from best to worst; those without a score last, by number."""

        def rank(trial: Trial) -> tuple[float, int]:
            score = trial.score(objective)
            return (float("inf") if score is None else score, trial.number)

        return sorted(self.trials.values(), key=rank)

    def best(self, objective: str) -> Trial | None:
        """The trial with the lowest score; None before the first epoch of the sweep."""
        first = next(iter(self.leaderboard(objective)), None)
        return first if first is not None and first.score(objective) is not None else None


def read_records(path: Path, offset: int = 0) -> Iterator[tuple[Record, int]]:
    """Each whole record from a byte offset on, with its length in bytes; a torn last line is left out."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                raise DataError(
                    str(path), ["is damaged: a line in its middle is no JSON; restore it from a backup"]
                ) from None
            yield record, len(line)


def create(folder: Path, sweep: Mapping[str, Any]) -> Journal:
    """A new journal, locked, with its first record; FileExistsError when the folder holds one already."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).touch(exist_ok=False)
    journal = Journal(folder / FILE)
    journal.lock()
    journal.append("sweep", **sweep)
    return journal


def trial_folder(folder: Path, trial: int) -> Path:
    """Where a trial of the sweep in `folder` keeps its weights and state."""
    return folder / "trials" / f"{trial:04d}"


def sweeps(storage: Path) -> list[Path]:
    """Folders of all sweeps under a storage folder, oldest first."""
    born = {file.parent: birth(file) for file in storage.glob(f"*/{FILE}")}
    return [folder for _, folder in sorted((ts_ms, folder) for folder, ts_ms in born.items() if ts_ms is not None)]


def birth(file: Path) -> int | None:
    """When a sweep began, Unix time in milliseconds; None when its first record is not on disk."""
    first = next(read_records(file), None)
    return None if first is None else int(first[0]["ts_ms"])
