"""What a warm start brings: simulated sweeps of the product's own conductor, after an earlier sweep of a like task.

python bench/warm_start.py --json                    8 trials after 24, against 8 and 16 without; minutes
python bench/warm_start.py --trials 20 --earlier 40  longer sweeps
python bench/warm_start.py --unlike                  after a sweep of another task, of another kind

Five made-up tasks (bench/simulation/tasks.py) of 18 epochs, two workers on a virtual clock. A like task has the same
form, with its best point, its pace and the price of each knob moved. Figures are medians over tasks and seeds of the
lowest error shown, mm; `reached` is the share of runs with no more than the cold run of twice the trials.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, Python looks beside it only

import numpy as np

from bench.search import FACTS, RESTART_S
from bench.simulation.tasks import OBJECTIVE, Task, plan_for
from search.decisions.conductor import Conductor
from search.decisions.continued import with_draws
from search.decisions.samplers.tpe import quick_truncated_normal
from search.executors.simulated import Clock, Simulated
from search.record.journal import create
from search.record.plan import Plan, begun_by
from search.record.points.first import with_first_points
from search.record.records import EpochRow, Row
from spaces.table import text_table

EPOCHS, WORKERS = 18, 2
TASKS, UNLIKE = range(20, 25), 41  # an unlike task is so many numbers on, of the next kind
EARLIER_SEEDS = 300  # the earlier sweep's seed is so far from the later one's


class Short(Task):
    """A task of few epochs."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.epochs = EPOCHS


class Like(Short):
    """A task like the one of the number: 27 frames where that is 81, say."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        draw = np.random.default_rng((53, number))
        self.name = number + 1000
        self._ideal += draw.normal(0, 0.1)
        self._need += draw.normal(0, 0.06)
        self._pace *= 1 + draw.uniform(-0.3, 0.3)
        self._size *= 1 + draw.uniform(-0.2, 0.2)
        self._valleys = {
            name: (float(np.clip(middle + draw.normal(0, 0.1), 0, 1)), depth)
            for name, (middle, depth) in self._valleys.items()
        }
        for table in self._tables.values():
            table += np.abs(draw.normal(0, 0.35, len(table)))


def lowest(task: Task, plan: Plan, folder: Path) -> tuple[float, int]:
    """Runs a sweep on a task; returns the lowest error shown, mm, and the number of epochs spent."""
    journal = create(folder, begun_by(plan, "bench", FACTS))
    leader, best = Conductor(journal, plan, WORKERS, lambda line: None), math.inf
    told = leader.hear

    def hear(report: Row) -> bool:
        nonlocal best
        if isinstance(report, EpochRow):
            best = min(best, report.metrics[OBJECTIVE])
        return told(report)

    leader.hear = hear  # type: ignore[method-assign]

    def course(trial: int, _: int) -> object:
        return task.course(journal.trials[trial].point, plan.sweep.seed)

    made = Simulated(leader, course, WORKERS, Clock(), RESTART_S, RESTART_S)
    made.run(lambda: False)
    journal.unlock()
    return best, made.spent


def planned(name: str, trials: int, seed: int) -> Plan:
    """Makes the plan of a sweep of so many trials with the default scheduler and sampler."""
    plan = plan_for("asha", seed, epochs=EPOCHS)
    return dataclasses.replace(plan, name=name, sweep=dataclasses.replace(plan.sweep, trials=trials))


def run(number: int, seed: int, trials: int, earlier: int, *, is_unlike: bool) -> dict[str, tuple[float, int]]:
    """Runs the earlier sweep and the three later ones; returns what `lowest` does, by their names."""
    task = Short(number)
    old = Short(number + UNLIKE) if is_unlike else Like(number)
    with (
        tempfile.TemporaryDirectory() as place,
        # What takes long and decides nothing: the disk.
        mock.patch.object(os, "fsync", return_value=None),
        quick_truncated_normal(),
    ):
        home = Path(place)
        lowest(old, planned("earlier", earlier, seed + EARLIER_SEEDS), home / "earlier")
        cold = planned("cold", trials, seed)
        warm = with_draws(with_first_points(planned("warm", trials, seed), [], home / "earlier"), home / "earlier")
        twice = planned("twice", 2 * trials, seed)
        return {plan.name: lowest(task, plan, home / plan.name) for plan in (cold, warm, twice)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--earlier", type=int, default=24, help="trials of the earlier sweep")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--unlike", action="store_true")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, int]]] = {}
    for number in TASKS:
        for seed in range(options.seeds):
            for name, one in run(number, seed, options.trials, options.earlier, is_unlike=options.unlike).items():
                found.setdefault(name, []).append(one)
    twice = np.array([error for error, _ in found["twice"]])
    figures = {
        name: {
            "error": round(float(np.median([error for error, _ in runs])), 1),
            "reached": round(float(np.mean(np.array([error for error, _ in runs]) <= twice)), 2),
            "epochs": round(float(np.mean([epochs for _, epochs in runs]))),
        }
        for name, runs in found.items()
    }
    rows = [[name, one["error"], f"{one['reached']:.2f}", one["epochs"]] for name, one in figures.items()]
    print(text_table(["sweep", "error", "reached", "epochs"], rows))
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
