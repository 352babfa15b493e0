"""Time of a training step and of scoring an epoch, here and in another checkout in turn: python bench/step.py MODEL

python bench/step.py graformer --size small                     this checkout alone
python bench/step.py graformer --size small --against FOLDER    and that checkout, pair by pair, with the ratios
python bench/step.py poseformer --against FOLDER --json         the figures as a last line of JSON

SingleEngine on noise, on the CPU, one thread a process. Each checkout has a process of its own that lives through all
pairs and waits while the other one works; the first turn of each is not counted. A turn is an epoch of a few steps, or
one scoring. An older checkout may be given whose modules had other names (bench/speed/timed.py). Process time tells
more than wall time where others work on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

from spaces.table import text_table

TIMED = Path(__file__).with_name("speed") / "timed.py"
SMALL = {
    "network.width": 32,
    "network.layers": 3,
    "network.heads": 4,
    "network.dropout": 0.1,
    "network.attention_dropout": 0.05,
    "network.graph_dropout": 0.05,
    "optim.clip": 1.0,
}
WINDOWED = {"data.frames": 27}
# By model and size: knobs, steps of a timed epoch, and poses that are scored: those of the synthetic set for the small
# network, and what takes seconds for the others.
TASKS: dict[tuple[str, str], tuple[dict[str, object], int, int]] = {
    ("graformer", "small"): ({**SMALL, "loop.batch": 64}, 60, 27_956),
    ("graformer", "original"): ({"loop.batch": 64}, 15, 27_956),
    ("poseformer", "original"): ({**WINDOWED, "loop.batch": 64}, 3, 1_024),
    ("sgraformer", "original"): ({**WINDOWED, "data.views": 4, "loop.batch": 16}, 3, 512),
    ("videopose3d", "original"): ({**WINDOWED, "loop.batch": 128}, 4, 4_096),
}
KINDS = {"train": "ms a training step", "score": "s of scoring"}


class Checkout:
    """A process that times turns of one checkout."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self.process = process
        self.name = name

    def turn(self, kind: str) -> dict[str, float]:
        """Times one turn: seconds of process time and wall time of a step (`train`) or a scoring (`score`). SystemExit
        when the process has ended; what it said stands above."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{kind}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the empty answer tells it
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"{self.name}: ended with exit code {self.process.wait()} instead of timing {kind}")
        found: dict[str, float] = json.loads(line)
        return found


@contextmanager
def started(folder: Path, task: dict[str, object]) -> Iterator[Checkout]:
    """Starts the process of a checkout, and ends it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(TIMED), str(folder), json.dumps(task)]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Checkout(process, str(folder))


def measured(folders: dict[str, Path], task: dict[str, object], kinds: list[str], pairs: int) -> dict[str, object]:
    """Times the turns of all checkouts, pair by pair; returns by kind and clock the medians and minima of each, and
    `ratio`, the median over pairs of the other's time by ours."""
    found: dict[str, object] = {}
    with ExitStack() as stack:
        running = {name: stack.enter_context(started(folder, task)) for name, folder in folders.items()}
        for kind in kinds:
            turns: dict[str, list[dict[str, float]]] = {name: [] for name in running}
            for pair in range(pairs + 1):
                # Whoever comes first may find another clock rate than the one behind it.
                for name in sorted(running, reverse=bool(pair % 2)):
                    turns[name].append(running[name].turn(kind))
            for clock in ("process", "wall"):
                times = {name: [turn[clock] for turn in own[1:]] for name, own in turns.items()}
                row: dict[str, object] = {
                    name: {"median": statistics.median(own), "least": min(own)} for name, own in times.items()
                }
                if "against" in times:
                    ratios = [old / new for old, new in zip(times["against"], times["here"], strict=True)]
                    row["ratio"] = statistics.median(ratios)
                found[f"{kind}/{clock}"] = row
            found["scored"] = int(turns["here"][0]["scored"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted({model for model, _ in TASKS}))
    parser.add_argument("--size", choices=("small", "original"), default="original", help="small: graformer only")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout to time in turn")
    parser.add_argument("--pairs", type=int, default=5, help="timed turns of each checkout")
    parser.add_argument("--only", choices=tuple(KINDS), help="one of the two figures")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    if (options.model, options.size) not in TASKS:
        parser.error(f"{options.model} has no size {options.size}; only graformer has one")
    if options.pairs < 1:
        parser.error(f"--pairs {options.pairs} must be at least 1")
    folders = {"here": REPOSITORY}
    if options.against is not None:
        if not (options.against / "trainables").is_dir():
            parser.error(f"--against {options.against} is no checkout of this project: it has no folder trainables")
        folders["against"] = options.against.resolve()
    changes, steps, poses = TASKS[options.model, options.size]
    task = {"model": options.model, "changes": changes, "steps": steps, "poses": poses}
    kinds = [options.only] if options.only else list(KINDS)
    found = measured(folders, task, kinds, options.pairs)
    rows = []
    for kind in kinds:
        for clock in ("process", "wall"):
            row, factor = found[f"{kind}/{clock}"], 1000 if kind == "train" else 1
            assert isinstance(row, dict)
            cells = [f"{factor * row[name][one]:.3f}" for name in folders for one in ("median", "least")]
            rows.append([f"{KINDS[kind]}, {clock} time", *cells, *([f"{row['ratio']:.2f}"] if "ratio" in row else [])])
    heads = [f"{name}, {one}" for name in folders for one in ("median", "least")]
    print(text_table(["figure", *heads, *(["against / here"] if "against" in folders else [])], rows))
    batch = changes["loop.batch"]
    print(f"{options.model}, {options.size}: batch {batch}, {found['scored']:,} poses scored, {options.pairs} turns")
    print(f"{platform.machine()}, one thread a process, torch {version('torch')}, {date.today()}")
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
