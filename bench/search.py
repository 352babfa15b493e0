"""How good a search is: simulated tuning of pose lifters, the product's own conductor against its peers.

python bench/search.py --json                           the default against the stopping rule and Optuna; minutes
python bench/search.py --seeds 0-19 --out runs.jsonl     the whole claim; more with --methods
python bench/search.py --tasks replay --seeds 0-19       on configs that were really trained
python bench/search.py --table runs.jsonl                what such a file says; a run goes on with what it lacks

Four workers on a virtual clock. A run ends when both 30 whole trainings of 50 epochs and the time that they take are
spent. The incumbent is the config of the lowest value that any report showed; the regret is the noise-free error of its
whole training above the best known one of the task, in mm. Tasks: bench/simulation/tasks.py; further numbers are new
tasks of the same kinds. The replay (bench/simulation/replay.py) is a table of trained configs, of which a run may pay a
quarter.
  asha, stopping, hyperband, median, none   the product with that --scheduler and its default sampler, TPE
  optuna, optuna-sha                        Optuna's TPE as it comes, without pruner and with that of its ASHA
  optuna-hyperband, ray-asha, syne-asha     its Hyperband; Ray Tune's ASHA with its OptunaSearch; Syne Tune's ASHA, if
                                            it is installed: all with the first rung and the reduction of ours
  optuna-hyperband-own and so on            the same with their own first rung and reduction
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

from bench.simulation.peers import Optuna, RayAsha, SyneAsha
from bench.simulation.replay import FILE, Replay
from bench.simulation.tasks import OBJECTIVE, WORKERS, Task, Tuning, length_of
from search.decisions.conductor import Conductor
from search.decisions.samplers.tpe import quick_truncated_normal
from search.executors.simulated import Clock, Simulated
from search.record.journal import create
from search.record.plan import Plan, begun_by
from search.record.records import EpochRow, Facts, Row

RESTART_S = 0.3  # of the virtual clock, before the first epoch of an attempt
SHARES = (0.25, 0.5, 1.0)
FACTS = Facts(revision="bench", versions={}, data={"set": "tiny", "train": ["S1"], "val": ["S8"]}, machine="here")
OURS = ("asha", "stopping", "hyperband", "median", "none")


class Ours:
    """The product's conductor on a journal of its own, without lines."""

    def __init__(self, plan: Plan, folder: Path) -> None:
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


def as_ours(plan: Plan) -> dict[str, int]:
    """Returns the first rung and the reduction of the default scheduler, as Ray Tune and Syne Tune name them."""
    grace, reduction = plan.sweep.grace, plan.sweep.reduction
    assert grace is not None, "a plan of asha has one"
    assert reduction is not None, "a plan of asha has one"
    return {"grace_period": grace, "reduction_factor": reduction}


# Of the plan of our default, whose space, recipe and seed all share.
PEERS: dict[str, Callable[[Plan], Any]] = {
    "optuna": lambda plan: Optuna(NopPruner(), plan),
    "optuna-sha": lambda plan: Optuna(SuccessiveHalvingPruner(), plan),
    "optuna-hyperband": lambda plan: Optuna(
        HyperbandPruner(plan.sweep.grace, length_of(plan), plan.sweep.reduction), plan
    ),
    "optuna-hyperband-own": lambda plan: Optuna(HyperbandPruner(), plan),
    "ray-asha": lambda plan: RayAsha(plan, **as_ours(plan)),
    "ray-asha-own": lambda plan: RayAsha(plan),
    "syne-asha": lambda plan: SyneAsha(plan, **as_ours(plan)),
    "syne-asha-own": lambda plan: SyneAsha(plan),
}


def run(method: str, tuning: Tuning, seed: int) -> dict[str, Any]:
    """Runs a method on a task; returns the regrets in mm at the SHARES of the epochs and of the time, and counts."""
    tuning = tuning.begun()
    epochs, seconds = tuning.epochs * tuning.whole, tuning.blind_seconds()
    with (
        tempfile.TemporaryDirectory() as folder,
        # What takes long and decides nothing: the disk.
        mock.patch.object(os, "fsync", return_value=None),
        quick_truncated_normal(),
    ):
        if method in OURS:
            leader = Ours(tuning.plan(method, seed), Path(folder, "sweep"))
        else:
            leader = PEERS[method](tuning.plan("asha", seed))
        clock, best, log = Clock(), math.inf, []
        made = Simulated(
            leader, lambda trial, _: tuning.course(leader.point(trial), seed), WORKERS, clock, RESTART_S, RESTART_S
        )
        told = leader.hear

        def hear(report: Row) -> bool:
            nonlocal best
            if isinstance(report, EpochRow) and report.metrics[OBJECTIVE] < best:
                best = report.metrics[OBJECTIVE]
                log.append((made.spent, clock.now, tuning.regret(leader.point(report.trial))))
            return bool(told(report))

        leader.hear = hear
        made.run(lambda: made.spent >= epochs and clock.now >= seconds)
        leader.close()

    def at(share: float, by: int) -> float:
        limit = share * (epochs, seconds)[by]
        return next((row[2] for row in reversed(log) if row[by] <= limit), log[0][2])

    regrets = {key: [round(at(share, by), 4) for share in SHARES] for by, key in enumerate(("epochs", "time"))}
    known = {"method": method, "task": tuning.name, "seed": seed, "best": round(tuning.best, 4)}
    return {**known, **regrets, "attempts": made.attempts}


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
            by_seed = {
                seed: statistics.fmean(gain for (_, one), gain in gains.items() if one == seed) for _, seed in both
            }.values()
            p = sign_test(sum(gain > 0 for gain in by_seed), sum(gain < 0 for gain in by_seed))
            line |= {"ratio": round(mine / theirs, 3), "better": round(100 * wins / len(both), 1), "p": round(p, 5)}
        lines.append(line)
    return sorted(lines, key=lambda line: line["epochs 100%"])


