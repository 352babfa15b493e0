"""The records of a sweep, one dataclass a kind: what a line of its journal holds, and what a worker reports.

`ts_ms` of each: Unix time in milliseconds, when it went on record; 0 in a report on its way to the driver.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import msgspec

Kind = TypeVar("Kind")

ENDED = ("finished", "pruned", "diverged", "failed")
STOPPED = "stopped"  # cut short from outside: it may go on
ENDS = (*ENDED, STOPPED)


class MisfitError(ValueError):
    """A record that is none, or that does not fit to those before it; its reader knows file and line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A record of any kind."""

    kind: ClassVar[str] = ""

    ts_ms: int = 0

    def to_record(self) -> dict[str, Any]:
        """The record as JSON holds it; fields without a value are left out."""
        names = _FIELDS[type(self)]
        filled = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {"kind": self.kind, **filled}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_record`; MisfitError names the field that is missing or of another type."""
        return _converted(record, cls)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Where a sweep comes from: code, packages, data, machine, command."""

    revision: str
    versions: dict[str, str]
    data: dict[str, Any]
    machine: str = ""
    command: str = ""

    @property
    def fingerprint(self) -> str:
        """The hash of the data."""
        return str(self.data.get("fingerprint", ""))

    def to_record(self) -> dict[str, Any]:
        """The facts as JSON holds them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRow(Row):
    """A sweep begins: always the first record. `plan`: its SweepConfig as a tree, of which a single run (`train`) has
    the objective alone; `space`: YAML; `base`: the config of the recipe as a tree; `pinned`: knobs set by hand;
    `points`: those of its first trials."""

    kind: ClassVar[str] = "sweep"

    id: str
    name: str
    model: str
    plan: dict[str, Any]
    space: str = ""
    base: dict[str, Any]
    pinned: tuple[str, ...] = ()
    points: tuple[dict[str, Any], ...] = ()
    facts: Facts
    single: bool = False

    def to_record(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        # The zero-argument `super` does not find a class that `slots` made anew.
        return {**Row.to_record(self), "facts": self.facts.to_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `to_record`; what only a single run may lack is missing elsewhere."""
        row = _converted(record, cls)
        lacking = [name for name in ("space", "pinned", "points") if name not in record]
        if lacking and not row.single:
            raise MisfitError(f"the field {lacking[0]} is missing")
        for name, kind in (("objective", str), *(() if row.single else _PLAN.items())):
            if not isinstance(row.plan.get(name), kind):
                raise MisfitError(f"its plan has no {name}")
        return row

    @property
    def objective(self) -> str:
        """The metric whose lowest value wins."""
        return str(self.plan["objective"])

    @property
    def trials(self) -> int:
        """How many trials it is to have."""
        return 1 if self.single else int(self.plan["trials"])

    @property
    def recipe(self) -> str:
        """The published configuration of trial 0."""
        return str(self.plan["recipe"])

    @property
    def checkpoints(self) -> str:
        """The URI where trials also keep their checkpoints, or ''."""
        return str(self.plan.get("checkpoints", ""))

    def knob(self, path: str) -> Any:
        """The value of a knob of the recipe by dotted path; None where there is no such knob."""
        at: Any = self.base
        for name in path.split("."):
            at = at.get(name) if isinstance(at, dict) else None
        return at


_PLAN = {"trials": int, "recipe": str}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRow(Row):
    """A trial is born. Its config is that of the recipe with `point`, dotted path -> value, put in, and `config_id` its
    hash. `config`: the whole of it, in journals of earlier versions."""

    kind: ClassVar[str] = "trial"

    trial: int
    point: dict[str, Any]
    config_id: str
    config: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptRow(Row):
    """Somebody starts to train a trial, from the epoch after `after_epoch` on."""

    kind: ClassVar[str] = "attempt"

    trial: int
    attempt: int
    after_epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRow(Row):
    """A trial has done an epoch. `seconds`: its length; `lr`: the last learning rate; `loss`: the mean."""

    kind: ClassVar[str] = "epoch"

    trial: int
    epoch: int
    metrics: dict[str, float]
    seconds: float
    lr: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRow(Row):
    """A trial was scored on the test subjects, by `confirm`: kind of mean -> metric -> value."""

    kind: ClassVar[str] = "test"

    trial: int
    metrics: dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRow(Row):
    """A trial ends: one of ENDED, or STOPPED. `reason`: '' or why, up to a whole traceback."""

    kind: ClassVar[str] = "end"

    trial: int
    state: str
    epoch: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseRow(Row):
    """A sweep ends: 'done', 'time budget', 'interrupted' or 'error'. `best`: the number of its best trial; `pictures`:
    whether there are some beside the weights of that one.

    `ended`, `score`: how many trials have ended, and the best one's score, so that `list` need not read the whole
    journal; `at`: the byte where this line begins, so that it sees when the lines before are not those of then."""

    kind: ClassVar[str] = "close"

    reason: str
    best: int | None = None
    pictures: bool = False
    ended: int | None = None
    score: float | None = None
    at: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRow(Row):
    """A sweep goes on after a close or a crash. `time_budget_s`: a new limit, of which nothing is used yet."""

    kind: ClassVar[str] = "open"

    time_budget_s: float | None = None


_KINDS: tuple[type[Row], ...] = (SweepRow, TrialRow, AttemptRow, EpochRow, ScoreRow, EndRow, CloseRow, OpenRow)
_BY_KIND = {kind.kind: kind for kind in _KINDS}
_FIELDS = {kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in _KINDS}
# The head has rules of its own.
_DECODERS = {kind.kind.encode(): msgspec.json.Decoder(kind).decode for kind in _KINDS if kind is not SweepRow}
_KIND = b'"kind": "'
_KIND_LENGTH = len(_KIND)


def trial_of(row: Row) -> int | None:
    """The number of the trial that a record is about; None when it is about the sweep."""
    number: int | None = getattr(row, "trial", None)
    return number


def to_text(row: Row) -> str:
    """A record as one line of JSON, without its end."""
    return json.dumps(row.to_record())


def from_text(text: bytes | str) -> Row:
    """The inverse of `to_text`, of any kind; MisfitError when it is no record."""
    line = text if isinstance(text, bytes) else text.encode()
    start = line.find(_KIND) + _KIND_LENGTH
    try:
        return _DECODERS[line[start : line.find(b'"', start)]](line)
    except (KeyError, ValueError, RecursionError):
        return _read_slowly(line)  # it is damaged, or has a NaN, which is no JSON to msgspec


def is_json(text: bytes) -> bool:
    """Whether a text is JSON of any kind."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_slowly(line: bytes) -> Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise MisfitError("it is no JSON") from None
    if not isinstance(record, dict):
        raise MisfitError("it is no record, which is a JSON object")
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _BY_KIND:
        raise MisfitError(f"there is no record of kind {kind!r:.40}; kinds: {', '.join(_BY_KIND)}")
    return _BY_KIND[kind].from_record(record)


def _converted(record: Mapping[str, Any], kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(record, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise MisfitError(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    """'field trial: expected int, got str' of msgspec's own words."""
    what, _, where = str(error).replace("`", "").partition(" - at $.")
    return f"field {where}: {what[:1].lower()}{what[1:]}" if where else f"{what[:1].lower()}{what[1:]}"
