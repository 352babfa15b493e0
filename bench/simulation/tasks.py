"""Made-up tuning tasks for bench/search.py: the error of a pose lifter by epoch as a function of 12 knobs.

A task draws its constants from its number, and its kind follows from its number too (KINDS). What is learnt follows the
sum of the rates that the schedule leaves: a high rate learns fast and stays above until it has fallen, one that falls
early stops learning. Too little regularisation looks good early and overfits later. Some configs diverge, some never
leave the mean pose, knobs interact, seeds differ, and epochs of large networks take longer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from search.executors.simulated import Course
from search.record.plan import Plan, SweepConfig, make_plan, value_at
from spaces.space import Choice, Domain

OBJECTIVE = "val/mpjpe_mm"
EPOCHS, WORKERS = 50, 4
LR, DECAY, STEPS, BATCH = "optim.lr", "optim.lr_decay", "optim.lr_decay_steps", "loop.batch"
WEIGHT_DECAY, CLIP, HEADS = "optim.weight_decay", "optim.clip", "network.heads"
WIDTH, LAYERS = "network.width", "network.layers"
DROPOUT, ATTENTION, GRAPH = "network.dropout", "network.attention_dropout", "network.graph_dropout"


@dataclass(frozen=True)
class Kind:
    """What sets a group of tasks apart. `crossing`: factor of what a high rate costs until it has fallen, and of what
    overfitting costs at the end; `noise`: factor of what seeds and epochs differ by; `plateau`, `diverging`: shares of
    all points that stay at the mean pose, or diverge; `cost`: exponent of the size of the network in the time of an
    epoch."""

    crossing: float = 1.0
    noise: float = 1.0
    plateau: float = 0.35
    diverging: float = 0.06
    cost: float = 1.3


# By number % 5: usual, crossing, noisy, rough, uneven in cost.
KINDS = (Kind(), Kind(crossing=1.7), Kind(noise=2.0), Kind(plateau=0.5, diverging=0.12), Kind(plateau=0.2, cost=2.0))


def plan_for(scheduler: str, seed: int, recipe: str = "original", epochs: int = EPOCHS) -> Plan:
    """Makes the plan of a sweep over the 12 knobs of GraFormer that will not run out of trials."""
    sweep = SweepConfig(recipe=recipe, trials=10_000, scheduler=scheduler, seed=seed, concurrent=WORKERS)
    return make_plan("bench", sweep, "graformer", {"data.name": "tiny", "loop.epochs": epochs})


def recipe_of(plan: Plan) -> dict[str, Any]:
    return {path: value_at(plan.base, path) for path in plan.domains}


def length_of(plan: Plan) -> int:
    """Returns the length of a training of a plan in epochs."""
    return int(value_at(plan.base, "loop.epochs"))


def is_legal(point: dict[str, Any]) -> bool:
    return bool(point["network.width"] % point["network.heads"] == 0)


def unit(domain: Domain, value: Any) -> float:
    """Returns where in its domain a value lies, from 0 to 1; a value outside is moved to the nearer end."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / max(1, len(domain.values) - 1) if value in domain.values else 0.0
    scale = math.log if domain.log else float
    low, high = scale(domain.low), scale(domain.high)
    return min(1.0, max(0.0, (scale(max(value, 1e-12)) - low) / (high - low)))


def on_steps(domains: Mapping[str, Domain], units: np.ndarray) -> np.ndarray:
    """Moves the unit coordinates (N, K) of choices to the nearest one."""
    steps = np.array([len(one.values) - 1 if isinstance(one, Choice) else 0 for one in domains.values()])
    return np.where(steps > 0, np.rint(units * steps) / np.maximum(steps, 1), units)


class Tuning(Protocol):
    """What searches are tried on. `name`: in results; `epochs`: the length of a training; `whole`: trainings of that
    length that a run may spend; `best`: the lowest error known, mm."""

    name: int | str
    epochs: int
    whole: int
    best: float

    def plan(self, scheduler: str, seed: int) -> Plan:
        """Makes the plan of a sweep on it."""

    def begun(self) -> Tuning:
        """Returns what one run is to be tried on."""

    def course(self, point: Mapping[str, Any], seed: int) -> Course:
        """Returns what training a point with a seed shows, noise included, up to its divergence."""

    def regret(self, point: Mapping[str, Any]) -> float:
        """Returns by how much the whole training of a point is above the best known one, mm without noise."""

    def blind_seconds(self) -> float:
        """Returns the virtual seconds that the epochs of a run take on all workers if points are drawn blindly."""


