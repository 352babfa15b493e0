"""Record types of a journal, one type per kind. Workers send EpochRow and EndRow as reports, too.

`ts_ms` of each: Unix time in milliseconds at which it was written; 0 in a report on its way to the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, get_args

import msgspec
from msgspec.structs import asdict, replace

from .options.choices import rungs
from .options.objectives import Limit, limits_of, names_in, primary_of

Kind = TypeVar("Kind")

ENDED = ("finished", "pruned", "diverged", "failed")
STOPPED = "stopped"  # cut short from outside: it may go on
LOST = "lost"  # cut short by a fault of the machine: it is tried again
PAUSED = "paused"  # waits at a rung: it goes on if it is promoted
ENDS = (*ENDED, STOPPED, LOST, PAUSED)
# Causes of a loss: the trial's process died or found no memory, its GPU had none, the disk takes nothing more, another
# fault of the machine.
CAUSES = PROCESS, GPU_MEMORY, STORAGE, MACHINE = "process", "gpu memory", "storage", "machine"
USER = "user"  # cause of a stop that is for good
BUDGETS = TIME_BUDGET, GPU_HOURS = "time budget", "gpu hours"  # reasons of a sweep's end that a new limit undoes

# What a sweep keeps of the checkpoints of ended trials (`SweepConfig.keep`).
KEEPS = KEEP_BEST, KEEP_LAST, KEEP_ALL = "best", "last", "all"


class MisfitError(ValueError):
    """Raised for text that is no valid record, or a record that contradicts those before it. The reader adds file and
    line."""


class Row(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base class of all records; `kind` names the type in JSON."""

    ts_ms: int = 0

    @property
    def kind(self) -> str:
        """Returns the name of the record's type in JSON."""
        return kind_of(type(self))

    def to_record(self) -> dict[str, Any]:
        """Converts the record to a JSON object; fields that are None are omitted."""
        names = _FIELDS[type(self)]
        filled = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {"kind": self.kind, **filled}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Builds a record from a JSON object, the inverse of `to_record`. MisfitError names a field that is missing or
        has the wrong type."""
        return _converted(record, cls)

    def changed(self, **fields: Any) -> Self:
        """Returns a copy of the record with other values of some fields."""
        return replace(self, **fields)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Provenance of a sweep: code revision, package versions, data, machine (host name), command, user (login name)."""

    revision: str
    versions: dict[str, str]
    data: dict[str, Any]
    machine: str = ""
    command: str = ""
    user: str = ""

    @property
    def fingerprint(self) -> str:
        """Returns the hash of the data; '' if none was recorded."""
        return str(self.data.get("fingerprint", ""))

    def to_record(self) -> dict[str, Any]:
        """Converts the provenance to a JSON object."""
        return asdict(self)


