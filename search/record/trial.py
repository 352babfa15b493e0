"""State of one trial, built from its records: point, config, metrics per epoch, best epoch."""

from __future__ import annotations

import copy
import functools
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from data.errors import DataError
from spaces.schema import tree_id

from .options.objectives import Limit
from .records import ENDED, GPU_MEMORY, SweepRow

EPOCHS = "loop.epochs"  # the knob that an enlarged sweep changes
KEEP = "loop.keep"


class Epochs(Mapping[int, Mapping[str, float]]):
    """Read-only mapping epoch -> metrics, in order of arrival. Stored in flat arrays, a few bytes a value, because a
    sweep has very many."""

    __slots__ = ("_names", "_numbers", "_odd", "_values")

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()  # of the first epoch, and nearly always of all
        self._numbers: array[int] = array("i")
        self._values: array[float] = array("d")  # a row of the names' values for each number
        self._odd: dict[int, dict[str, float]] | None = None  # epochs with other names; their rows mean nothing

    def __getitem__(self, epoch: int) -> Mapping[str, float]:
        if self._odd is not None and epoch in self._odd:
            return self._odd[epoch]
        try:
            row = self._numbers.index(epoch) * len(self._names)
        except ValueError:
            raise KeyError(epoch) from None
        return dict(zip(self._names, self._values[row : row + len(self._names)], strict=True))

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __eq__(self, other: object) -> bool:
        # By bits, so that a nan is itself.
        return isinstance(other, Epochs) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return repr(dict(self))

    def _parts(self) -> tuple[object, ...]:
        return self._names, self._numbers, self._values.tobytes(), self._odd

    def add(self, epoch: int, metrics: Mapping[str, float], names: tuple[str, ...]) -> None:
        """Appends an epoch that is not stored yet. `names`: the keys of `metrics`, as the tuple object shared by all
        epochs with these keys."""
        if not self._numbers:
            self._names = names
        self._numbers.append(epoch)
        if names is self._names:
            self._values.fromlist([*metrics.values()])  # half the time of `extend`
        else:
            self._odd = {**(self._odd or {}), epoch: dict(metrics)}
            self._values.extend([0.0] * len(self._names))

    def change(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Replaces the metrics of a stored epoch."""
        self._odd = {**(self._odd or {}), epoch: dict(metrics)}

    def column(self, name: str) -> Iterator[tuple[int, float]]:
        """Iterates over (epoch, value) of the metric `name`, for the epochs that have it."""
        if self._odd is None:
            if name in self._names:
                at = self._names.index(name)
                yield from zip(self._numbers, self._values[at :: len(self._names)], strict=True)
            return
        for epoch in self:
            metrics = self[epoch]
            if name in metrics:
                yield epoch, metrics[name]


class Turn(NamedTuple):
    """Change in the training of a trial: after `epoch` it goes on from the training state of trial `donor`, with the
    values `knobs` of the searched knobs, by dotted path."""

    epoch: int
    donor: int
    knobs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a sweep's first record `sweep` says of all its trials. `keep`: the weights kept if a point does not say."""

    sweep: SweepRow
    objective: str
    limits: tuple[Limit, ...]
    keep: Any

    @classmethod
    def of(cls, sweep: SweepRow) -> Terms:
        """Reads the terms of a sweep."""
        return cls(sweep, sweep.objective, sweep.limits, sweep.knob(KEEP))


class Trial:
    """One trial of a sweep. `point`: dotted path -> value of the searched knobs; `epochs`: epoch -> metrics; `test`:
    kind of mean -> metric -> value on the test subjects; `last_epoch`: the last recorded, 0 before the first;
    `own_score`: score of the sweep's own objective (None: none yet); `costs`: costs of its config, by name, {} if none
    is measured.

    `losses`: number of attempts that the machine has cut short since the last new epoch; `cause`: that of the last one;
    `parts`: number of parts into which the batch is split in addition to the config's, doubled with each attempt that
    found no GPU memory; `is_dismissed`: the user has stopped it for good; `stages`: the lengths in epochs that it had
    before the sweep was enlarged, oldest first; `turns`: what population-based training changed, oldest first;
    `started_after`: the epoch after which the last attempt started.

    The values needed at every event (last epoch, best epoch, score) are updated with each epoch instead of being
    searched."""

    __slots__ = (
        *("number", "point", "state", "reason", "attempts", "epochs", "test", "last_epoch", "is_dismissed", "stages"),
        *("own_score", "cause", "losses", "parts", "_best_epoch", "_born_id", "_keeps_last", "_lost_at", "_terms"),
        *("_id", "_whole", "turns", "started_after", "costs"),
    )

    def __init__(
        self,
        number: int,
        point: dict[str, Any],
        config_id: str,
        terms: Terms,
        whole: dict[str, Any] | None = None,
    ) -> None:
        self.number = number
        self.point = point
        self._born_id = config_id
        self._id: str | None = config_id  # None: not computed since the config changed
        self.state = "waiting"
        self.is_dismissed = False
        self.stages: tuple[int, ...] = ()
        self.turns: tuple[Turn, ...] = ()
        self.started_after = 0
        self.reason = ""
        self.attempts = 0
        self.epochs = Epochs()
        self.test: dict[str, dict[str, float]] = {}
        self.losses, self.parts, self.cause, self._lost_at = 0, 1, "", 0
        self.last_epoch = 0
        self._terms = terms
        self.costs: dict[str, float] = {}
        self._whole = whole  # only journals of earlier versions have it
        self._keeps_last = point.get(KEEP, terms.keep) == "last"
        self.own_score: float | None = None
        self._best_epoch: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "_id"
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.state}, epochs {list(self.epochs)}, score {self.own_score})"

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Returns the limits of the sweep."""
        return self._terms.limits

    @property
    def has_ended(self) -> bool:
        """Returns whether the trial has ended: finished, pruned, diverged, failed, or stopped by the user. One that was
        stopped otherwise has not, as it can be continued."""
        return self.state in ENDED or self.is_dismissed

    @property
    def config_id(self) -> str:
        """Returns the hash of the config, of its present length in epochs; '' if its sections are not there."""
        if self._id is None:
            tree = self.unchecked_config
            self._id = tree_id(tree) if tree else ""
        return self._id

    @property
    def config(self) -> dict[str, Any]:
        """Builds the full nested config: the recipe's with the point's values, of its present length in epochs.
        DataError if the hash of the one that it was born with is not on record."""
        tree = self.unchecked_config
        if self._whole is None and (not tree or self._id_at(*self.stages[:1]) != self._born_id):
            problem = f"the config of trial {self.number} is not that of its id {self._born_id}"
            raise DataError(f"sweep '{self._terms.sweep.name}'", [f"{problem}; restore its journal from a backup"])
        return tree

    @property
    def former_ids(self) -> tuple[str, ...]:
        """Returns the hashes of the configs, shorter in epochs, with which its training state may have been saved."""
        if not self.turns:
            return tuple(self._id_at(epochs) for epochs in self.stages)
        present = (self.knobs_at(self.last_epoch), self.knobs_at(self.last_epoch + 1))
        tree = self.unchecked_config
        return tuple(
            tree_id(config_with(tree, {**knobs, EPOCHS: epochs})) for epochs in self.stages for knobs in present
        )

    def _id_at(self, epochs: int | None = None) -> str:
        tree = self.unchecked_config
        return tree_id(tree if epochs is None else config_with(tree, {EPOCHS: epochs}))

    def grow(self, terms: Terms) -> None:
        """Makes the trial as long as an enlarged sweep has it. `terms`: those of the sweep as it is now."""
        before = self.knob(EPOCHS)
        self._terms = terms
        if self.knob(EPOCHS) != before:
            self.stages, self._id = (*self.stages, before), None

    @property
    def unchecked_config(self) -> dict[str, Any]:
        """Builds the full nested config without verifying its hash, which takes milliseconds; {} if the recipe's config
        lacks a section of the point."""
        if self._whole is not None:
            return config_with(self._whole, {EPOCHS: self.knob(EPOCHS)}) if self.stages else self._whole
        try:
            return config_with(self._terms.sweep.base, self.point)
        except (KeyError, TypeError):
            return {}

    def knobs_at(self, epoch: int) -> dict[str, Any]:
        """Returns the values of the searched knobs with which an epoch, from 1, was or will be trained."""
        return next((turn.knobs for turn in reversed(self.turns) if turn.epoch < epoch), self.point)

    def config_at(self, epoch: int) -> dict[str, Any]:
        """Builds the full nested config with which an epoch, from 1, was or will be trained. DataError as `config`."""
        return config_with(self.config, self.knobs_at(epoch)) if self.turns else self.config

    def knob(self, path: str) -> Any:
        """Returns the value of one knob by dotted path, without building the full config; None if there is no such
        knob."""
        return self.point[path] if path in self.point else self._terms.sweep.knob(path)

    def book(self, epoch: int, metrics: Mapping[str, float], names: tuple[str, ...]) -> None:
        """Records the metrics of an epoch; a repeated epoch replaces the earlier metrics. `names`: the keys of
        `metrics`, as the tuple object shared by all trials with these keys."""
        if epoch > self.last_epoch:
            self.last_epoch = epoch
            self.epochs.add(epoch, metrics, names)
            value = metrics.get(self._terms.objective, math.nan)
            best = self.own_score
            if (best is None or value < best or self._keeps_last) and math.isfinite(value):
                self._best_epoch, self.own_score = epoch, value
            return
        # It was booked before, or comes late: what was best may have changed.
        if epoch in self.epochs:
            self.epochs.change(epoch, metrics)
        else:
            self.epochs.add(epoch, metrics, names)
        self._best_epoch, self.own_score = self._best_of(self.scores(self._terms.objective).items())

    def lose(self, cause: str) -> None:
        """Counts an attempt that the machine has cut short. `cause`: one of `records.CAUSES`."""
        self.losses = 1 + (self.losses if self._lost_at == self.last_epoch else 0)
        self.cause, self._lost_at = cause, self.last_epoch
        self.parts *= 2 if cause == GPU_MEMORY else 1

    def _best_of(self, scores: Iterable[tuple[int, float]]) -> tuple[int, float] | tuple[None, None]:
        """Selects (epoch, value) of the first epoch with the lowest value, or of the last epoch if the config has
        `loop.keep` last; (None, None) if `scores` is empty."""
        found = max(scores, default=None) if self._keeps_last else min(scores, key=lambda one: one[1], default=None)
        return (None, None) if found is None else found

    def scores(self, objective: str) -> dict[int, float]:
        """Returns epoch -> value of the metric `objective`, without values that are not finite."""
        return {epoch: value for epoch, value in self.epochs.column(objective) if math.isfinite(value)}

    def score(self, objective: str) -> float | None:
        """Returns the value of the metric `objective` at the trial's best epoch; None if it has no finite value."""
        if objective == self._terms.objective:
            return self.own_score
        return self._best_of(self.scores(objective).items())[1]

    def best_epoch(self, objective: str) -> int | None:
        """Returns the first epoch with the lowest value of the metric `objective`, or, if the config has `loop.keep`
        last, the last epoch that has a finite value; None if there is none."""
        if objective == self._terms.objective:
            return self._best_epoch
        return self._best_of(self.scores(objective).items())[0]

    def measured(self, name: str) -> float | None:
        """Returns the cost `name`, or the value of that metric at the trial's best epoch, whose weights are kept; None
        if there is none."""
        if name in self.costs:
            return self.costs[name]
        return None if self._best_epoch is None else self.epochs[self._best_epoch].get(name)

    def excesses(self) -> Iterator[tuple[Limit, float | None]]:
        """Iterates over the limits of the sweep with the value that each limits, None if it is not known yet."""
        return ((limit, self.measured(limit.metric)) for limit in self.limits)

    @property
    def broken(self) -> tuple[str, ...]:
        """Returns the limits that the trial breaks, each as 'latency_ms 7.3, limit 5'; () if it keeps them, as far as
        is known."""
        return tuple(
            f"{limit.metric} {value:.6g}, limit {limit.most:.15g}"
            for limit, value in self.excesses()
            if value is not None and not value <= limit.most
        )


class Stretch(NamedTuple):
    """Part of the training that led to some weights: the epochs `first` to `last`, trained by trial `trial` with the
    values `knobs` of the searched knobs."""

    first: int
    last: int
    trial: int
    knobs: dict[str, Any]


def descent_of(trials: Mapping[int, Trial], number: int, epoch: int) -> list[Stretch]:
    """Lists the parts of the training that led to the weights of trial `number` after `epoch`, in order: more than one
    where population-based training has handed states on. `trials`: those of the sweep by number."""
    found: list[Stretch] = []
    while True:
        turn = next((turn for turn in reversed(trials[number].turns) if turn.epoch < epoch), None)
        first = 1 if turn is None else turn.epoch + 1
        found.insert(0, Stretch(first, epoch, number, trials[number].knobs_at(epoch)))
        if turn is None:
            return found
        number, epoch = turn.donor, turn.epoch


def config_with(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """Builds a nested config: a copy of the recipe's config `base` with the values of `point`, dotted path -> value.
    KeyError or TypeError if a section is missing."""
    tree = copy.deepcopy(dict(base))
    for path, value in point.items():
        *sections, knob = path.split(".")
        functools.reduce(lambda at, name: at[name], sections, tree)[knob] = value
    return tree
