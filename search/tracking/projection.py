"""Projects a sweep's records to changes of tracker runs: one run per sweep, with one child run per trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from spaces.schema import flat, is_number
from trainables.runs.names import BEST

from ..environment.store import redacted
from ..record.confirmed import Candidate, candidates_of
from ..record.options.choices import PBT
from ..record.plan import CONFIRMED
from ..record.records import (
    PAUSED,
    AttemptRow,
    CloseRow,
    CostRow,
    EndRow,
    EpochRow,
    ExtendRow,
    NoteRow,
    OpenRow,
    Row,
    ScoreRow,
    SweepRow,
    TrialRow,
    trial_of,
)
from ..record.spending.split import PARTS, Split
from ..record.state import SweepState
from ..record.trial import EPOCHS, Trial
from .change import Change, add_front
from .overview import DESCRIPTION, Overview, searched_of
from .tracker import DataUsed, Status

WEIGHTS = Path(BEST)
PICTURE = Path("pictures", "val.png")  # in the folder of a run, and among its artifacts
REASON_CHARACTERS = 500
DIGEST = 36  # characters of a data set's fingerprint that mlflow 3.17 takes
_STATUS: dict[str, Status] = {"diverged": "FAILED", "failed": "FAILED", PAUSED: "SCHEDULED"}
# libyaml writes a config in a tenth of the time.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Projection:
    """Computes the changes of the tracker runs from a sweep's records; `take` each record once, in order. Uses no
    tracker. `objective`: the metric to minimise."""

    def __init__(self, objective: str) -> None:
        self._state = SweepState()
        self._first_plan: dict[str, Any] = {}
        self._searched: Mapping[str, str] = {}
        self._data: DataUsed | None = None
        self._overview = Overview(self._state, objective)
        self._best = f"best/{objective}"
        self._objective = objective

    @property
    def sweep(self) -> SweepRow:
        """Returns the sweep's first record; `take` must have been called."""
        assert self._state.sweep is not None, "nothing was taken yet"
        return self._state.sweep

    @property
    def is_single(self) -> bool:
        """Returns whether the journal is that of a single run (`train`), which has no parent run."""
        return self.sweep.single

    def take(self, row: Row) -> list[Change]:
        """Applies the next record and returns the changes that it makes. MisfitError if it contradicts those before
        it."""
        self._state.apply(row)
        if isinstance(row, SweepRow):
            self._first_plan, self._data = row.plan, _data_of(row)
            self._searched = {} if row.single else searched_of(row)
        changes = self._changes(row)
        return changes if self.is_single else [*changes, *self._overview.take(row)]

    def _changes(self, row: Row) -> list[Change]:
        match row:
            case SweepRow() | OpenRow() | ExtendRow():
                return [] if self.is_single else [self.birth(None, row.ts_ms)]
            case TrialRow():
                return [self.birth(row.trial, row.ts_ms)]
            case AttemptRow():
                return [self._take_attempt(row)]
            case NoteRow():
                return [self._described(Change(number=self.number_of(row), ts_ms=row.ts_ms, tags=self._remarks()))]
            case EpochRow():
                values = {**row.metrics, "loss": row.loss, "lr": row.lr, "seconds": row.seconds}
                values |= self._knobs(row)
                return [Change(number=row.trial, ts_ms=row.ts_ms, points=[(row.epoch, row.ts_ms, values)])]
            case CostRow():
                return [Change(number=row.trial, ts_ms=row.ts_ms, points=[(0, row.ts_ms, row.costs)])]
            case ScoreRow():
                return [self._take_scores(row)]
            case EndRow():
                return [self._take_end(row)]
            case CloseRow():
                return self._take_close(row)
        return []

    def birth(self, number: int | None, ts_ms: int) -> Change:
        """Builds the change with which a run starts, or the sweep's own restarts, from what is known so far: tags,
        config, text artifacts. `number`: the trial, None for the sweep's own run; `ts_ms`: time of the start, Unix time
        in milliseconds."""
        if number is None:
            texts = {
                "space.yaml": lambda: redacted(self.sweep.space),
                "plan.json": lambda: redacted(json.dumps(self.sweep.plan, indent=2)),
            }
            tags = {**self._provenance(), **self._remarks(), "state": "running", "reason": ""}
            # MLflow keeps the first value of a param for ever; the tags have what an enlargement makes of the plan.
            config = {"plan": self._first_plan, **({"space": self._searched} if self._searched else {})}
            change = Change(number=None, ts_ms=ts_ms, tags=tags, config=config, goes_on=True, texts=texts)
            change.data = self._data
            return self._described(change)
        trial = self._state.trials[number]
        config = trial.unchecked_config
        whence = self._provenance() if self.is_single else {"sweep": self.sweep.name, **self._source()}
        tags = {**whence, "config_id": trial.config_id, "state": trial.state}
        texts = {"config.yaml": partial(_yaml, config)}
        return Change(number=number, ts_ms=ts_ms, tags=tags, config=config, goes_on=True, texts=texts, data=self._data)

    def number_of(self, row: Row) -> int | None:
        """Returns the number of the trial whose run a record changes; None for the sweep's own run."""
        return 0 if self.is_single else trial_of(row)

    def key(self, number: int | None) -> dict[str, str]:
        """Returns the tags that identify the run of trial `number`, or of the sweep (None)."""
        part = {"role": "sweep"} if number is None else {"trial": str(number)}
        return {"sweep_id": self.sweep.id, **part}

    def _provenance(self) -> dict[str, Any]:
        facts = {"plan": self.sweep.plan, "facts": self.sweep.facts.to_record()}
        origin = {} if self.sweep.origin is None else {"origin": self.sweep.origin}
        where = {"sweep": self.sweep.name, "model": self.sweep.model, **self._source()}
        return {**where, **flat({**facts, **origin})}

    def _source(self) -> dict[str, str]:
        """Builds the tags that MLflow's UI shows as source, version and user of a run."""
        facts = self.sweep.facts
        commit, changes, _ = facts.revision.partition("+")
        verb = facts.command.removeprefix("python -m search").split()[:1]
        found = {"mlflow.source.name": " ".join(["posesweep", *verb]), "mlflow.source.type": "LOCAL"}
        found |= {"mlflow.user": facts.user} if facts.user else {}
        if commit not in ("", "unknown"):
            found |= {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(bool(changes)).lower()}
        return found

    def _knobs(self, row: EpochRow) -> dict[str, float]:
        """Names the numbers that population-based training changes, at an epoch: 'knobs/optim.lr'. The params keep the
        first ones."""
        if self.sweep.plan.get("scheduler") != PBT:
            return {}
        found = self._state.trials[row.trial].knobs_at(row.epoch)
        return {f"knobs/{path}": float(value) for path, value in found.items() if is_number(value)}

    def _remarks(self) -> dict[str, Any]:
        notes = self._state.notes
        if self.is_single and notes:
            return {"note": notes[-1], DESCRIPTION: "\n\n".join(notes)}
        return {"note": notes[-1]} if notes else {}

    def _described(self, change: Change) -> Change:
        """Adds the description to a change of the sweep's own run."""
        if not self.is_single:
            self._overview.describe(change)
        return change

    def _take_attempt(self, row: AttemptRow) -> Change:
        trial = self._state.trials[row.trial]
        tags = {"attempt": row.attempt, "state": "running", "reason": ""}
        change = Change(number=row.trial, ts_ms=row.ts_ms, tags=tags, goes_on=True)
        if trial.stages:
            # MLflow keeps the first value of a param for ever, so the new length is a tag.
            change.tags |= {"planned_epochs": trial.knob(EPOCHS), "config_id": trial.config_id}
            change.texts["config.yaml"] = partial(_yaml, trial.unchecked_config)
        return change

    def _take_scores(self, row: ScoreRow) -> Change:
        means = {
            f"test/{prefix}{name}": value
            for mean, prefix in (("frame_mean", ""), ("action_mean", "action_mean/"))
            for name, value in row.metrics.get(mean, {}).items()
        }
        return Change(number=row.trial, ts_ms=row.ts_ms, points=[(0, row.ts_ms, means)])

    def _take_end(self, row: EndRow) -> Change:
        trial = self._state.trials[row.trial]
        tags = {"state": row.state, "reason": _short(row.reason), "epochs": row.epoch}
        end = (_STATUS.get(row.state, "FINISHED"), row.ts_ms)
        change = Change(number=row.trial, ts_ms=row.ts_ms, tags=tags, end=end)
        score, epoch = trial.score(self._objective), trial.best_epoch(self._objective)
        if score is not None and epoch is not None:
            change.points.append((epoch, row.ts_ms, {self._best: score}))
            change.tags |= {"best_score": score, "best_epoch": epoch}
        if trial.limits:
            change.tags["breaks"] = "; ".join(trial.broken)
        if _short(row.reason) != row.reason:
            change.texts["reason.txt"] = partial(redacted, row.reason)
        return change

    def _take_close(self, row: CloseRow) -> list[Change]:
        ts_ms, is_cut = row.ts_ms, row.reason == "interrupted"
        changes = [
            Change(number=trial.number, ts_ms=ts_ms, tags={"state": "interrupted"}, end=("KILLED", ts_ms))
            for trial in self._state.trials.values()
            if is_cut and trial.state in ("waiting", "running")
        ]
        best = None if row.best is None else self._state.trials[row.best]
        if not self.is_single:
            changes.append(self._close_sweep(best, row.reason, is_cut, ts_ms))
        if best is not None:
            files = {WEIGHTS: "weights", **({PICTURE: "pictures"} if row.pictures else {})}
            changes.append(Change(number=best.number, ts_ms=ts_ms, files=files))
        return changes

    def _close_sweep(self, best: Trial | None, reason: str, is_cut: bool, ts_ms: int) -> Change:
        tags = {"state": "interrupted" if is_cut else "finished", "reason": _short(reason)}
        change = Change(number=None, ts_ms=ts_ms, tags=tags, end=("KILLED" if is_cut else "FINISHED", ts_ms))
        score = None if best is None else best.score(self._objective)
        if best is not None and score is not None:
            change.tags |= {"best_trial": best.number, "best_score": score}
        if self.sweep.plan.get("recipe") == CONFIRMED:
            for candidate in candidates_of(self.sweep, self._state.trials):
                change.points.append((0, ts_ms, _confirmed(candidate, self._objective)))
        # By the number of sessions: of two values at one step MLflow shows the larger.
        change.points.append((self._state.spend.sessions, ts_ms, _spent(self._state.spend.split())))
        if len(self.sweep.objectives) > 1:
            add_front(change, self.sweep.objectives, self._state.trials.values())
        if best is not None:
            change.texts["best_config.yaml"] = partial(_yaml, best.unchecked_config)
        return self._described(change)