class SweepRow(Row, tag="sweep", frozen=True, kw_only=True):
    """Start of a sweep, always the first record. `plan`: its SweepConfig as a nested mapping, for a single run
    (`train`) only the objective; `space`: YAML text of the search space; `base`: full config of the recipe as a nested
    mapping; `pinned`: dotted paths set by hand; `points`: predefined points of the first trials; `single`: a single
    run; `origin`: the sweep that this one was forked from, whose best points it tries first, or whose best trials it
    confirms: {"as": "fork", "from" or "confirm", "sweep": name, "id": id}, None without one. With "from", and in
    its forks, it has "first": the numbers of the trials of those points, with commas; a confirmation's has "trials" and
    "scores": their numbers there, and what the sweep had them at, with commas."""

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
    origin: dict[str, str] | None = None

    def to_record(self) -> dict[str, Any]:
        """Converts the record to a JSON object."""
        return {**super().to_record(), "facts": self.facts.to_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Builds the record from a JSON object, the inverse of `to_record`. MisfitError names a missing or mistyped
        field; only a single run may lack space, pinned and points."""
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
        """Returns the name of the metric to minimise; of several objectives the first that is an error, which selects
        the best epoch of each trial."""
        return primary_of(str(self.plan["objective"]))

    @property
    def objectives(self) -> tuple[str, ...]:
        """Returns the names of all objectives, metrics and costs to minimise."""
        return names_in(str(self.plan["objective"]))

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Returns the limits that a trial must keep to win."""
        return limits_of(tuple(self.plan.get("limit", ())))

    @property
    def trials(self) -> int:
        """Returns the planned number of trials."""
        return 1 if self.single else int(self.plan["trials"])

    @property
    def recipe(self) -> str:
        """Returns the name of the recipe, the configuration of trial 0. KeyError for a single run (`train`), which has
        none."""
        return str(self.plan["recipe"])

    @property
    def checkpoints(self) -> str:
        """Returns the URI to which trials copy their checkpoints, or ''."""
        return str(self.plan.get("checkpoints", ""))

    @property
    def keep(self) -> str:
        """Returns one of KEEPS: which checkpoints of ended trials stay; in journals without it, and of a single run,
        KEEP_LAST."""
        return str(self.plan.get("keep", KEEP_LAST))

    @property
    def rungs(self) -> list[int]:
        """Returns the epochs of the rungs of successive halving, ascending; [] where the scheduler has none, and in
        journals of earlier versions, which do not name them."""
        grace, reduction, epochs = (self.option(name) for name in ("grace", "reduction", "max_epochs"))
        return rungs(grace, reduction, epochs) if grace and reduction and epochs else []

    def option(self, name: str) -> Any:
        """Returns the value of an option of the sweep, by the name of its field in SweepConfig; None if it is not on
        record."""
        return self.plan.get(name)

    def knob(self, path: str) -> Any:
        """Returns the value of a knob in the recipe's config by dotted path; None if there is no such knob."""
        at: Any = self.base
        for name in path.split("."):
            at = at.get(name) if isinstance(at, dict) else None
        return at

    def grown(self, row: ExtendRow) -> SweepRow:
        """Returns the record that the sweep would have begun with had it been planned as large as `row` makes it."""
        plan = self.plan if row.trials is None else {**self.plan, "trials": row.trials}
        if row.epochs is None:
            return self.changed(plan=plan)
        loop = {**self.base.get("loop", {}), "epochs": row.epochs}
        if plan.get("max_epochs") == self.knob("loop.epochs"):
            plan = {**plan, "max_epochs": row.epochs}  # the scheduler judges up to the end, as before
        return self.changed(plan=plan, base={**self.base, "loop": loop})


_PLAN = {"trials": int, "recipe": str}


class TrialRow(Row, tag="trial", frozen=True, kw_only=True):
    """Creation of a trial. Its config is the recipe's with the values of `point`, dotted path -> value; `config_id`:
    hash of that config. `config`: the full config, only in journals of earlier versions."""

    trial: int
    point: dict[str, Any]
    config_id: str
    config: dict[str, Any] | None = None


class AttemptRow(Row, tag="attempt", frozen=True, kw_only=True):
    """Start of an attempt at a trial, which continues after epoch `after_epoch` (0: from the start). `donor`: in
    population-based training, the trial whose training state after that epoch it takes over, and `knobs`, the values of
    the searched knobs from there on, by dotted path."""

    trial: int
    attempt: int
    after_epoch: int
    donor: int | None = None
    knobs: dict[str, Any] | None = None


class CostRow(Row, tag="cost", frozen=True, kw_only=True):
    """Costs of a trial's config, measured before its first epoch. `costs`: name -> value, and 'latency_ms_spread'
    beside 'latency_ms'."""

    trial: int
    costs: dict[str, float]


class EpochRow(Row, tag="epoch", frozen=True, kw_only=True):
    """Completed epoch of a trial. `metrics`: name -> validation value, and 'gpu_seconds' where the sweep names it;
    `seconds`: duration of the epoch; `lr`: last learning rate; `loss`: mean training loss."""

    trial: int
    epoch: int
    metrics: dict[str, float]
    seconds: float
    lr: float
    loss: float


class ScoreRow(Row, tag="test", frozen=True, kw_only=True):
    """Test metrics of a trial, measured by `confirm`. `metrics`: kind of mean -> metric -> value."""

    trial: int
    metrics: dict[str, dict[str, float]]


class EndRow(Row, tag="end", frozen=True, kw_only=True):
    """End of a trial, or of an attempt at it. `state`: one of ENDED, or STOPPED, LOST or PAUSED, which may continue;
    `epoch`: the last one recorded; `reason`: text, possibly a whole traceback, or ''; `cause`: one of CAUSES if it is
    LOST, USER if it is STOPPED for good."""

    trial: int
    state: str
    epoch: int
    reason: str
    cause: str | None = None


class CloseRow(Row, tag="close", frozen=True, kw_only=True):
    """End of a sweep. `reason`: 'done', one of BUDGETS, 'interrupted' or 'error'. `best`: number of the best trial;
    `pictures`: whether there are pictures beside its weights.

    `ended`, `score`, `trials`, `note`: number of ended trials, score of the best one, planned number of trials and last
    remark, so that `list` need not read the whole journal; `at`: the byte offset at which this line begins, which shows
    whether the lines before it have changed in length."""

    reason: str
    best: int | None = None
    pictures: bool = False
    ended: int | None = None
    score: float | None = None
    at: int | None = None
    trials: int | None = None
    note: str | None = None


class OpenRow(Row, tag="open", frozen=True, kw_only=True):
    """Restart of a sweep after a close or a crash. `time_budget_s`: a new time limit in seconds, `gpu_hours`: a new
    limit of device-hours, both counted from here (None: the former limit stays)."""

    time_budget_s: float | None = None
    gpu_hours: float | None = None


NO_LIMITS = OpenRow()  # the former ones stay


class SessionRow(Row, tag="session", frozen=True, kw_only=True):
    """Resources of a session, the run of a sweep from its start or restart to its close. `places`: trials at a time;
    `gpus`: GPUs of a trial, 0 if it trains on CPUs alone."""

    places: int
    gpus: float


class ExtendRow(Row, tag="extend", frozen=True, kw_only=True):
    """Enlargement of a sweep, which has so many trials of so many epochs in all from here on (None: as before).
    `again`: ended trials that go on from their last epoch; `waiting`: pruned ones that wait again for a promotion."""

    trials: int | None = None
    epochs: int | None = None
    again: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()


class NoteRow(Row, tag="note", frozen=True, kw_only=True):
    """Remark of a user on the sweep."""

    text: str


# Every record but the head of a journal, which has rules of its own.
Entry = (TrialRow | AttemptRow | EpochRow | ScoreRow | EndRow | CostRow) | (
    CloseRow | OpenRow | ExtendRow | NoteRow | SessionRow
)
KINDS: tuple[type[Row], ...] = (SweepRow, *get_args(Entry))
_FIELDS = {kind: kind.__struct_fields__ for kind in KINDS}


def kind_of(kind: type[Row]) -> str:
    """Returns the name of a type of records in JSON."""
    return str(kind.__struct_config__.tag)


TrialEvent = AttemptRow | CostRow | EpochRow | EndRow  # what the driver of a sweep puts on record of a trial it knows


def trial_of(row: Row) -> int | None:
    """Returns the number of the trial that a record belongs to; None for a record of the whole sweep."""
    number: int | None = getattr(row, "trial", None)
    return number


def _converted(record: Mapping[str, Any], kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(record, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise MisfitError(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    """Rephrases a msgspec error as 'field trial: expected int, got str'."""
    what, _, where = str(error).replace("`", "").partition(" - at $.")
    return f"field {where}: {what[:1].lower()}{what[1:]}" if where else f"{what[:1].lower()}{what[1:]}"
