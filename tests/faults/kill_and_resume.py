"""Kills a launching process with SIGKILL at random instants of a sweep, resumes it each time, and checks the books.

    python tests/faults/kill_and_resume.py --kills 5 --seed 0

Holds when it exits 0: no finished trial was run again, no epoch is booked twice, every trial has one MLflow child run
and no more, and no Optuna trial of the study that the journal makes is still running. Works in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, Python looks beside it only

from mlflow import MlflowClient
from tests.made.small import TINY, write_tiny

from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import ENDED, AttemptRow, EndRow, EpochRow

LINE = [sys.executable, "-m", "search"]


def launch_line(folder: Path, trials: int, epochs: int, scheduler: str = "none") -> list[str]:
    """A sweep over the tiny set that lasts some seconds a trial."""
    changes = {key: value for key, value in TINY.items() if not key.startswith("loop.epochs") and key != "data.name"}
    settings = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [
        *LINE, "launch", "graformer", "--recipe", "small", "--data", "tiny", "--data-root", str(folder / "store"),
        "--trials", str(trials), "--epochs", str(epochs), "--scheduler", scheduler, "--name", "killed",
        *places(folder), *settings,
    ]  # fmt: skip


def places(folder: Path) -> list[str]:
    """Store and journal inside the temporary folder."""
    return ["--storage", str(folder / "sweeps"), "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]


def kill_during(line: list[str], journal: Path, wait_s: float) -> bool:
    """Starts a command, lets it get under way, then kills it `wait_s` later; whether it was still running."""
    before = journal.stat().st_size if journal.exists() else 0
    started = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and started.poll() is None:
        if journal.exists() and journal.stat().st_size > before:
            break
        time.sleep(0.05)
    time.sleep(wait_s)
    was_running = started.poll() is None
    if was_running:
        os.kill(started.pid, signal.SIGKILL)
    started.wait()
    return was_running


def check_books(folder: Path, trials: int) -> list[str]:
    """Everything that does not hold."""
    path = folder / "sweeps" / "killed" / FILE
    journal, faults = Journal(path), []
    if len(journal.trials) != trials:
        faults.append(f"{len(journal.trials)} trials instead of {trials}")
    ended: set[int] = set()
    epochs: Counter[tuple[int, int]] = Counter()
    last: Counter[int] = Counter()  # epoch of a trial
    for row, _ in read_rows(path):
        if isinstance(row, AttemptRow) and row.trial in ended:
            faults.append(f"trial {row.trial} was run again after its end")
        if isinstance(row, AttemptRow) and row.after_epoch != last[row.trial]:
            faults.append(f"trial {row.trial} goes on after epoch {row.after_epoch}, and {last[row.trial]} is booked")
        if isinstance(row, EpochRow):
            epochs[row.trial, row.epoch] += 1
            last[row.trial] = row.epoch
        if isinstance(row, EndRow) and row.state in ENDED:
            ended.add(row.trial)
    faults += [
        f"epoch {epoch} of trial {trial} is booked {count} times"
        for (trial, epoch), count in epochs.items()
        if count > 1
    ]
    faults += [f"trial {trial.number} has not ended" for trial in journal.trials.values() if not trial.has_ended]
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("graformer")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    children = Counter(run.data.tags["trial"] for run in runs if "mlflow.parentRunId" in run.data.tags)
    faults += [f"trial {trial} has {count} MLflow runs" for trial, count in children.items() if count > 1]
    faults += [f"trial {number} has no MLflow run" for number in journal.trials if str(number) not in children]
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    if len(parents) != 1:
        faults.append(f"{len(parents)} MLflow parent runs")
    faults += [f"MLflow run {run.info.run_name} is {run.info.status}" for run in runs if run.info.status == "RUNNING"]
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--longest", type=float, default=16.0, help="seconds of work between two kills, at most")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny(folder / "store", frames=600)
        journal = folder / "sweeps" / "killed" / FILE
        line = launch_line(folder, options.trials, options.epochs)
        for number in range(options.kills):
            wait_s = chance.uniform(0.0, options.longest)
            was_running = kill_during(line, journal, wait_s)
            held = Journal(journal)
            ended = sum(trial.has_ended for trial in held.trials.values())
            print(f"kill {number + 1}: {wait_s:.2f} s into the work, {'hit' if was_running else 'too late'}, "
                  f"{ended} of {len(held.trials)} trials had ended", flush=True)  # fmt: skip
            line = [*LINE, "resume", "killed", *places(folder)]
        done = subprocess.run(line, cwd=ROOT, check=False)
        faults = check_books(folder, options.trials)
        if done.returncode != 0:
            faults.append(f"the last resume exited with {done.returncode}")
        print("\n".join(faults) if faults else f"all books in order after {options.kills} kills")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
