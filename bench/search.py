"""How good a search is: simulated tuning of pose lifters, the product's own conductor against its peers.

python bench/search.py --json                           the default against the stopping rule and Optuna; minutes
python bench/search.py --methods asha,stopping --tasks 0-4 --seeds 0-19 --out runs.jsonl
python bench/search.py --table runs.jsonl                what such a file says; a run goes on with what it lacks

Four workers on a virtual clock. A run ends when both 30 whole trainings of 50 epochs and the time that they take are
spent. The incumbent is the config of the lowest value that any report showed; the regret is the noise-free error of its
whole training above the best known one of the task, in mm. Tasks: bench/search_tasks.py; further numbers are new tasks.
  asha, stopping, hyperband, median, none   the product with that --scheduler and its default sampler, TPE
  optuna, optuna-hyperband, optuna-sha      Optuna's TPE as it comes, without pruner and with its own
  ray-asha                                  Ray Tune's ASHA with its OptunaSearch
  syne-asha                                 Syne Tune's ASHA, if it is installed
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

import optuna
from optuna.pruners import HyperbandPruner, NopPruner, SuccessiveHalvingPruner

from bench.search_peers import Optuna, RayAsha, SyneAsha
from bench.search_tasks import EPOCHS, OBJECTIVE, WORKERS, Task, plan_for
from search.decisions.conductor import Conductor
from search.executors.simulated import Clock, Simulated
from search.record.journal import create
from search.record.plan import begun_by
from search.record.records import EpochRow, Facts, Row

WHOLE = 30  # trainings
RESTART_S = 0.3  # of the virtual clock, before the first epoch of an attempt
SHARES = (0.25, 0.5, 1.0)
FACTS = Facts(revision="bench", versions={}, data={"set": "tiny", "train": ["S1"], "val": ["S8"]}, machine="here")
OURS = ("asha", "stopping", "hyperband", "median", "none")


class Ours:
    """The product's conductor on a journal of its own, without fsync and without lines."""

    def __init__(self, scheduler: str, seed: int, folder: Path) -> None:
        plan = plan_for(scheduler, seed)
        self.journal = create(folder, begun_by(plan, "bench", FACTS))
        self.conductor = Conductor(self.journal, plan, WORKERS, lambda line: None)

    def next_task(self) -> Any:
        return self.conductor.next_task()

    def hear(self, report: Row) -> bool:
        return self.conductor.hear(report)

    def point(self, trial: int) -> dict[str, Any]:
        return self.journal.trials[trial].point

    def close(self) -> None:
        self.journal.unlock()


METHODS: dict[str, Callable[[int, Path], Any]] = {
    **{name: (lambda seed, folder, name=name: Ours(name, seed, folder)) for name in OURS},
    "optuna": lambda seed, folder: Optuna(NopPruner(), seed),
    "optuna-hyperband": lambda seed, folder: Optuna(HyperbandPruner(1, EPOCHS, 3), seed),
    "optuna-sha": lambda seed, folder: Optuna(SuccessiveHalvingPruner(), seed),
    "ray-asha": lambda seed, folder: RayAsha(seed),
    "syne-asha": lambda seed, folder: SyneAsha(seed),
}


