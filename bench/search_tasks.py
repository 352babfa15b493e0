"""Made-up tuning tasks for bench/search.py: the error of a pose lifter by epoch as a function of 12 knobs.

A task draws its constants from its number. Its curves cross (a high rate learns fast and stays above), some configs
diverge, some stay on a plateau, knobs interact, seeds differ, and epochs of large networks take longer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from search.executors.simulated import Course
from search.record.plan import Plan, SweepConfig, make_plan, value_at
from spaces.space import Choice, Domain

OBJECTIVE = "val/mpjpe_mm"
EPOCHS, WORKERS = 50, 4
LR, DECAY, BATCH = "optim.lr", "optim.lr_decay", "loop.batch"
WIDTH, LAYERS, HEADS, DROPOUT = "network.width", "network.layers", "network.heads", "network.dropout"
SHAPING = (LR, DECAY, BATCH, WIDTH, LAYERS, DROPOUT)  # the other knobs each have a valley of their own


def plan_for(scheduler: str, seed: int) -> Plan:
    """Makes the plan of a sweep over the 12 knobs of GraFormer that will not run out of trials."""
    sweep = SweepConfig(recipe="original", trials=10_000, scheduler=scheduler, seed=seed, concurrent=WORKERS)
    return make_plan("bench", sweep, "graformer", {"data.name": "tiny", "loop.epochs": EPOCHS})


def recipe_of(plan: Plan) -> dict[str, Any]:
    return {path: value_at(plan.base, path) for path in plan.domains}


def is_legal(point: dict[str, Any]) -> bool:
    return bool(point["network.width"] % point["network.heads"] == 0)


def unit(domain: Domain, value: Any) -> float:
    """Returns where in its domain a value lies, from 0 to 1; a value outside is moved to the nearer end."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / max(1, len(domain.values) - 1) if value in domain.values else 0.0
    scale = math.log if domain.log else float
    low, high = scale(domain.low), scale(domain.high)
    return min(1.0, max(0.0, (scale(max(value, 1e-12)) - low) / (high - low)))