class Task:
    """One made-up task. `number`: any from 0 on."""

    whole = 30

    def __init__(self, number: int) -> None:
        domains, epochs = plan_for("none", 0).domains, EPOCHS
        between = np.random.default_rng((41, number)).uniform
        kind = KINDS[number % len(KINDS)]
        self.name, self.domains, self.epochs, self.kind = number, domains, epochs, kind
        self._names = list(domains)
        self._floor, self._start, self._mean_pose = between(38, 48), between(170, 230), between(105, 150)
        # The rate that suits, in decades around the middle of its domain, and how batch, depth and width move it.
        self._ideal, self._pulls = between(-0.25, 0.2), between(0.1, 0.5, 3) * (1, -1, -1)
        self._falls, self._pace, self._gain = between(4, 9), between(0.3, 1.2), between(0.7, 1.1)
        self._power, self._drag = between(0.9, 1.4), between(0.5, 1.5)
        self._size, self._size_gain = between(4, 12), between(2, 3.5)
        self._jitter, self._jitter_gain = kind.crossing * between(6, 14), between(0.5, 0.9)
        self._too_high, self._too_low = between(8, 20), between(1, 5)
        self._shares = between(0.2, 0.5, 2)  # of attention and graph dropout in the whole regularisation
        self._need, self._need_gain = between(0.2, 0.45), between(0.1, 0.35)
        self._rigid, self._overfit = between(25, 60), kind.crossing * between(15, 40)
        self._valleys = {name: (between(0.05, 0.7), between(3, 12)) for name in (ATTENTION, GRAPH, WEIGHT_DECAY)}
        self._batch_cost = between(1, 5)
        self._tables = {name: np.append(0.0, between(0.3, 3, 7)) for name in (CLIP, HEADS)}
        for table in self._tables.values():
            table[:] = table[np.argsort(between(0, 1, len(table)))]
        self._noise = kind.noise * between(0.4, 0.9), kind.noise * between(0.25, 0.6), kind.noise * between(0.05, 0.12)
        self._collapse = between(0.3, 1.0, 4)
        drawn = self.drawn(4000)
        self._flat_from = np.quantile(self._flatness(self._named(drawn)), 1 - kind.plateau)
        self._edge = np.quantile(self._heat(self._named(drawn)), 1 - kind.diverging)
        self.best_units = self._lowest()
        self.best = float(self.finals(self.best_units[None])[0])

    def plan(self, scheduler: str, seed: int) -> Plan:
        """Makes the plan of a sweep on the task."""
        return plan_for(scheduler, seed)

    def begun(self) -> Task:
        """Returns the task: runs do not change it."""
        return self

    def drawn(self, count: int) -> np.ndarray:
        """Returns points (count, K) drawn blindly, always the same."""
        return on_steps(self.domains, np.random.default_rng(5).uniform(size=(count, len(self._names))))

    def unit_point(self, point: Mapping[str, Any]) -> np.ndarray:
        """Returns a point as an array (K,) of unit coordinates, in the order of the domains."""
        return np.array([unit(domain, point[name]) for name, domain in self.domains.items()])

    def _named(self, units: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._names, units.T, strict=True))

    def _off(self, x: dict[str, np.ndarray]) -> np.ndarray:
        """Computes by how many decades the rates are above those that suit the other knobs."""
        pulls = self._pulls @ (np.stack([x[BATCH], x[LAYERS], x[WIDTH]]) - 0.5)
        return np.asarray(1.48 * (x[LR] - 0.5) - self._ideal - pulls)

    def _flatness(self, x: dict[str, np.ndarray]) -> np.ndarray:
        """Computes how close points are to a training that stays at the mean pose."""
        a, b, c, d = self._collapse
        heavy = x[WEIGHT_DECAY] ** 4 * (0.5 + np.clip(self._off(x), -0.5, 0.5))
        return np.asarray(
            a * x[ATTENTION] ** 2 * (0.5 + x[LAYERS])
            + b * x[DROPOUT] ** 2 * (1.2 - x[WIDTH])
            + c * heavy
            + d * (x[HEADS] == 0) * x[WIDTH]
        )

    def _heat(self, x: dict[str, np.ndarray]) -> np.ndarray:
        """Computes how close points are to divergence; clipping keeps from it, no clipping at all leads to it."""
        return np.asarray(self._off(x) + 0.25 * x[LAYERS] + np.where(x[CLIP] == 0, 0.2, 0.1 * x[CLIP]))

    def curves(self, units: np.ndarray, luck: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Computes the noise-free errors (N, epochs) in mm of points (N, K), and the epoch of each in which it diverges
        (N,), 0 if it does not. `luck`: factor of the speed of learning."""
        x = self._named(units)
        off = self._off(x)
        size = (x[WIDTH] + x[LAYERS]) / 2
        attention, graph = self._shares
        rigour = (x[DROPOUT] + attention * x[ATTENTION] + graph * x[GRAPH]) / (1 + attention + graph)
        spare = rigour - self._need - self._need_gain * (size - 0.5)
        final = (
            self._floor
            + self._size * np.exp(-self._size_gain * size)
            + self._too_high * np.clip(off, 0, None) ** 2
            + self._too_low * np.clip(-off, 0, None) ** 2
            + self._rigid * np.clip(spare, 0, None) ** 2
            + self._batch_cost * x[BATCH] ** 2
        )
        for name, (middle, depth) in self._valleys.items():
            final = final + depth * (x[name] - middle) ** 2
        for name, table in self._tables.items():
            final = final + table[np.rint(x[name] * (len(self.domains[name].values) - 1)).astype(int)]  # type: ignore[union-attr]
        epoch = np.arange(1, self.epochs + 1)[None]
        # Natural logarithm by which the rate falls in an epoch: its steps, 2 to 32 thousand, over those of a stair.
        fall = self._falls * -np.log(0.8 + 0.19 * x[DECAY]) * 10 ** (-x[STEPS] - 1.2 * x[BATCH])
        left_rate = np.exp(-np.clip(fall[:, None] * epoch, None, 50))
        pace = (
            luck
            * self._pace
            * 10 ** (self._gain * np.minimum(off, 0.3))
            * np.exp(-self._drag * (rigour + 0.5 * x[LAYERS]))
        )
        learnt = pace[:, None] * (1 - left_rate) / np.maximum(fall, 1e-9)[:, None]
        left = (1 + learnt) ** -self._power
        late = self._jitter * 10 ** (self._jitter_gain * off[:, None]) * left_rate * (1 - left)
        lack = self._overfit * np.clip(-spare, 0, None) ** 1.5
        late = late + lack[:, None] * np.clip(epoch / self.epochs - 0.1, 0, None)
        errors = final[:, None] + (self._start - final)[:, None] * left + late
        flat = self._mean_pose + (self._start - self._mean_pose) * np.exp(-0.8 * epoch) + 0.1 * (errors - self._floor)
        errors = np.where((self._flatness(x) > self._flat_from)[:, None], flat, errors)
        beyond = self._heat(x) - self._edge
        when = np.where(beyond > 0, 1 + np.floor(self.epochs / 4 * np.exp(-8 * np.clip(beyond, 0, None))), 0)
        return errors, when.astype(int)

    def finals(self, units: np.ndarray) -> np.ndarray:
        """Computes the noise-free errors (N,) of whole trainings in mm; inf where they diverge."""
        errors, when = self.curves(units)
        return np.where(when > 0, np.inf, errors.min(1))

    def regret(self, point: Mapping[str, Any]) -> float:
        """Returns by how much the whole training of a point is above the best known one, mm without noise."""
        return float(self.finals(self.unit_point(point)[None])[0]) - self.best

    def course(self, point: Mapping[str, Any], seed: int) -> Course:
        """Returns what training a point with a seed shows, noise included, up to its divergence."""
        units = self.unit_point(point)
        draw = np.random.default_rng((43, self.name, seed, *(int(1e6 * one) for one in units)))
        between, within, of_speed = self._noise
        errors, when = self.curves(units[None], math.exp(of_speed * draw.standard_normal()))
        fading = 1 + 2 * np.exp(-np.arange(1, self.epochs + 1) / 5)  # early epochs are shakier
        shown = errors[0] + between * draw.standard_normal() + within * fading * draw.standard_normal(self.epochs)
        length = int(when[0]) or self.epochs
        values = [{OBJECTIVE: float(value)} for value in shown[:length]]
        if when[0]:
            values[-1] = {OBJECTIVE: math.nan}
        return Course(tuple(values), float(self._epoch_s(units[None])[0]))

    def _epoch_s(self, units: np.ndarray) -> np.ndarray:
        """Computes the virtual seconds of one epoch of points (N, K)."""
        x = self._named(units)
        network = ((0.3 + x[WIDTH]) * (0.4 + x[LAYERS])) ** self.kind.cost
        return np.asarray((0.3 + network) * (1.2 - 0.4 * x[BATCH]))

    def blind_seconds(self) -> float:
        """Returns the virtual seconds that the epochs of a run take on all workers if points are drawn blindly."""
        return self.whole * self.epochs * float(self._epoch_s(self.drawn(4000)).mean()) / WORKERS

    def _lowest(self) -> np.ndarray:
        """Finds the point (K,) of the lowest error by random points and a climb from the best of them; choices stay on
        their steps."""
        draw = np.random.default_rng(47)
        points = on_steps(self.domains, draw.uniform(size=(20_000, len(self._names))))
        for width in (0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05, 0.03, 0.02, 0.01, 0.01, 0.005, 0.003):
            kept = points[np.argsort(self.finals(points))[:50]]
            near = np.repeat(kept, 40, 0)
            moved = draw.uniform(size=near.shape) < 0.3
            near = np.clip(near + moved * draw.normal(0, width, near.shape), 0, 1)
            points = on_steps(self.domains, np.concatenate([kept, near]))
        return np.asarray(points[self.finals(points).argmin()])