def _data_of(sweep: SweepRow) -> DataUsed | None:
    """Returns the data set of a sweep; None if its fingerprint is not on record."""
    facts = sweep.facts
    if not facts.fingerprint:
        return None
    name = facts.data.get("set") or sweep.knob("data.name")
    return DataUsed(name=str(name), digest=facts.fingerprint[:DIGEST], facts=json.dumps(facts.data))


def _confirmed(candidate: Candidate, objective: str) -> dict[str, float]:
    """Names the mean and deviation of each metric of a candidate: 'confirmed/trial 5/val/mpjpe_mm mean'."""
    spreads = {objective: candidate.validation(objective)}
    spreads |= {f"test/{name}": spread for name, spread in candidate.tests("frame_mean").items()}
    place = "/".join(part for part in ("confirmed", candidate.label) if part)
    values = {}
    for name, spread in spreads.items():
        if spread is not None:
            values[f"{place}/{name} mean"] = spread.mean
            if spread.count > 1:
                values[f"{place}/{name} deviation"] = spread.deviation
    return values


def _spent(split: Split) -> dict[str, float]:
    """Names the device time of a sweep, in hours, and its cost: 'spend/useful_hours', 'spend/cost'."""
    hours = {f"{name}_hours": getattr(split, name) for name in ("used", *PARTS, "idle")}
    hours["cost"] = None if split.price is None else split.used * split.price
    return {f"spend/{name}": value for name, value in hours.items() if value is not None}


def _short(reason: str) -> str:
    """Shortens a reason to fit a tag: its last line, which in a traceback is the exception."""
    lines = reason.strip().splitlines() or [""]
    return lines[-1][:REASON_CHARACTERS]


def _yaml(tree: Mapping[str, Any]) -> str:
    text: str = yaml.dump(dict(tree), Dumper=DUMPER, sort_keys=False, width=100)
    return text