class Task:
    """One task. `domains`: the searched knobs; `epochs`: the length of a training."""

    def __init__(self, number: int, domains: Mapping[str, Domain], epochs: int) -> None:
        draw = np.random.default_rng((41, number))
        self.number, self.domains, self.epochs = number, domains, epochs
        self._names = list(domains)
        self._floor, self._start = draw.uniform(38, 48), draw.uniform(170, 230)
        self._ideal = draw.uniform(0.5, 0.7)  # of the rate, in the middle of everything else
        self._pulls = draw.uniform(0.05, 0.25, 3) * (1, -1, -1)  # of batch, depth and width on it
        self._rate, self._shape, self._gain = draw.uniform(0.1, 0.5), draw.uniform(0.6, 0.9), draw.uniform(1.5, 3.0)
        self._high, self._low, self._jitter = draw.uniform(60, 160), draw.uniform(15, 40), draw.uniform(8, 25)
        self._small, self._need, self._rigid = draw.uniform(4, 12), draw.uniform(0.1, 0.6), draw.uniform(30, 90)
        self._edge, self._stuck = draw.uniform(0.28, 0.4), draw.uniform(100, 150)
        others = [name for name in self._names if name not in SHAPING]
        self._valleys = {name: (draw.uniform(0, 1), draw.uniform(1, 12)) for name in others}
        self._tables = {
            name: draw.uniform(0, 5, len(domain.values))
            for name, domain in domains.items()
            if name in others and isinstance(domain, Choice)
        }
        self._noise = draw.uniform(0.4, 1.0), draw.uniform(0.2, 0.6)
        self.best = self._lowest()

    def unit_point(self, point: Mapping[str, Any]) -> np.ndarray:
        """Returns a point as an array (K,) of unit coordinates, in the order of the domains."""
        return np.array([unit(domain, point[name]) for name, domain in self.domains.items()])

    def curves(self, units: np.ndarray, luck: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Computes the noise-free errors (N, epochs) in mm of points (N, K), and the epoch of each in which it diverges
        (N,), 0 if it does not. `luck`: factor of the speed of learning."""
        x = dict(zip(self._names, units.T, strict=True))
        pulls = self._pulls @ (np.stack([x[BATCH], x[LAYERS], x[WIDTH]]) - 0.5)
        off = x[LR] - self._ideal - pulls
        size = (x[WIDTH] + x[LAYERS]) / 2
        excess = np.clip(off, 0, None)
        wanted = self._need * size
        final = (
            self._floor
            + self._small * np.exp(-3 * size)
            + self._high * excess**2
            + self._low * np.clip(-off, 0, None) ** 2
            + self._rigid * (x[DROPOUT] - wanted) ** 2 * np.where(x[DROPOUT] > wanted, 1.0, 0.5)
        )
        for name, (middle, depth) in self._valleys.items():
            if name in self._tables:
                table = self._tables[name]
                final = final + table[np.rint(x[name] * (len(table) - 1)).astype(int)]
            else:
                final = final + depth * (x[name] - middle) ** 2
        epoch = np.arange(1, self.epochs + 1)[None] / self.epochs
        speed = luck * self._rate * 10 ** (self._gain * np.minimum(off, 0.2)) * (1.2 - 0.5 * size) * (1.1 - x[DROPOUT])
        left = np.exp(-((60 * speed[:, None] * epoch) ** self._shape))
        # What a high rate costs until it has decayed; a slow decay keeps it up to the end.
        late = self._jitter * 10 ** (1.2 * off[:, None]) * np.exp(-epoch * (4 - 3.2 * x[DECAY][:, None]))
        errors = final[:, None] + (self._start - final)[:, None] * left + late * (1 - left)
        is_stuck = (x[DROPOUT] > 0.85) & (size > 0.5)
        errors = np.where(is_stuck[:, None], self._stuck + (self._start - self._stuck) * np.exp(-30 * epoch), errors)
        beyond = off - self._edge + 0.1 * x[LAYERS]
        when = np.where(beyond > 0, 1 + np.floor(self.epochs / 5 * np.exp(-8 * np.clip(beyond, 0, None))), 0)
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
        draw = np.random.default_rng((43, self.number, seed, *(int(1e6 * one) for one in units)))
        errors, when = self.curves(units[None], math.exp(0.1 * draw.standard_normal()))
        between, within = self._noise
        shown = errors[0] + between * draw.standard_normal() + within * draw.standard_normal(self.epochs)
        length = int(when[0]) or self.epochs
        values = [{OBJECTIVE: float(value)} for value in shown[:length]]
        if when[0]:
            values[-1] = {OBJECTIVE: math.nan}
        return Course(tuple(values), float(self._epoch_s(units[None])[0]))

    def _epoch_s(self, units: np.ndarray) -> np.ndarray:
        """Computes the virtual seconds of one epoch of points (N, K)."""
        x = dict(zip(self._names, units.T, strict=True))
        return (0.3 + 1.4 * x[WIDTH] * (0.3 + x[LAYERS])) * (1.2 - 0.4 * x[BATCH])

    def blind_seconds(self, epochs: int) -> float:
        """Returns the virtual seconds that so many epochs of points drawn blindly take on all workers."""
        units = self._on_steps(np.random.default_rng(5).uniform(size=(4000, len(self._names))))
        return epochs * float(self._epoch_s(units).mean()) / WORKERS

    def _on_steps(self, units: np.ndarray) -> np.ndarray:
        """Moves the coordinates of choices to the nearest one."""
        sizes = [len(domain.values) - 1 if isinstance(domain, Choice) else 0 for domain in self.domains.values()]
        steps = np.array(sizes)
        return np.where(steps > 0, np.rint(units * steps) / np.maximum(steps, 1), units)

    def _lowest(self) -> float:
        """Finds the lowest error by random points and a climb from the best of them; choices stay on their steps."""
        draw = np.random.default_rng(47)
        points = self._on_steps(draw.uniform(size=(20_000, len(self._names))))
        for width in (0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.01):
            kept = points[np.argsort(self.finals(points))[:50]]
            near = np.repeat(kept, 60, 0)
            moved = draw.uniform(size=near.shape) < 0.3
            near = np.clip(near + moved * draw.normal(0, width, near.shape), 0, 1)
            points = self._on_steps(np.concatenate([kept, near]))
        return float(self.finals(points).min())