def replayed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarises runs on the replay: the median error in mm of the config that each method found, and how many times
    the lowest that a peer found with the same seed, and that of the table, its error is in its worst run."""
    errors: dict[str, dict[int, float]] = {}
    lowest = math.inf
    for row in rows:
        errors.setdefault(row["method"], {})[row["seed"]] = row["best"] + row["epochs"][-1]
        lowest = row["best"]
    lines = []
    for method, found in errors.items():
        line = {"method": method, "runs": len(found), "error": round(statistics.median(found.values()), 2)}
        others = [one for name, one in errors.items() if name in PEERS and name != method]
        ratios = [
            error / min(rivals)
            for seed, error in found.items()
            if (rivals := [one[seed] for one in others if seed in one])
        ]
        line |= {"to best peer": round(max(ratios), 3)} if ratios else {}
        lines.append(line | {"to best of table": round(max(found.values()) / lowest, 3)})
    return sorted(lines, key=lambda line: line["error"])


def numbers(text: str) -> list[int]:
    """Reads '0-4' or '0,3,7'."""
    parts = [part.partition("-") for part in text.split(",")]
    return [number for low, _, high in parts for number in range(int(low), int(high or low) + 1)]


def printed(lines: list[dict[str, Any]]) -> str:
    """Formats lines as a table with aligned columns."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    rows = [dict(zip(names, names, strict=True)), *lines]
    wide = {name: 2 + max(len(str(row.get(name, ""))) for row in rows) for name in names}
    return "\n".join("".join(f"{row.get(name, '')!s:>{wide[name]}}" for name in names) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="asha,stopping,optuna,optuna-hyperband", help="default: %(default)s")
    parser.add_argument("--tasks", default="0-4", help="numbers, or 'replay' (default: %(default)s)")
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--base", default="stopping", help="what the others are compared with (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON lines, a run each; those that are there are not run again")
    parser.add_argument("--table", type=Path, metavar="FILE", help="summarise such a file and run nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON in the last line")
    arguments = parser.parse_args()
    methods = arguments.methods.split(",")
    if unknown := set(methods) - {*OURS, *PEERS}:
        parser.error(f"--methods: {', '.join(sorted(unknown))}: not among {', '.join((*OURS, *PEERS))}")
    if arguments.tasks == Replay.name and not FILE.exists():
        parser.error(f"--tasks replay: its table {FILE} is not there; use numbers, as in --tasks 0-4")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    file = arguments.table or arguments.out
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    done = {(row["method"], row["task"], row["seed"]) for row in rows}
    skipped = set()
    if arguments.table:
        tunings: list[Tuning] = []
    else:
        tunings = [Replay()] if arguments.tasks == Replay.name else [Task(one) for one in numbers(arguments.tasks)]
    for seed in numbers(arguments.seeds):
        for tuning in tunings:
            for method in methods:
                if (method, tuning.name, seed) in done or method in skipped:
                    continue
                try:
                    rows.append(run(method, tuning, seed))
                except ImportError as error:
                    skipped.add(method)
                    print(f"{method} is left out: {error}", flush=True)
                    continue
                if arguments.out:
                    with arguments.out.open("a") as out:
                        out.write(json.dumps(rows[-1]) + "\n")
    lines = table((row for row in rows if row["task"] != Replay.name), arguments.base)
    of_replay = replayed(row for row in rows if row["task"] == Replay.name)
    if arguments.json:
        print(json.dumps([*lines, *({"task": Replay.name, **line} for line in of_replay)]))
        return
    if lines:
        against = f"ratio, better (% of runs) and p (sign test over seed means) against {arguments.base}"
        print(f"regret in mm, medians; {against}\n{printed(lines)}")
    if of_replay:
        print(f"replay of trained configs: errors in mm, medians; ratios in the worst run\n{printed(of_replay)}")


if __name__ == "__main__":
    main()