def run(method: str, task: Task, seed: int, seconds: float) -> dict[str, Any]:
    """Runs a method on a task; returns the regrets in mm at the SHARES of the epochs and of the time, and counts."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(os, "fsync", return_value=None):
        leader = METHODS[method](seed, Path(folder, "sweep"))
        clock, best, log = Clock(), math.inf, []
        epochs = EPOCHS * WHOLE
        made = Simulated(
            leader, lambda trial, _: task.course(leader.point(trial), seed), WORKERS, clock, RESTART_S, RESTART_S
        )
        told = leader.hear

        def hear(report: Row) -> bool:
            nonlocal best
            if isinstance(report, EpochRow) and report.metrics[OBJECTIVE] < best:
                best = report.metrics[OBJECTIVE]
                log.append((made.spent, clock.now, task.regret(leader.point(report.trial))))
            return bool(told(report))

        leader.hear = hear
        made.run(lambda: made.spent >= epochs and clock.now >= seconds)
        leader.close()

    def at(share: float, by: int) -> float:
        limit = share * (epochs, seconds)[by]
        return next((row[2] for row in reversed(log) if row[by] <= limit), log[0][2])

    regrets = {key: [round(at(share, by), 4) for share in SHARES] for by, key in enumerate(("epochs", "time"))}
    return {"method": method, "task": task.number, "seed": seed, **regrets, "attempts": made.attempts}


def sign_test(better: int, worse: int) -> float:
    """Returns the two-sided p of so many signs."""
    count, few = better + worse, min(better, worse)
    return min(1.0, 2 * sum(math.comb(count, i) for i in range(few + 1)) / 2**count) if count else 1.0


def table(rows: Iterable[dict[str, Any]], base: str) -> list[dict[str, Any]]:
    """Summarises runs: medians, and each method against `base` on the runs that both have. `better`: share of runs in
    percent, half of the equal ones; `p`: sign test over the means of each seed."""
    runs: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
    for row in rows:
        runs.setdefault(row["method"], {})[row["task"], row["seed"]] = row
    lines = []
    for method, found in runs.items():
        line: dict[str, Any] = {"method": method, "runs": len(found)}
        for kind in ("epochs", "time"):
            medians = [statistics.median(row[kind][i] for row in found.values()) for i in range(len(SHARES))]
            line |= {f"{kind} {share:.0%}": round(value, 2) for share, value in zip(SHARES, medians, strict=True)}
        both = sorted(found.keys() & runs.get(base, {}).keys())
        gains = {key: runs[base][key]["epochs"][-1] - found[key]["epochs"][-1] for key in both}
        if both and method != base:
            mine, theirs = (statistics.median(one[key]["epochs"][-1] for key in both) for one in (found, runs[base]))
            wins = sum((gain > 0) + (gain == 0) / 2 for gain in gains.values())
            seeds = [statistics.fmean(gain for (_, s), gain in gains.items() if s == seed) for _, seed in both]
            by_seed = dict(zip((seed for _, seed in both), seeds, strict=True)).values()
            p = sign_test(sum(gain > 0 for gain in by_seed), sum(gain < 0 for gain in by_seed))
            line |= {"ratio": round(mine / theirs, 3), "better": round(100 * wins / len(both), 1), "p": round(p, 5)}
        lines.append(line)
    return sorted(lines, key=lambda line: line["epochs 100%"])


def numbers(text: str) -> list[int]:
    """Reads '0-4' or '0,3,7'."""
    parts = [part.partition("-") for part in text.split(",")]
    return [number for low, _, high in parts for number in range(int(low), int(high or low) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="asha,stopping,optuna,optuna-hyperband", help="default: %(default)s")
    parser.add_argument("--tasks", default="0-4")
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--base", default="stopping", help="what the others are compared with (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON lines, a run each; those that are there are not run again")
    parser.add_argument("--table", type=Path, metavar="FILE", help="summarise such a file and run nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON in the last line")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    file = arguments.table or arguments.out
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    done = {(row["method"], row["task"], row["seed"]) for row in rows}
    plan, skipped = plan_for("none", 0), set()
    for number in () if arguments.table else numbers(arguments.tasks):
        task = Task(number, plan.domains, EPOCHS)
        seconds = task.blind_seconds(EPOCHS * WHOLE)
        for seed in numbers(arguments.seeds):
            for method in arguments.methods.split(","):
                if (method, number, seed) in done or method in skipped:
                    continue
                try:
                    rows.append(run(method, task, seed, seconds))
                except ImportError as error:
                    skipped.add(method)
                    print(f"{method} is left out: {error}", flush=True)
                    continue
                if arguments.out:
                    with arguments.out.open("a") as out:
                        out.write(json.dumps(rows[-1]) + "\n")
    lines = table(rows, arguments.base)
    if arguments.json:
        print(json.dumps(lines))
        return
    names = list(dict.fromkeys(name for line in lines for name in line))
    print("regret in mm, medians; ratio, better (% of runs) and p (sign test over seed means) against", arguments.base)
    for line in [dict(zip(names, names, strict=True)), *lines]:
        print("".join(f"{line.get(name, '')!s:>{18 if name == 'method' else 12}}" for name in names))


if __name__ == "__main__":
    main()
