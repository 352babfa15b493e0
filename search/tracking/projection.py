"""What a sweep's journal looks like in the tracker: one run per sweep, one child per trial, never two."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spaces.schema import flat

from ..environment.store import redacted
from ..record.journal import Record, Trial, trial_folder
from .tracker import Tracker

WEIGHTS = Path("best.safetensors")
PICTURE = Path("pictures", "val.png")  # in the folder of a run, and among its artifacts
REASON_CHARACTERS = 500


class SweepRuns:
    """The runs that a sweep's records make: `remember` each record in its order, then `send` it, as often as needed.

    One run per sweep with one child per trial; a sweep of a single trial (`train`) is that trial's run alone."""

    def __init__(self, folder: Path, tracker: Tracker, objective: str, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._tracker = tracker
        self._complain = complain
        self._best = f"best/{objective}"
        self._objective = objective
        self._sweep: Record = {}
        self._trials: dict[int, Trial] = {}
        self._runs: dict[int | None, str] = {}  # None: the sweep's own

    @property
    def _is_single(self) -> bool:
        return bool(self._sweep.get("single"))

    def remember(self, record: Record) -> None:
        """Takes a record into account without telling the tracker. A second time changes nothing."""
        match record["kind"]:
            case "sweep":
                self._sweep = record
            case "trial":
                number = record["trial"]
                self._trials[number] = Trial(number, record["point"], record["config"], record["config_id"])
            case "attempt":
                self._trials[record["trial"]].state = "running"
            case "epoch":
                self._trials[record["trial"]].epochs[record["epoch"]] = record["metrics"]
            case "end":
                self._trials[record["trial"]].state = record["state"]

    def is_known(self) -> bool:
        """Whether the tracker has the sweep's run: false for a store that was emptied."""
        return self._tracker.find_run(self._sweep["model"], self._key(self._number_of(self._sweep))) is not None

    def forget_runs(self) -> None:
        """Looks every run up again: one may have been deleted."""
        self._runs.clear()

    def send(self, records: Sequence[Record]) -> None:
        """One record, or epochs of any trials. Artifacts go last: should they fail, all else is there."""
        record = records[0]
        match record["kind"]:
            case "sweep" | "open" if not self._is_single:
                self._open_sweep(record["ts_ms"])
            case "trial":
                self._open_trial(record["trial"], record["ts_ms"])
            case "attempt":
                self._attempt(record)
            case "epoch":
                self._epochs(records)
            case "test":
                self._test(record)
            case "end":
                self._end(record)
            case "close":
                self._close(record)

    def touch(self, record: Record) -> None:
        """Writes what is there already to the record's run; raises when the tracker does not answer."""
        number = self._number_of(record)
        self._tracker.tags(self._run(number, record["ts_ms"]), self._key(number))

    def mark_skipped(self, record: Record, reason: str) -> None:
        """Notes on the record's run that it lacks the record."""
        self._tracker.tags(self._run(self._number_of(record), record["ts_ms"]), {"skipped": reason})

    def _number_of(self, record: Record) -> int | None:
        number: int | None = record.get("trial", 0 if self._is_single else None)
        return number

    def _key(self, number: int | None) -> dict[str, str]:
        part = {"role": "sweep"} if number is None else {"trial": str(number)}
        return {"sweep_id": self._sweep["id"], **part}

    def _run(self, number: int | None, ts_ms: int) -> str:
        """The run of a trial, or of the sweep; made anew when somebody deleted it."""
        run_id = self._runs.get(number) or self._tracker.find_run(self._sweep["model"], self._key(number))
        if run_id is None:
            return self._open_sweep(ts_ms) if number is None else self._open_trial(number, ts_ms)
        self._runs[number] = run_id
        return run_id

    def _reopen(self, number: int | None, ts_ms: int) -> str:
        name, parent = self._sweep["name"], None
        if number is not None and not self._is_single:
            name, parent = f"{name}/{number:04d}", self._run(None, ts_ms)
        run_id = self._tracker.open_run(self._sweep["model"], self._key(number), name, parent, ts_ms)
        self._runs[number] = run_id
        return run_id

    def _provenance(self) -> dict[str, Any]:
        facts = {"plan": self._sweep["plan"], "facts": self._sweep["facts"]}
        return {"sweep": self._sweep["name"], "model": self._sweep["model"], **flat(facts)}

    def _open_sweep(self, ts_ms: int) -> str:
        run_id = self._reopen(None, ts_ms)
        self._tracker.tags(run_id, {**self._provenance(), "state": "running", "reason": ""})
        self._tracker.text(run_id, redacted(self._sweep["space"]), "space.yaml")
        self._tracker.text(run_id, redacted(json.dumps(self._sweep["plan"], indent=2)), "plan.json")
        return run_id

    def _open_trial(self, number: int, ts_ms: int) -> str:
        trial = self._trials[number]
        run_id = self._reopen(number, ts_ms)
        own = {"config_id": trial.config_id, "state": trial.state}
        whence = self._provenance() if self._is_single else {"sweep": self._sweep["name"]}
        self._tracker.tags(run_id, {**whence, **own})
        self._tracker.params(run_id, flat(trial.config))
        self._tracker.text(run_id, _yaml(trial.config), "config.yaml")
        return run_id

    def _attempt(self, record: Record) -> None:
        number, ts_ms = record["trial"], record["ts_ms"]
        self._run(number, ts_ms)
        run_id = self._reopen(number, ts_ms)
        self._tracker.tags(run_id, {"attempt": record["attempt"], "state": "running", "reason": ""})

    def _epochs(self, records: Sequence[Record]) -> None:
        points: dict[int, list[tuple[int, int, Mapping[str, float]]]] = defaultdict(list)
        for record in records:
            costs = {name: record[name] for name in ("loss", "lr", "seconds")}
            points[record["trial"]].append((record["epoch"], record["ts_ms"], {**record["metrics"], **costs}))
        for number, found in points.items():
            self._tracker.log(self._run(number, found[0][1]), found)

    def _test(self, record: Record) -> None:
        run_id, ts_ms = self._run(record["trial"], record["ts_ms"]), record["ts_ms"]
        means = {
            f"test/{prefix}{name}": value
            for mean, prefix in (("frame_mean", ""), ("action_mean", "action_mean/"))
            for name, value in record["metrics"].get(mean, {}).items()
        }
        self._tracker.log(run_id, [(0, ts_ms, means)])

    def _end(self, record: Record) -> None:
        number, ts_ms, state, reason = record["trial"], record["ts_ms"], record["state"], record["reason"]
        run_id, trial = self._run(number, ts_ms), self._trials[number]
        score, epoch = trial.score(self._objective), trial.best_epoch(self._objective)
        tags = {"state": state, "reason": _short(reason), "epochs": record["epoch"]}
        if score is not None and epoch is not None:
            self._tracker.log(run_id, [(epoch, ts_ms, {self._best: score})])
            tags |= {"best_score": score, "best_epoch": epoch}
        self._tracker.tags(run_id, tags)
        self._tracker.close(run_id, "FAILED" if state in ("diverged", "failed") else "FINISHED", ts_ms)
        if _short(reason) != reason:
            self._tracker.text(run_id, redacted(reason), "reason.txt")

    def _close(self, record: Record) -> None:
        ts_ms, is_cut = record["ts_ms"], record["reason"] == "interrupted"
        for trial in self._trials.values():
            if is_cut and trial.state in ("waiting", "running"):
                run_id = self._run(trial.number, ts_ms)
                self._tracker.tags(run_id, {"state": "interrupted"})
                self._tracker.close(run_id, "KILLED", ts_ms)
        best = None if record["best"] is None else self._trials[record["best"]]
        if not self._is_single:
            self._close_sweep(best, record["reason"], is_cut, ts_ms)
        if best is not None:
            self._send_file(best.number, WEIGHTS, "weights", ts_ms)
            if record.get("pictures"):
                self._send_file(best.number, PICTURE, "pictures", ts_ms)

    def _close_sweep(self, best: Trial | None, reason: str, is_cut: bool, ts_ms: int) -> None:
        run_id = self._run(None, ts_ms)
        self._tracker.tags(run_id, {"state": "interrupted" if is_cut else "finished", "reason": _short(reason)})
        score = None if best is None else best.score(self._objective)
        if best is not None and score is not None:
            self._tracker.tags(run_id, {"best_trial": best.number, "best_score": score})
            self._tracker.log(run_id, [(0, ts_ms, {self._best: score})])
        self._tracker.close(run_id, "KILLED" if is_cut else "FINISHED", ts_ms)
        if best is not None:
            self._tracker.text(run_id, _yaml(best.config), "best_config.yaml")

    def _send_file(self, number: int, name: Path, what: str, ts_ms: int) -> None:
        """A file of a trial's folder, which has the same name among the artifacts of its run."""
        path = (self._folder if self._is_single else trial_folder(self._folder, number)) / name
        if path.is_file():
            self._tracker.artifact(self._run(number, ts_ms), path, "" if name.parent == Path() else str(name.parent))
        else:
            self._complain(f"the {what} of trial {number} were not sent: {path} is not there")


def _short(reason: str) -> str:
    """What fits into a tag: one line, of a traceback the last, which says what was wrong."""
    lines = reason.strip().splitlines() or [""]
    return lines[-1][:REASON_CHARACTERS]


def _yaml(tree: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(tree), sort_keys=False, width=100)
