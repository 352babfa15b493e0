"""How good a search for error and latency together is: simulated tuning of pose lifters, the product against Optuna.

python bench/search_pareto.py --json                    two seeds of five tasks; minutes
python bench/search_pareto.py --seeds 0-19 --out runs.jsonl
python bench/search_pareto.py --table runs.jsonl        what such a file says; a run goes on with what it lacks

Tasks, workers and clock are those of bench/search.py; the latency is a function of the network. A run ends when 30
whole trainings of 50 epochs are spent. At 40, 60 and 100% of them, of the trials that no other beats in what they have
shown the noise-free errors of the weights in hand are taken, and the hypervolume below the reference point: best known
error of the task + 40 mm, and the latency of the network that has it, the slowest of the best known front. Figures are
percent of the mean hypervolume of Optuna's TPE for two objectives, without stopping, at its full cost on the same task.
  asha, stopping, hyperband, none   the product with that --scheduler and its default sampler, TPE
  random                            the product with --sampler random --scheduler none
  optuna                            Optuna's TPE for two objectives, as it comes
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

import numpy as np
import optuna
from optuna.trial import TrialState

from bench.simulation.peers import Asking
from bench.simulation.tasks import EPOCHS, HEADS, LAYERS, OBJECTIVE, WIDTH, WORKERS, Task, plan_for, recipe_of
from search.decisions.conductor import Conductor
from search.decisions.fronts import is_undominated
from search.decisions.optuna_terms import to_term
from search.executors.simulated import Simulated
from search.record.journal import create
from search.record.plan import begun_by
from search.record.records import CostRow, EndRow, EpochRow, Facts, Row
from spaces.domains import Choice

LATENCY = "latency_ms"
WHOLE = 30  # trainings
MARKS = (0.4, 0.6, 1.0)  # shares of their epochs
REACH = 40.0  # mm above the best known error
ILLEGAL = 1e3  # mm and ms; told as failed, Optuna draws the same point again and again
NEEDED = {"40%": 80.0, "60%": 95.0, "100%": 115.0, "better": 75.0}  # of asha
FACTS = Facts(revision="bench", versions={}, data={"set": "tiny", "train": ["S1"], "val": ["S8"]}, machine="here")


def latency(width: float, layers: float, heads: float) -> float:
    """Returns the made-up latency of a network in ms."""
    wide = width / 96
    return 0.5 + layers * (0.3 + 0.3 * wide + 0.2 * wide**2 + 0.02 * heads)


def latency_of(point: Mapping[str, Any]) -> float:
    return latency(*(float(point[f"network.{name}"]) for name in ("width", "layers", "heads")))


def slowest(task: Task) -> float:
    """Returns the latency of the network with the best known error of a task, in ms: none of its front is slower."""
    sizes = []
    for (path, domain), share in zip(task.domains.items(), task.best_units, strict=True):
        if path in (WIDTH, LAYERS, HEADS):
            if isinstance(domain, Choice):
                sizes.append(float(domain.values[round(share * (len(domain.values) - 1))]))  # type: ignore[arg-type]
            else:
                sizes.append(domain.low + share * (domain.high - domain.low))
    return latency(*sizes)


class Ours:
    """The product's conductor on a journal of its own, without fsync and without lines."""

    def __init__(self, scheduler: str, sampler: str, seed: int, folder: Path) -> None:
        plan = plan_for(scheduler, seed)
        sweep = dataclasses.replace(plan.sweep, objective=f"{OBJECTIVE},{LATENCY}", sampler=sampler)
        plan = dataclasses.replace(plan, sweep=sweep)
        self.journal = create(folder, begun_by(plan, "bench", FACTS))
        self.conductor = Conductor(self.journal, plan, WORKERS, lambda line: None)
        self.next_task, self.hear = self.conductor.next_task, self.conductor.hear

    def point(self, trial: int) -> dict[str, Any]:
        return self.journal.trials[trial].point

    def close(self) -> None:
        self.journal.unlock()


class Optuna(Asking):
    """Optuna with two objectives; it refuses to prune there."""

    def __init__(self, seed: int, folder: Path) -> None:
        plan = plan_for("none", seed)
        study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial({path: to_term(plan.domains[path], one) for path, one in recipe_of(plan).items()})
        super().__init__(plan, study, values=[ILLEGAL, ILLEGAL])

    def hear(self, report: Row) -> bool:
        if isinstance(report, CostRow):
            return True
        assert isinstance(report, EpochRow | EndRow), report
        asked = self._asked[report.trial]
        if isinstance(report, EndRow):
            self._study.tell(asked, state=TrialState.FAIL)
            return False
        lowest = min(self._lowest.get(report.trial, math.inf), report.metrics[OBJECTIVE])
        self._lowest[report.trial] = lowest
        if report.epoch < EPOCHS:
            return True
        self._study.tell(asked, [lowest, latency_of(self.points[report.trial])])
        return False


METHODS: dict[str, Callable[[int, Path], Any]] = {
    **{
        name: (lambda seed, folder, name=name: Ours(name, "tpe", seed, folder))
        for name in ("asha", "stopping", "hyperband", "none")
    },
    "random": lambda seed, folder: Ours("none", "random", seed, folder),
    "optuna": Optuna,
}


