"""What the driver of a long sweep pays for its books: CPU time of one core by trials on record.

python bench/driver.py --trials 1000,10000 --json     a figure of each kind; the last line is a JSON list
python bench/driver.py --sweep 10000                  a whole sweep without training: draws and bookings, CPU seconds

12 searched knobs, 8 trials at a time, about 5 epochs a trial, TPE and ASHA, scores from a made-up bowl. The journals on
record are led by the product's own conductor, but with blind points and without fsync, to have them in a minute.
  book_epoch_ms    booking one epoch        draw_ms        handing out a new trial, its draw and its records included
  tpe_ms           Optuna's share of that   load_s         reading the journal from disk, in a fresh process
  bytes_per_trial  growth of resident memory by reading it, in a fresh process
  poll_ms          one look of the tracker's follower at a journal that has nothing new
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

import optuna

from search.decisions.conductor import Conductor
from search.decisions.task import Task
from search.decisions.sampler import PointSampler
from search.record.journal import Journal, create
from search.record.plan import Plan, SweepConfig, begun_by, make_plan
from search.record.records import EpochRow, Facts
from search.tracking import spool
from search.tracking.memory import MemoryTracker
from spaces.space import Choice, Domain, Float

OBJECTIVE = "val/mpjpe_mm"
EPOCHS = 20  # of a whole trial; halving leaves about 5
CONCURRENT = 8
DRAWS = 30  # timed
FACTS = Facts(revision="bench", versions={}, data={"set": "tiny", "train": ["S1"], "val": ["S8"]}, machine="here")
RSS = """
import gc, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from search.record.journal import Journal, create
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before, started = resident(), time.process_time()
journal = Journal(Path(sys.argv[2]))
spent = time.process_time() - started
print(resident() - before, spent)
"""


class Witness(MemoryTracker):
    """A tracker that says when it was first asked for runs."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()

    def find_runs(self, experiment: str, key: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        self.was_asked.set()
        return super().find_runs(experiment, key)


class Stopwatch:
    """Sums the CPU time of what runs under it."""

    def __init__(self) -> None:
        self.seconds, self.times = 0.0, 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds += time.process_time() - started
        self.times += 1

    @property
    def ms(self) -> float:
        """The mean, in milliseconds."""
        return round(1000 * self.seconds / max(1, self.times), 3)


def plan_for(trials: int) -> Plan:
    """The plan of a sweep over the 12 knobs of GraFormer."""
    sweep = SweepConfig(recipe="original", trials=trials, concurrent=CONCURRENT)
    return make_plan("bench", sweep, "graformer", {"data.name": "tiny", "loop.epochs": EPOCHS})


def unit(domain: Domain, value: Any) -> float:
    """Where in its domain a value lies, from 0 to 1."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / max(1, len(domain.values) - 1) if value in domain.values else 0.0
    log = math.log if domain.log else float
    return (log(value) - log(domain.low)) / (log(domain.high) - log(domain.low))


def blind_point(domains: dict[str, Domain], chance: random.Random) -> dict[str, Any]:
    point: dict[str, Any] = {}
    for path, domain in domains.items():
        if isinstance(domain, Choice):
            point[path] = chance.choice(domain.values)
        elif domain.log:
            value = math.exp(chance.uniform(math.log(domain.low), math.log(domain.high)))
            point[path] = value if isinstance(domain, Float) else round(value)
        else:
            draw = chance.uniform if isinstance(domain, Float) else chance.randint
            point[path] = draw(domain.low, domain.high)
    return point


class Sweep:
    """A sweep without training: its running trials report in turn."""

    def __init__(self, journal: Journal, plan: Plan, sink: Any) -> None:
        self.plan, self.journal = plan, journal
        self.conductor = Conductor(journal, plan, CONCURRENT, lambda line: print(line, file=sink))
        self.running: list[tuple[Task, int]] = []  # and the epoch it reports next
        self.drawn, self.booked, self.epochs = Stopwatch(), Stopwatch(), 0

    def fill(self) -> None:
        """Hands out trials until all places are taken or none is left."""
        while len(self.running) < CONCURRENT:
            with self.drawn():
                task = self.conductor.next_task()
            if task is None:
                break
            self.running.append((task, task.after_epoch + 1))

    def advance(self) -> None:
        """Books the next epoch of the trial that has waited longest."""
        task, epoch = self.running.pop(0)
        report = self.report(task.trial, epoch)
        with self.booked():
            goes_on = self.conductor.hear(report)
        self.epochs += 1
        if goes_on:
            self.running.append((task, epoch + 1))

    def report(self, number: int, epoch: int) -> EpochRow:
        point, chance = self.journal.trials[number].point, random.Random(1000 * number + epoch)
        away = sum((unit(domain, point[path]) - 0.4) ** 2 for path, domain in self.plan.domains.items())
        value = 40 + 30 * away + 60 * math.exp(-epoch / 4) + chance.gauss(0, 1)
        metrics = {OBJECTIVE: value, "val/p_mpjpe_mm": 0.8 * value, "val/n_mpjpe_mm": 0.9 * value}
        return EpochRow(trial=number, epoch=epoch, metrics=metrics, loss=value / 1000, lr=1e-3, seconds=1.0)

    def go(self) -> None:
        """To its end."""
        self.fill()
        while self.running:
            self.advance()
            self.fill()


def begun(plan: Plan, folder: Path) -> Journal:
    return create(folder, begun_by(plan, "bench", FACTS))


def made_journal(storage: Path, trials: int, sink: Any) -> Path:
    """A journal with so many ended trials. Returns its file."""
    plan, chance = plan_for(trials), random.Random(trials)
    domains = plan.domains

    def draw(number: int, is_legal: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any], int]:
        point = blind_point(domains, chance)
        assert is_legal(point), point
        return point, 0

    blind = mock.patch.object(PointSampler, "draw", side_effect=draw)
    fsync = mock.patch.object(os, "fsync", return_value=None)
    with fsync, blind:
        journal = begun(plan, storage)
        sweep = Sweep(journal, plan, sink)
        sweep.go()
        journal.unlock()
    print(
        f"{trials} trials of {sweep.epochs / trials:.1f} epochs, {journal.path.stat().st_size / 1e6:.1f} MB", flush=True
    )
    return journal.path


def figures(path: Path, trials: int, sink: Any) -> dict[str, float]:
    """All figures of a journal with so many trials."""
    asked, (memory, load_s) = Stopwatch(), read_afresh(path)
    idle = poll_ms(path)
    journal = Journal(path)
    journal.lock()
    sweep = Sweep(journal, plan_for(trials + 10 * DRAWS), sink)
    sweep.fill()  # the first draw looks at all trials that later ones know already
    sweep.drawn, ask = Stopwatch(), optuna.Study.ask

    def timed_ask(*values: Any, **named: Any) -> Any:
        with asked():
            return ask(*values, **named)

    with mock.patch.object(optuna.Study, "ask", timed_ask):
        while sweep.drawn.times < DRAWS:
            sweep.advance()
            sweep.fill()
    journal.unlock()
    return {
        "trials": trials,
        "book_epoch_ms": sweep.booked.ms,
        "draw_ms": sweep.drawn.ms,
        "tpe_ms": round(1000 * asked.seconds / sweep.drawn.times, 3),
        "load_s": round(load_s, 3),
        "bytes_per_trial": round(memory / trials),
        "poll_ms": idle,
    }


def read_afresh(path: Path) -> tuple[int, float]:
    """Bytes by which a fresh process grows when it reads the journal, and the seconds of processor time."""
    line = [sys.executable, "-c", RSS, str(REPOSITORY), str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    memory, seconds = done.stdout.split()
    return int(memory), float(seconds)


def poll_ms(path: Path, polls: int = 12) -> float:
    """Mean CPU time of the follower's looks at a journal that it has sent."""
    tracker = Witness()
    mark_sent(path, tracker)
    tracker.was_asked.clear()
    follower = spool.Spool(path, lambda: tracker, OBJECTIVE, "bench")
    follower.start()
    # It asks for the sweep's runs once it has read all that was sent.
    if not tracker.was_asked.wait(60):
        raise SystemExit(f"the follower does not begin: {follower.trouble}")
    time.sleep(2 * spool.POLL_S)
    started = time.process_time()
    time.sleep(polls * spool.POLL_S)
    spent = time.process_time() - started
    follower.stop(10)
    return round(1000 * spent / polls, 3)


def mark_sent(path: Path, tracker: Witness) -> None:
    """Tells the follower that the tracker has all of a journal, in the way that it notes this itself."""
    short = path.parent / "short" / path.name
    short.parent.mkdir()
    with open(path, "rb") as file:
        short.write_bytes(file.readline())
    spool.Spool(short, lambda: tracker, OBJECTIVE, "bench").send_all()
    noted = json.loads(short.with_name(spool.OFFSETS).read_text())
    path.with_name(spool.OFFSETS).write_text(json.dumps(dict.fromkeys(noted, path.stat().st_size)))


def whole_sweep(storage: Path, trials: int, sink: Any) -> None:
    """Leads a sweep from its first trial to its last and prints what that cost."""
    plan = plan_for(trials)
    journal = begun(plan, storage)
    sweep, started, wall = Sweep(journal, plan, sink), time.process_time(), time.perf_counter()
    sweep.go()
    total, wall = time.process_time() - started, time.perf_counter() - wall
    best = journal.best(OBJECTIVE)
    journal.unlock()
    assert best is not None
    assert len(journal.trials) == trials
    print(
        f"{trials} trials, {sweep.epochs} epochs: {total:.1f} CPU seconds, draws {sweep.drawn.seconds:.1f}, "
        f"bookings {sweep.booked.seconds:.1f}; {wall:.1f} s by the clock; best {best.score(OBJECTIVE):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="1000,10000", help="trials on record, by commas (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="the figures as a JSON list in the last line")
    parser.add_argument("--sweep", type=int, metavar="N", help="lead a whole sweep of N trials instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as sink:
        if arguments.sweep:
            whole_sweep(Path(folder) / "sweep", arguments.sweep, sink)
            return
        rows = [
            figures(made_journal(Path(folder) / str(trials), trials, sink), trials, sink)
            for trials in map(int, arguments.trials.split(","))
        ]
    if arguments.json:
        print(json.dumps(rows))
        return
    for name in rows[0]:
        print(f"{name:16s}" + "".join(f"{row[name]:>14,}" for row in rows))


if __name__ == "__main__":
    main()
