"""Metric points a second that the spool sends to a fresh sqlite store of MLflow, per second of process time.

python bench/spool.py --trials 300

Two sends. `whole`: the journal of a sweep as it is, with births, ends and the close, `--at-once` trials at a time.
`epochs`: the same epochs of runs that are there already. A point is one value of one metric of one epoch; `best/...`,
params, tags and files are sent too and not counted. Importing MLflow and making its tables is not in the time, nor is
the report of the sweep, which is made once in the end; all else is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, Python looks beside it only

from search.record.journal import FILE, trial_folder
from search.tracking import sweep_runs
from search.tracking.spool import Spool
from search.environment.store import environment

for variable, wanted in environment().items():  # mlflow reads some of its environment while it is imported
    os.environ.setdefault(variable, wanted)

OBJECTIVE = "val/mpjpe_mm"
METRICS = (OBJECTIVE, "val/p_mpjpe_mm", "val/n_mpjpe_mm", "val/mpjve_mm")
COSTS = ("loss", "lr", "seconds")
SECTIONS = {"network": 12, "objective": 4, "data": 26, "optim": 10, "loop": 7}  # and `model`: 60 knobs
DATA = {"set": "tiny", "fingerprint": "0f3a91c2de44"}
Record = dict[str, Any]


def config_of(number: int, luck: random.Random) -> Record:
    kinds = (lambda: luck.randint(1, 512), luck.random, lambda: "samples", lambda: True, lambda: ["S1", "S5", "S6"])
    knobs = {
        section: {f"{section}_knob_{index}": kinds[index % len(kinds)]() for index in range(count)}
        for section, count in SECTIONS.items()
    }
    knobs["loop"]["epochs"], knobs["optim"]["lr"] = 5, 1e-5 * (number + 1)
    return {"model": "graformer", **knobs}


def records_of(number: int, epochs: int) -> list[Record]:
    """The life of one trial."""
    luck = random.Random(number)
    config = config_of(number, luck)
    point = {"optim.lr": config["optim"]["lr"]}
    life: list[Record] = [
        {"kind": "trial", "trial": number, "point": point, "config_id": f"{number:010x}", "config": config},
        {"kind": "attempt", "trial": number, "attempt": 1, "after_epoch": 0},
    ]
    for epoch in range(1, epochs + 1):
        metrics = {name: luck.uniform(30, 90) for name in METRICS}
        costs = {name: luck.random() for name in COSTS}
        life.append({"kind": "epoch", "trial": number, "epoch": epoch, "metrics": metrics, **costs})
    end = {"kind": "end", "trial": number, "state": "finished", "epoch": epochs, "reason": ""}
    return [*life, end]


def interleaved(trials: int, epochs: int, at_once: int) -> Iterator[Record]:
    """The lives of all trials as a sweep books them: one that ends makes room for the next."""
    luck, waiting = random.Random(0), iter(range(trials))
    running: list[Iterator[Record]] = []
    while True:
        for number in itertools.islice(waiting, at_once - len(running)):
            running.append(iter(records_of(number, epochs)))
            yield next(running[-1])  # births come in the order of their numbers
        if not running:
            return
        life = luck.choice(running)
        record = next(life, None)
        if record is not None:
            yield record
            continue
        running.remove(life)


def write(path: Path, records: Iterable[Record], first_ms: int) -> None:
    with open(path, "a") as file:
        for index, record in enumerate(records):
            file.write(json.dumps({"kind": record["kind"], "ts_ms": first_ms + index, **record}) + "\n")


def opening() -> Record:
    plan = {"trials": 300, "sampler": "tpe", "scheduler": "asha", "objective": OBJECTIVE, "recipe": "small"}
    facts = {
        "revision": "0123abcd",
        "versions": {"torch": "2.13.0", "ray": "2.60.0"},
        "data": DATA,
    }
    sweep = {"id": "bench", "name": "bench", "model": "graformer", "plan": plan, "space": "model: graformer\n"}
    base = config_of(0, random.Random(0))
    return {"kind": "sweep", **sweep, "pinned": [], "points": [], "base": base, "facts": facts}


def measured(folder: Path, *parts: Iterable[Record]) -> tuple[float, float]:
    """Process and wall seconds in which a spool that follows a journal sends the last of several parts of it."""
    from search.tracking.mlflow_tracker import MlflowTracker

    uri, cpu, wall = f"sqlite:///{folder}/mlflow.db", 0.0, 0.0
    tracker = MlflowTracker(uri, folder / "artifacts")
    tracker.find_run("graformer", {"sweep_id": "none"})  # opens the database
    (folder / FILE).touch()
    spool = Spool(folder / FILE, lambda: tracker, OBJECTIVE, uri)
    spool.start()
    for number, part in enumerate(parts, 1):
        write(folder / FILE, part, 10**12 * number)
        cpu, wall = time.process_time(), time.perf_counter()
        assert spool.drain(3600.0), spool.trouble
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    spool.stop(60.0)
    assert (spool.pending(), spool.problems, spool.trouble) == (0, [], ""), (spool.problems, spool.trouble)
    return cpu, wall


def bench(root: Path, trials: int, epochs: int, at_once: int) -> dict[str, float]:
    points, figures = trials * epochs * len(METRICS + COSTS), {}
    lives = list(interleaved(trials, epochs, at_once))
    close = {"kind": "close", "reason": "done", "best": 0, "pictures": False}
    births = [opening(), *(record for record in lives if record["kind"] in ("trial", "attempt"))]
    rows = [record for record in lives if record["kind"] == "epoch"]
    for name, parts in {"whole": [[opening(), *lives, close]], "epochs": [births, rows]}.items():
        folder = root / name
        trial_folder(folder, 0).mkdir(parents=True)
        (trial_folder(folder, 0) / "best.safetensors").write_bytes(bytes(1 << 20))
        cpu, wall = measured(folder, *parts)
        print(f"{name}: {points / cpu:,.0f} points/s of process time ({cpu:.2f} s), {points / wall:,.0f} of wall time")
        figures |= {f"{name}_points_per_cpu_s": round(points / cpu, 1), f"{name}_points_per_s": round(points / wall, 1)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Metric points a second that the spool sends to MLflow on sqlite.")
    parser.add_argument("--trials", type=int, default=300, help="trials of the sweep (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="trials that run at a time (default: %(default)s)")
    sizes = vars(parser.parse_args())
    points = sizes["trials"] * sizes["epochs"] * len(METRICS + COSTS)
    print(f"python {platform.python_version()}, {platform.machine()}, {sizes}: {points:,} points")
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(sweep_runs, "report_on", return_value=""):
        print(json.dumps({**sizes, "points": points, **bench(Path(folder), **sizes)}))


if __name__ == "__main__":
    main()
