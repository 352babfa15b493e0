"""Replay of GraFormer configs that were really trained, for bench/search.py: bench/simulation/replay.json, a table of
configs with the error after each epoch and the seconds of one.

A trial gets the nearest config of the table that no earlier trial of the run has, in unit coordinates of all knobs, so
every value that a search sees was measured, and no config is paid for twice before all are. A model fitted to so few
configs would show smoother values than any training, and those would be its own."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.simulation.tasks import OBJECTIVE, WORKERS, plan_for, unit
from search.executors.simulated import Course
from search.record.plan import Plan

FILE = Path(__file__).with_suffix(".json")


class Replay:
    """The table of a file: {'recipe': whose domains hold the configs, 'configs': [{'knobs': {path: value}, 'epoch_s':
    seconds, OBJECTIVE: [mm after each epoch, null from a divergence on]}]}, all equally long. One run changes it."""

    name = "replay"

    def __init__(self, file: Path = FILE) -> None:
        tree = json.loads(file.read_text(encoding="utf-8"))
        self._recipe, configs = tree["recipe"], tree["configs"]
        self.epochs = len(configs[0][OBJECTIVE])
        self.whole = len(configs) // 4
        self._domains = plan_for("none", 0, self._recipe, self.epochs).domains
        self._units = np.array([self._unit_point(config["knobs"]) for config in configs])
        curves = [[math.nan if one is None else float(one) for one in config[OBJECTIVE]] for config in configs]
        self._courses = [
            Course(tuple({OBJECTIVE: value} for value in upto_divergence(curve)), float(config["epoch_s"]))
            for curve, config in zip(curves, configs, strict=True)
        ]
        self._lowest = [min(curve) if all(map(math.isfinite, curve)) else math.inf for curve in curves]
        self.best = min(self._lowest)
        self._taken: dict[tuple[float, ...], int] = {}

    def plan(self, scheduler: str, seed: int) -> Plan:
        """Makes the plan of a sweep over the domains of the table."""
        return plan_for(scheduler, seed, self._recipe, self.epochs)

    def begun(self) -> Replay:
        """Returns a table of which nothing is taken."""
        made = copy.copy(self)
        made._taken = {}
        return made

    def _unit_point(self, point: Mapping[str, Any]) -> np.ndarray:
        return np.array([unit(domain, point[name]) for name, domain in self._domains.items()])

    def _row(self, point: Mapping[str, Any]) -> int:
        """Returns the row of the table that stands for a point; the same for the same point."""
        units = self._unit_point(point)
        key = tuple(units.tolist())
        if key not in self._taken:
            distances = ((self._units - units) ** 2).sum(1)
            free = [row for row in range(len(distances)) if row not in self._taken.values()]
            self._taken[key] = min(free or range(len(distances)), key=distances.__getitem__)
        return self._taken[key]

    def course(self, point: Mapping[str, Any], seed: int) -> Course:
        """Returns what training the row of a point showed, up to its divergence; `seed` has no say."""
        return self._courses[self._row(point)]

    def regret(self, point: Mapping[str, Any]) -> float:
        """Returns by how much the whole training of the row of a point is above the best one of the table, mm."""
        return self._lowest[self._row(point)] - self.best

    def blind_seconds(self) -> float:
        """Returns the virtual seconds that the epochs of a run take on all workers if rows are drawn blindly."""
        seconds = [course.epoch_s for course in self._courses]
        return self.whole * self.epochs * sum(seconds) / len(seconds) / WORKERS


def upto_divergence(curve: list[float]) -> list[float]:
    """Returns a curve up to and including its first value that is not finite."""
    bad = next((i for i, value in enumerate(curve) if not math.isfinite(value)), len(curve))
    return curve[: bad + 1]
