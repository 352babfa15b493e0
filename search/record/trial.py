"""A trial of a sweep as its records make it."""

from __future__ import annotations

import copy
import functools
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from data.errors import DataError
from spaces.schema import tree_id

from .records import ENDED, SweepRow


class Epochs(Mapping[int, Mapping[str, float]]):
    """Epoch -> metrics, in the order in which they came; a few bytes a value, as a sweep has very many of them."""

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
        """Puts an epoch that is not there behind all others. `names`: the keys of its metrics, one tuple for all."""
        if not self._numbers:
            self._names = names
        self._numbers.append(epoch)
        if names is self._names:
            self._values.extend(metrics.values())
        else:
            self._odd = {**(self._odd or {}), epoch: dict(metrics)}
            self._values.extend([0.0] * len(self._names))

    def change(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Puts other metrics in the place of those of an epoch."""
        self._odd = {**(self._odd or {}), epoch: dict(metrics)}

    def column(self, name: str) -> Iterator[tuple[int, float]]:
        """Epoch and value of one metric, where it was measured."""
        if self._odd is None:
            if name in self._names:
                at = self._names.index(name)
                yield from zip(self._numbers, self._values[at :: len(self._names)], strict=True)
            return
        for epoch in self:
            metrics = self[epoch]
            if name in metrics:
                yield epoch, metrics[name]


class Trial:
    """One configuration and what became of it. `point`: dotted path -> value of the searched knobs; `epochs`: epoch ->
    metrics; `test`: kind of mean -> metric -> value; `last_epoch`: the last on record, 0 before the first; `own_score`:
    that of the sweep's own objective.

    What is asked at every event - the last epoch, the best, the score of the sweep's objective - is kept up to date and
    not searched for."""

    __slots__ = (
        *("number", "point", "config_id", "state", "reason", "attempts", "epochs", "test", "last_epoch"),
        *("own_score", "_best_epoch", "_keeps_last", "_sweep", "_whole"),
    )

    def __init__(
        self,
        number: int,
        point: dict[str, Any],
        config_id: str,
        sweep: SweepRow,
        whole: dict[str, Any] | None = None,
    ) -> None:
        self.number = number
        self.point = point
        self.config_id = config_id
        self.state = "waiting"
        self.reason = ""
        self.attempts = 0
        self.epochs = Epochs()
        self.test: dict[str, dict[str, float]] = {}
        self.last_epoch = 0
        self._sweep = sweep
        self._whole = whole  # only journals of earlier versions have it
        self._keeps_last = self.knob("loop.keep") == "last"
        self.own_score: float | None = None
        self._best_epoch: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.state}, epochs {list(self.epochs)}, score {self.own_score})"

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left to run."""
        return self.state in ENDED

    @property
    def config(self) -> dict[str, Any]:
        """The whole nested config: that of the recipe with the point put in. DataError when its hash is another one."""
        tree = self.unchecked_config
        if self._whole is None and (not tree or tree_id(tree) != self.config_id):
            problem = f"the config of trial {self.number} is not that of its id {self.config_id}"
            raise DataError(f"sweep '{self._sweep.name}'", [f"{problem}; restore its journal from a backup"])
        return tree

    @property
    def unchecked_config(self) -> dict[str, Any]:
        """The same without a look at the hash, which takes milliseconds; empty where the base has no such section."""
        if self._whole is not None:
            return self._whole
        try:
            return config_with(self._sweep.base, self.point)
        except (KeyError, TypeError):
            return {}

    def knob(self, path: str) -> Any:
        """The value of one knob by dotted path, without the whole config; None where there is no such knob."""
        return self.point[path] if path in self.point else self._sweep.knob(path)

    def book(self, epoch: int, metrics: Mapping[str, float], names: tuple[str, ...]) -> None:
        """Takes in an epoch. `names`: the keys of its metrics, one tuple for all trials alike."""
        if epoch > self.last_epoch:
            self.last_epoch = epoch
            self.epochs.add(epoch, metrics, names)
            value = metrics.get(self._sweep.plan["objective"], math.nan)
            if math.isfinite(value) and (self.own_score is None or self._keeps_last or value < self.own_score):
                self._best_epoch, self.own_score = epoch, value
            return
        # It was booked before, or comes late: what was best may have changed.
        if epoch in self.epochs:
            self.epochs.change(epoch, metrics)
        else:
            self.epochs.add(epoch, metrics, names)
        self._best_epoch, self.own_score = self._best_of(self.scores(self._sweep.objective).items())

    def _best_of(self, scores: Iterable[tuple[int, float]]) -> tuple[int, float] | tuple[None, None]:
        """The first epoch with the lowest value, or, as its config says, the last one."""
        found = max(scores, default=None) if self._keeps_last else min(scores, key=lambda one: one[1], default=None)
        return (None, None) if found is None else found

    def scores(self, objective: str) -> dict[int, float]:
        """Epoch -> value of the objective; a value that is not finite is no score."""
        return {epoch: value for epoch, value in self.epochs.column(objective) if math.isfinite(value)}

    def score(self, objective: str) -> float | None:
        """The value of the objective at its best epoch; None before the first."""
        if objective == self._sweep.objective:
            return self.own_score
        return self._best_of(self.scores(objective).items())[1]

    def best_epoch(self, objective: str) -> int | None:
        """The first epoch with the lowest value of the objective, or, as its config says, the last one that has any."""
        if objective == self._sweep.objective:
            return self._best_epoch
        return self._best_of(self.scores(objective).items())[0]


def config_with(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """The config tree of a recipe with a point put in."""
    tree = copy.deepcopy(dict(base))
    for path, value in point.items():
        *sections, knob = path.split(".")
        functools.reduce(lambda at, name: at[name], sections, tree)[knob] = value
    return tree
