"""Writes recorded sweeps, healthy ones and ones with a planted fault, by the product's conductor on a virtual clock.

python -m tests.made.advice.recorded                 writes tests/golden/advice/ anew
python -m tests.made.advice.recorded --seeds 10-29   counts, over other seeds, what the advice finds and where it errs
"""

import argparse
import collections
import gzip
import math
import os
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np

from search.decisions.conductor import Conductor
from search.decisions.samplers.tpe import quick_truncated_normal
from search.executors.simulated import Clock, Course, Simulated
from search.record.journal import FILE, Journal
from search.record.plan import plan_of
from search.record.records import EndRow, EpochRow
from search.results.advice.advice import advice
from search.results.advice.survey import unit
from tests import ROOT
from tests.made.sweeps import OBJECTIVE, made_journal, made_plan

GOLDEN = ROOT / "tests" / "golden" / "advice"
SPACE = """
model: graformer
recipes:
  small: {{network.layers: 3, network.heads: 4, {corner}loop.epochs: {epochs}}}
search:
{knobs}
"""
CENTRE = "network.width: 32, optim.lr: 1e-3, "
CORNER = "network.width: 96, optim.lr: 8e-3, network.dropout: 0.43, optim.lr_decay: 0.97, optim.weight_decay: 6e-3, "
KNOBS = {
    "optim.lr": "{log: [1e-4, 1e-2]}",
    "network.dropout": "{range: [0.05, 0.45]}",
    "network.width": "{choice: [16, 32, 48, 64, 96]}",
    "optim.lr_decay": "{range: [0.8, 0.98]}",
    "optim.weight_decay": "{log: [1e-6, 1e-2]}",
    "network.attention_dropout": "{range: [0.0, 0.5]}",
}
LR, DROPOUT, WIDTH, DECAY, WEIGHT, ATTENTION = KNOBS


@dataclass
class Case:
    """A made-up sweep. `optimum`: knob -> where its best lies in units of its range, 1.3 is beyond; `depth`: knob -> mm
    at one range from there; `pace`: of learning, per epoch; `noise`, `luck`: deviations in mm from epoch to epoch and
    from trial to trial; `kind`, `knob`: of the fault that the advice must name, '' if there is none."""

    kind: str = ""
    knob: str = ""
    knobs: tuple = (LR, DROPOUT, WIDTH, DECAY)
    optimum: dict = field(default_factory=dict)
    depth: dict = field(default_factory=dict)
    trials: int = 40
    epochs: int = 18
    sampler: str = "tpe"
    scheduler: str = "asha"
    pace: float = 0.45
    noise: float = 0.25
    luck: float = 0.2
    diverges: tuple = ()  # knob, side, from which unit on
    crossing: float = 0.0  # by how much the pace follows the rate, and the end suffers
    spike: float = 0.0  # mm by which a single epoch of some trial falls below all others
    fails: float = 0.0  # share of trials
    basin: bool = False  # the recipe's neighbourhood is better than anything else


def cases():
    """By name, the sweeps that are kept."""
    five = (LR, DROPOUT, WIDTH, DECAY, WEIGHT)
    return {
        "edge-log": Case(EDGE, LR, optimum={LR: 1.3}),
        "edge-choice": Case(EDGE, WIDTH, optimum={WIDTH: 1.4}, trials=32),
        "edge-low": Case(
            EDGE, WEIGHT, knobs=five, optimum={WEIGHT: -0.3}, scheduler="none", epochs=12, sampler="random", trials=48
        ),
        "sparse": Case("sparse", "", sampler="random", trials=12, knobs=five, basin=True, scheduler="none", epochs=10),
        "diverging-high": Case("diverging", LR, diverges=(LR, True, 0.6)),
        "diverging-low": Case(
            "diverging", DECAY, diverges=(DECAY, False, 0.25), scheduler="none", epochs=12, sampler="random"
        ),
        "over-pruned-crossing": Case("stopping", "", crossing=1.5, pace=0.3, trials=60, epochs=27),
        "over-pruned-stopping": Case(
            "stopping", "", crossing=1.3, pace=0.25, trials=60, scheduler="stopping", epochs=20, sampler="random"
        ),
        "luck-spike": Case("luck", "", spike=4.0, scheduler="none", epochs=14, trials=32),
        "luck-noise": Case(
            "luck", "", noise=2.5, luck=2.0, depth=dict.fromkeys(KNOBS, 3.0), scheduler="none", epochs=15, trials=30
        ),
        "irrelevant": Case(
            "irrelevant",
            ATTENTION,
            knobs=(LR, DROPOUT, WIDTH, ATTENTION),
            depth={ATTENTION: 0.0},
            scheduler="none",
            epochs=12,
            trials=40,
        ),
        "budget-epochs": Case("budget", "", pace=0.07, scheduler="none", epochs=15, trials=24),
        "healthy-tpe": Case(),
        "healthy-six": Case(knobs=tuple(KNOBS), trials=60),
        "healthy-stopping": Case(scheduler="stopping"),
        "healthy-hyperband": Case(scheduler="hyperband", trials=48),
        "healthy-median": Case(scheduler="median", trials=32),
        "healthy-none": Case(scheduler="none", epochs=14, trials=32),
        "healthy-random": Case(sampler="random", trials=48),
        "healthy-qmc": Case(sampler="qmc", trials=48, knobs=(LR, DROPOUT, DECAY)),
        "healthy-noisy": Case(noise=0.6, luck=0.4, trials=48),
        "healthy-two": Case(knobs=(LR, DROPOUT), trials=30),
        "healthy-gp": Case(sampler="cmaes", knobs=five, trials=50),
        "healthy-long": Case(epochs=40, trials=36, pace=0.25),
    }


