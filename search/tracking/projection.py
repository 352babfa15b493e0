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
from ..record.journal import trial_folder
from ..record.records import (
    AttemptRow,
    CloseRow,
    EndRow,
    EpochRow,
    OpenRow,
    Row,
    ScoreRow,
    SweepRow,
    TrialRow,
    trial_of,
)
from ..record.state import SweepState
from ..record.trial import Trial
from .tracker import Tracker

WEIGHTS = Path("best.safetensors")
PICTURE = Path("pictures", "val.png")  # in the folder of a run, and among its artifacts
REASON_CHARACTERS = 500


class SweepRuns:
    """The runs that a sweep's records make: `remember` each record once, in its order, then `send` it, as often as
    needed.

    One run per sweep with one child per trial; a sweep of a single trial (`train`) is that trial's run alone."""

    def __init__(self, folder: Path, tracker: Tracker, objective: str, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._tracker = tracker
        self._complain = complain
        self._best = f"best/{objective}"
        self._objective = objective
        self._state = SweepState()
        self._runs: dict[int | None, str] = {}  # None: the sweep's own

    @property
    def _is_single(self) -> bool:
        return self._sweep.single

    @property
    def _sweep(self) -> SweepRow:
        assert self._state.sweep is not None, "records come after that of their sweep"
        return self._state.sweep

    def remember(self, row: Row) -> None:
        """Takes a record into account without telling the tracker."""
        self._state.apply(row)

    def is_known(self) -> bool:
        """Whether the tracker has the sweep's run: false for a store that was emptied."""
        return self._tracker.find_run(self._sweep.model, self._key(self._number_of(self._sweep))) is not None

    def forget_runs(self) -> None:
        """Looks every run up again: one may have been deleted."""
        self._runs.clear()

    def send(self, rows: Sequence[Row]) -> None:
        """One record, or epochs of any trials. Artifacts go last: should they fail, all else is there."""
        match rows[0]:
            case SweepRow() | OpenRow() if not self._is_single:
                self._open_sweep(rows[0].ts_ms)
            case TrialRow() as born:
                self._open_trial(born.trial, born.ts_ms)
            case AttemptRow() as attempt:
                self._attempt(attempt)
            case EpochRow():
                self._epochs([row for row in rows if isinstance(row, EpochRow)])
            case ScoreRow() as scores:
                self._test(scores)
            case EndRow() as end:
                self._end(end)
            case CloseRow() as close:
                self._close(close)

    def touch(self, row: Row) -> None:
        """Writes what is there already to the record's run; raises when the tracker does not answer."""
        number = self._number_of(row)
        self._tracker.tags(self._run(number, row.ts_ms), self._key(number))

    def mark_skipped(self, row: Row, reason: str) -> None:
        """Notes on the record's run that it lacks the record."""
        self._tracker.tags(self._run(self._number_of(row), row.ts_ms), {"skipped": reason})

    def _number_of(self, row: Row) -> int | None:
        return 0 if self._is_single else trial_of(row)

    def _key(self, number: int | None) -> dict[str, str]:
        part = {"role": "sweep"} if number is None else {"trial": str(number)}
        return {"sweep_id": self._sweep.id, **part}

    def _run(self, number: int | None, ts_ms: int) -> str:
        """The run of a trial, or of the sweep; made anew when somebody deleted it."""
        run_id = self._runs.get(number) or self._tracker.find_run(self._sweep.model, self._key(number))
        if run_id is None:
            return self._open_sweep(ts_ms) if number is None else self._open_trial(number, ts_ms)
        self._runs[number] = run_id
        return run_id

    def _reopen(self, number: int | None, ts_ms: int) -> str:
        name, parent = self._sweep.name, None
        if number is not None and not self._is_single:
            name, parent = f"{name}/{number:04d}", self._run(None, ts_ms)
        run_id = self._tracker.open_run(self._sweep.model, self._key(number), name, parent, ts_ms)
        self._runs[number] = run_id
        return run_id

    def _provenance(self) -> dict[str, Any]:
        facts = {"plan": self._sweep.plan, "facts": self._sweep.facts.to_record()}
        return {"sweep": self._sweep.name, "model": self._sweep.model, **flat(facts)}

    def _open_sweep(self, ts_ms: int) -> str:
        run_id = self._reopen(None, ts_ms)
        self._tracker.tags(run_id, {**self._provenance(), "state": "running", "reason": ""})
        self._tracker.text(run_id, redacted(self._sweep.space), "space.yaml")
        self._tracker.text(run_id, redacted(json.dumps(self._sweep.plan, indent=2)), "plan.json")
        return run_id

    def _open_trial(self, number: int, ts_ms: int) -> str:
        trial = self._state.trials[number]
        run_id = self._reopen(number, ts_ms)
        own = {"config_id": trial.config_id, "state": trial.state}
        whence = self._provenance() if self._is_single else {"sweep": self._sweep.name}
        self._tracker.tags(run_id, {**whence, **own})
        self._tracker.params(run_id, flat(trial.config))
        self._tracker.text(run_id, _yaml(trial.config), "config.yaml")
        return run_id

    def _attempt(self, row: AttemptRow) -> None:
        number, ts_ms = row.trial, row.ts_ms
        self._run(number, ts_ms)
        run_id = self._reopen(number, ts_ms)
        self._tracker.tags(run_id, {"attempt": row.attempt, "state": "running", "reason": ""})

    def _epochs(self, rows: Sequence[EpochRow]) -> None:
        points: dict[int, list[tuple[int, int, Mapping[str, float]]]] = defaultdict(list)
        for row in rows:
            costs = {"loss": row.loss, "lr": row.lr, "seconds": row.seconds}
            points[row.trial].append((row.epoch, row.ts_ms, {**row.metrics, **costs}))
        for number, found in points.items():
            self._tracker.log(self._run(number, found[0][1]), found)

    def _test(self, row: ScoreRow) -> None:
        run_id, ts_ms = self._run(row.trial, row.ts_ms), row.ts_ms
        means = {
            f"test/{prefix}{name}": value
            for mean, prefix in (("frame_mean", ""), ("action_mean", "action_mean/"))
            for name, value in row.metrics.get(mean, {}).items()
        }
        self._tracker.log(run_id, [(0, ts_ms, means)])

    def _end(self, row: EndRow) -> None:
        number, ts_ms, state, reason = row.trial, row.ts_ms, row.state, row.reason
        run_id, trial = self._run(number, ts_ms), self._state.trials[number]
        score, epoch = trial.score(self._objective), trial.best_epoch(self._objective)
        tags = {"state": state, "reason": _short(reason), "epochs": row.epoch}
        if score is not None and epoch is not None:
            self._tracker.log(run_id, [(epoch, ts_ms, {self._best: score})])
            tags |= {"best_score": score, "best_epoch": epoch}
        self._tracker.tags(run_id, tags)
        self._tracker.close(run_id, "FAILED" if state in ("diverged", "failed") else "FINISHED", ts_ms)
        if _short(reason) != reason:
            self._tracker.text(run_id, redacted(reason), "reason.txt")

    def _close(self, row: CloseRow) -> None:
        ts_ms, is_cut = row.ts_ms, row.reason == "interrupted"
        for trial in self._state.trials.values():
            if is_cut and trial.state in ("waiting", "running"):
                run_id = self._run(trial.number, ts_ms)
                self._tracker.tags(run_id, {"state": "interrupted"})
                self._tracker.close(run_id, "KILLED", ts_ms)
        best = None if row.best is None else self._state.trials[row.best]
        if not self._is_single:
            self._close_sweep(best, row.reason, is_cut, ts_ms)
        if best is not None:
            self._send_file(best.number, WEIGHTS, "weights", ts_ms)
            if row.pictures:
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