def hypervolume(costs: np.ndarray, reference: tuple[float, float]) -> float:
    """Computes the area between points `costs` (N, 2), both columns minimised, and the reference point."""
    inside = costs[(costs < reference).all(axis=1)]
    area, low = 0.0, reference[1]
    for first, second in inside[np.argsort(inside[:, 0])]:
        if second < low:
            area += (reference[0] - first) * (low - second)
            low = second
    return area


def run(method: str, task: Task, seed: int) -> dict[str, Any]:
    """Runs a method on a task; returns the hypervolumes in hand at the MARKS, in mm ms, and counts."""
    top_ms = slowest(task)
    shown: dict[int, tuple[float, int]] = {}  # lowest value and its epoch, by trial
    volumes: list[float] = []
    marks = [round(mark * EPOCHS * WHOLE) for mark in MARKS]

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(os, "fsync", return_value=None):
        leader = METHODS[method](seed, Path(folder, "sweep"))

        def course_of(trial: int, config: dict[str, Any]) -> Any:
            point = leader.point(trial)
            return dataclasses.replace(task.course(point, seed), costs={LATENCY: latency_of(point)})

        made = Simulated(leader, course_of, WORKERS)
        told = leader.hear

        def hear(report: Row) -> bool:
            if isinstance(report, EpochRow):
                value = report.metrics[OBJECTIVE]
                if value < shown.get(report.trial, (math.inf, 0))[0]:
                    shown[report.trial] = value, report.epoch
            return bool(told(report))

        def in_hand() -> float:
            trials = list(shown)
            points = [leader.point(trial) for trial in trials]
            costs = np.array([[shown[t][0], latency_of(p)] for t, p in zip(trials, points, strict=True)])
            front = np.flatnonzero(is_undominated(costs))
            curves, _ = task.curves(np.array([task.unit_point(points[i]) for i in front]))
            for row, i in enumerate(front):
                costs[i, 0] = curves[row, shown[trials[i]][1] - 1]
            return hypervolume(costs[front], (task.best + REACH, top_ms))

        def is_over() -> bool:
            while len(volumes) < len(marks) and made.spent >= marks[len(volumes)]:
                volumes.append(round(in_hand(), 4))
            return made.spent >= marks[-1]

        leader.hear = hear
        made.run(is_over)
        leader.close()
    return {"method": method, "task": task.name, "seed": seed, "volumes": volumes, "attempts": made.attempts}


def table(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarises runs: per method the median hypervolume in percent at each of the MARKS, and in `better` the percent
    of runs with more than Optuna's of the same task and seed, both at full cost."""
    runs: dict[str, dict[tuple[int, int], list[float]]] = {}
    for row in rows:
        runs.setdefault(row["method"], {})[row["task"], row["seed"]] = row["volumes"]
    base = runs.get("optuna", {})
    tasks = {task for task, _ in base}
    bars = {task: statistics.fmean(one[-1] for (t, _), one in base.items() if t == task) for task in tasks}
    lines = []
    for method, found in runs.items():
        line: dict[str, Any] = {"method": method, "runs": len(found)}
        for i, mark in enumerate(MARKS):
            shares = [100 * one[i] / bars[task] for (task, _), one in found.items() if task in bars]
            line[f"{mark:.0%}"] = round(statistics.median(shares), 1) if shares else math.nan
        both = found.keys() & base.keys()
        if both and method != "optuna":
            line["better"] = round(100 * sum(found[key][-1] > base[key][-1] for key in both) / len(both), 1)
        lines.append(line)
    return sorted(lines, key=lambda line: -line["40%"])


def numbers(text: str) -> list[int]:
    """Reads '0-4' or '0,3,7'."""
    parts = [part.partition("-") for part in text.split(",")]
    return [number for low, _, high in parts for number in range(int(low), int(high or low) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="asha,random,optuna", help="default: %(default)s")
    parser.add_argument("--tasks", default="0-4")
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--out", type=Path, help="JSON lines, a run each; those that are there are not run again")
    parser.add_argument("--table", type=Path, metavar="FILE", help="summarise such a file and run nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON in the last line")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    file = arguments.table or arguments.out
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    done = {(row["method"], row["task"], row["seed"]) for row in rows}
    for number in () if arguments.table else numbers(arguments.tasks):
        task = Task(number)
        for seed in numbers(arguments.seeds):
            for method in arguments.methods.split(","):
                if (method, number, seed) not in done:
                    rows.append(run(method, task, seed))
                    if arguments.out:
                        with arguments.out.open("a") as out:
                            out.write(json.dumps(rows[-1]) + "\n")
    lines = table(rows)
    if arguments.json:
        print(json.dumps(lines))
        return
    print("hypervolume of the weights in hand, median, % of Optuna's at full cost; better than it, % of runs")
    print(f"needed of asha: {', '.join(f'{name} {least:g}' for name, least in NEEDED.items())}")
    names = ("method", "runs", *(f"{mark:.0%}" for mark in MARKS), "better")
    for line in [dict(zip(names, names, strict=True)), *lines]:
        print("".join(f"{line.get(name, '')!s:>12}" for name in names))


if __name__ == "__main__":
    main()
