"""Many small trainings on one device: one at a time, several processes, one stacked array: python bench/fused.py

The same trials for everybody: GraFormer, batch 64, stopped as asynchronous halving stops them, of nine six after one
epoch, two after three, one after nine. A static array waits for its longest lane before it takes new ones, a continuous
one refills a place as soon as it is free. Needs torch and numpy, no cluster.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from gather import noise_set
from torch import multiprocessing

from data.config import DataConfig
from data.batches.poses import DataModule
from data.poses.splits import Split
from spaces.table import text_table
from trainables.config import TrainConfig, changed, default_config
from trainables.engines.engine import Engine, Verdict
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.runs.loop import Judge, fit

LENGTHS = (1, 3, 1, 1, 9, 1, 3, 1, 1)  # epochs of nine trials in a row
FULL = 5  # epochs of the lanes of an array that none leaves early


def training_set(options: argparse.Namespace) -> DataModule:
    """Noise of `--steps` full batches."""
    poses = noise_set(clips=1, frames=options.steps * options.batch // 4)
    split = Split(name="noise", set="noise", train=("S1",), val=(), test=())
    config = DataConfig(name="noise", joints=17)
    return DataModule(poses, split, config, parts=("train",), device=options.device)


def trials(options: argparse.Namespace, width: int, count: int, lengths: Sequence[int] = LENGTHS) -> list[TrainConfig]:
    """Configs that differ in rate, seed and length."""
    shape = {"network.width": width, "network.layers": options.layers, "network.heads": options.heads}
    base = default_config(
        "graformer",
        {**shape, "data.name": "noise", "data.joints": 17, "loop.batch": options.batch},
        "bench",
    )
    return [
        changed(
            base,
            {"optim.lr": 1e-4 * (1 + i % 7), "loop.seed": i, "loop.epochs": lengths[i % len(lengths)]},
            "bench",
        )
        for i in range(count)
    ]


class Unscored:
    """An engine whose epochs are training alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def evaluate(self, data: DataModule, lanes: Iterable[int]) -> dict[int, dict[str, float]]:
        """No metrics."""
        return {}


def run(engine: SingleEngine | FusedEngine, data: DataModule, configs: list[TrainConfig], *, refill: bool) -> None:
    """Trains all configs to their last epoch; with `refill` a free place is taken at once."""
    waiting, judge, places = list(enumerate(configs)), Judge(), places_of(engine)

    def fill() -> None:
        while waiting and len(engine.lanes) < places:
            engine.join(*waiting.pop(0))

    def collect() -> Iterator[Verdict]:
        yield from judge.verdicts()
        if refill or not engine.lanes:
            fill()

    fill()
    fit(Unscored(engine), data, judge.hear, collect)  # type: ignore[arg-type]


def places_of(engine: SingleEngine | FusedEngine) -> int:
    """Lanes that it can train at once."""
    return engine.capacity if isinstance(engine, FusedEngine) else 1


def timed(device: str, work: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds until the device has done the work."""
    started = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def worker(options: argparse.Namespace, width: int, gate: Any, answers: Any) -> None:
    """One of several processes, each with trials of its own; the gate opens when all are ready."""
    torch.set_num_threads(1)
    data = training_set(options)
    engine, configs = SingleEngine(device=options.device), trials(options, width, len(LENGTHS))
    run(engine, data, configs[:1], refill=True)
    for repeat in range(options.repeats):
        gate.wait()
        answers.put((repeat, timed(options.device, lambda: run(engine, data, configs, refill=True))))


def of_processes(options: argparse.Namespace, width: int, count: int) -> float:
    """Seconds in which `count` processes train nine trials each."""
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(count), context.Queue()
    workers = [context.Process(target=worker, args=(options, width, gate, answers)) for _ in range(count)]
    for process in workers:
        process.start()
    slowest = [0.0] * options.repeats
    for _ in range(count * options.repeats):
        repeat, seconds = answers.get(timeout=600)
        slowest[repeat] = max(slowest[repeat], seconds)
    for process in workers:
        process.join()
    return min(slowest)


def of_engines(options: argparse.Namespace, data: DataModule, width: int) -> dict[str, tuple[list[TrainConfig], float]]:
    """Trials and fastest seconds of every way that takes one process, taken in turn so that a busy machine hits all."""
    nine = trials(options, width, len(LENGTHS))
    ways: dict[str, tuple[SingleEngine | FusedEngine, list[TrainConfig], bool]] = {
        "one at a time, plain": (SingleEngine(device=options.device, is_captured=False), nine, True)
    }
    if options.device == "cuda":
        ways["one at a time, recorded"] = (SingleEngine(device=options.device), nine, True)
    for lanes in options.lanes:
        # As many trials as keep the places busy most of the time; both arrays get the same ones.
        many = trials(options, width, len(LENGTHS) * -(-2 * lanes // len(LENGTHS)))
        for name, refill in (("static", False), ("continuous", True)):
            ways[f"{name} array of {lanes}"] = (FusedEngine(lanes, device=options.device), many, refill)
        alike = trials(options, width, lanes, lengths=(FULL,))
        ways[f"array of {lanes}, all places taken"] = (FusedEngine(lanes, device=options.device), alike, True)
    fastest = dict.fromkeys(ways, float("inf"))
    for repeat in range(options.repeats + 1):
        for name, (engine, configs, refill) in ways.items():
            # The first round only warms up and, on a GPU, records the step.
            mine = configs if repeat else trials(options, width, places_of(engine), lengths=(1,))
            clock = time.process_time if options.process_time else time.perf_counter
            seconds = timed(options.device, lambda e=engine, c=mine, r=refill: run(e, data, c, refill=r), clock)
            if repeat:
                fastest[name] = min(fastest[name], seconds)
    return {name: (ways[name][1], seconds) for name, seconds in fastest.items()}


def main() -> None:
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if on_gpu else "cpu")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 96, 128, 256])
    parser.add_argument("--lanes", type=int, nargs="+", default=[8, 32, 128] if on_gpu else [8])
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4, 8, 16] if on_gpu else [2])
    parser.add_argument("--steps", type=int, default=200 if on_gpu else 2, help="optimiser steps of an epoch")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--process-time",
        action="store_true",
        help="count the process's own seconds, as a CPU may do other work",
    )
    options = parser.parse_args()
    if options.process_time and (options.processes or options.device == "cuda"):
        parser.error("--process-time compares ways of one process on a CPU: give --processes without a number")
    torch.set_num_threads(1)
    data = training_set(options)
    rows = []
    for width in options.widths:
        ways = of_engines(options, data, width)
        for count in options.processes:
            ways[f"{count} processes"] = (
                trials(options, width, len(LENGTHS)) * count,
                of_processes(options, width, count),
            )
        plain = 0.0
        for name, (configs, seconds) in ways.items():
            steps = options.steps * sum(config.loop.epochs for config in configs) / seconds
            plain = plain or steps
            per_hour = steps / options.steps / sum(LENGTHS) * len(LENGTHS) * 3600
            rows.append([width, name, f"{steps:,.1f}", f"{per_hour:,.0f}", f"{steps / plain:.2f}"])
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()}, one thread a process"
    shape = f"GraFormer, {options.layers} layers, {options.heads} heads, 17 joints, batch {options.batch}"
    print(f"torch {torch.__version__}, {device}; {shape}, {options.steps} steps an epoch")
    print(text_table(["width", "way", "lane-steps/s", "trials/h", "x plain"], rows))


if __name__ == "__main__":
    main()