EDGE = "edge"


class Surface:
    """The made-up training of a case: end, pace and luck of each config."""

    def __init__(self, case, seed):
        draw = random.Random(seed)
        self.case, self.seed = case, seed
        self.optimum = {knob: case.optimum.get(knob, draw.uniform(0.35, 0.65)) for knob in case.knobs}
        self.depth = {knob: case.depth.get(knob, draw.uniform(12, 40)) for knob in case.knobs}
        self.floor, self.start = draw.uniform(40, 50), draw.uniform(110, 150)
        self.lucky = draw.randrange(8, case.trials - 2)

    def course(self, domains, number, config):
        """What the training of a config shows."""
        case, draw = self.case, np.random.default_rng((self.seed, number))
        units = {knob: unit(domains[knob], value_of(config, knob)) for knob in case.knobs}
        off = {knob: units[knob] - self.optimum[knob] for knob in case.knobs}
        end = self.floor + sum(self.depth[knob] * off[knob] ** 2 for knob in case.knobs) + draw.normal(0, case.luck)
        if case.basin:
            end = (
                self.floor
                if number == 0
                else self.floor + 10 + 4 * sum(abs(units[knob] - self.optimum[knob]) for knob in case.knobs)
            )
        pace = case.pace * math.exp(0.05 * draw.standard_normal())
        if case.crossing:
            # What learns fast early stays above what learns slowly.
            fast = 2 * units[case.knobs[0]] - 1
            pace *= math.exp(1.2 * fast)
            end += 12 * case.crossing * (fast + 1) ** 1.0
        epochs = np.arange(1, case.epochs + 1)
        errors = end + (self.start - end) * np.exp(-pace * epochs) + draw.normal(0, case.noise, case.epochs)
        if case.spike and number == self.lucky:
            errors[-3] = self.floor - case.spike
        values = [{OBJECTIVE: float(value)} for value in errors]
        if case.diverges:
            knob, is_high, beyond = case.diverges
            if (units[knob] > beyond if is_high else units[knob] < beyond) and draw.random() < 0.9:
                values[draw.integers(0, 2)] = {OBJECTIVE: math.nan}
        return Course(tuple(values), float(draw.uniform(8, 12)))


def value_of(config, path):
    for name in path.split("."):
        config = config[name]
    return config


def record(case, seed, folder):
    """Runs a case to its end; returns the folder of the sweep."""
    knobs = "\n".join(f"  {knob}: {KNOBS[knob]}" for knob in case.knobs)
    space = folder / "space.yaml"
    space.write_text(SPACE.format(epochs=case.epochs, knobs=knobs, corner=CORNER if case.basin else CENTRE))
    options = {"sampler": case.sampler, "scheduler": case.scheduler, "trials": case.trials, "seed": seed}
    plan = made_plan("recorded", space, epochs=None, **options)
    journal, clock, surface = made_journal(folder, plan), Clock(), Surface(case, seed)
    journal.now_ms = lambda: 1_700_000_000_000 + int(1000 * clock.now)
    conductor = Conductor(journal, plan, 4, lambda line: None, clock=clock)
    made = Simulated(conductor, lambda number, config: surface.course(plan.domains, number, config), 4, clock, 0.3, 0.3)
    if case.fails:
        heard, chance = conductor.hear, random.Random(seed)
        failing = {number for number in range(case.trials) if chance.random() < case.fails}

        class Failing:
            next_task = staticmethod(conductor.next_task)

            @staticmethod
            def hear(report):
                if isinstance(report, EpochRow) and report.trial in failing and report.epoch == 2:
                    reason = "RuntimeError: out of memory"
                    return heard(EndRow(trial=report.trial, state="failed", epoch=1, reason=reason))
                return heard(report)

        made.leader = Failing()
    with mock.patch.object(os, "fsync", return_value=None), quick_truncated_normal():
        made.run()
        conductor.close("done")
    journal.unlock()
    return folder / "recorded"


def said(folder):
    """What the advice finds in the sweep of a folder."""
    journal = Journal(folder / FILE)
    return advice(journal, plan_of(journal.sweep, str(journal.path)))


def is_found(case, findings):
    return any(one.kind == case.kind and (not case.knob or case.knob in one.knobs) for one in findings)


def count(seeds, names):
    """Prints, case by case, in how many sweeps the fault was found and which others were said."""
    for name, case in cases().items():
        if names and not any(part in name for part in names):
            continue
        found, others = 0, collections.Counter()
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                findings = said(record(case, seed, Path(folder)))
            hit = bool(case.kind) and is_found(case, findings)
            found += hit
            for one in findings:
                if not (one.kind == case.kind and (not case.knob or case.knob in one.knobs)):
                    others[one.kind, *one.knobs] += 1
        told = ", ".join(f"{' '.join(kind)} {times}" for kind, times in others.items())
        print(f"{name:24} {f'{found}/{len(seeds)}' if case.kind else '':6} others: {told or 'none'}", flush=True)


def write():
    """Writes the kept sweeps, each with the first seed of its own."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for number, (name, case) in enumerate(cases().items()):
        with tempfile.TemporaryDirectory() as folder:
            content = (record(case, number, Path(folder)) / FILE).read_bytes()
        (GOLDEN / f"{name}.jsonl.gz").write_bytes(gzip.compress(content, 9, mtime=0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", help="count over these seeds, as 10-29, instead of writing")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if not arguments.seeds:
        write()
        return
    low, _, high = arguments.seeds.partition("-")
    count(range(int(low), int(high or low) + 1), arguments.names)


if __name__ == "__main__":
    sys.exit(main())
