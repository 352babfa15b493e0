"""Disturbs a sweep with seeded faults of the machine, resumes it each time, and compares it with the undisturbed one.

    python tests/faults/machine.py --faults 40 --seed 0

Faults: SIGKILL of the driver, a trial's process, the raylet or Ray's GCS; SIGTERM, SIGHUP, Ctrl-C once, twice, and
before Ray is up; a full disk under the sweep (needs the right to mount); a locked MLflow store; with --server, which
puts MLflow's server before the store, one that hangs or is away. Holds when it exits 0: the leaderboard is that of the
undisturbed sweep (same seed, one trial at a time), no ended trial was run again, no epoch is booked twice, no attempt
begins before the last booked epoch, every trial has one MLflow run and none is left RUNNING, and no process is alive
5 s (--patience) after its sweep ended. Works in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, Python looks beside it only

from search.record.journal import Journal
from tests.faults.kill_and_resume import LINE, check_books, launch_line
from tests.faults.laboratory import LIMIT_S, Laboratory
from tests.made.small import write_tiny

FILLED = "filled"


def kill(lab: Laboratory, *words: str) -> bool:
    """Kills one process of the sweep; returns whether there was one."""
    for pid in lab.named(*words)[:1]:
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def driver(lab: Laboratory) -> bool:
    lab.signal(signal.SIGKILL)
    return True


def worker(lab: Laboratory) -> bool:
    """Kills the process of a trial, which takes some seconds to come up."""
    deadline = time.monotonic() + LIMIT_S
    while lab.is_running and time.monotonic() < deadline:
        if kill(lab, "ray::train_trial", "ray::ImplicitFunc", "ray::_Inner"):
            return True
        time.sleep(0.2)
    return False


def raylet(lab: Laboratory) -> bool:
    return kill(lab, "raylet/raylet")


def gcs(lab: Laboratory) -> bool:
    return kill(lab, "gcs/gcs_server")


def term(lab: Laboratory) -> bool:
    lab.signal(signal.SIGTERM)
    return True


def hang_up(lab: Laboratory) -> bool:
    lab.signal(signal.SIGHUP)
    return True


def interrupt(lab: Laboratory) -> bool:
    lab.signal(signal.SIGINT)
    return True


def interrupt_twice(lab: Laboratory) -> bool:
    lab.signal(signal.SIGINT)
    time.sleep(0.3)
    lab.signal(signal.SIGINT)
    return True


def full_disk(lab: Laboratory) -> bool:
    """Fills the disk under the sweep until it ends."""
    if not lab.is_small:
        return False
    filled = lab.folder / "sweeps" / FILLED
    with filled.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 9, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    lab.wait()
    filled.unlink()
    return True


def locked_store(lab: Laboratory) -> bool:
    """Holds the store for some seconds; the sweep goes on."""
    with closing(sqlite3.connect(lab.folder / "mlflow.db", timeout=30, isolation_level=None)) as store:
        store.execute("BEGIN EXCLUSIVE")
        time.sleep(4)
        store.execute("ROLLBACK")
    return True


def hanging_server(lab: Laboratory) -> bool:
    """Stops the store's server from answering for longer than the sweep waits for an answer."""
    if lab.server is None:
        return False
    lab.server.signal(signal.SIGSTOP)
    time.sleep(12)
    lab.server.signal(signal.SIGCONT)
    return True


def server_away(lab: Laboratory) -> bool:
    """Kills the store's server, and starts it again some seconds later."""
    if lab.server is None:
        return False
    lab.server.stop()
    time.sleep(4)
    lab.server.start()
    return True


# Those that leave the sweep running, and those that end it.
GOES_ON = {worker, locked_store, hanging_server, server_away}
EARLY = "before Ray is up"
FAULTS: dict[str, Callable[[Laboratory], bool]] = {
    "driver killed": driver,
    "worker killed": worker,
    "raylet killed": raylet,
    "GCS killed": gcs,
    "SIGTERM": term,
    "SIGHUP": hang_up,
    "Ctrl-C": interrupt,
    "Ctrl-C twice": interrupt_twice,
    "disk full": full_disk,
    "store locked": locked_store,
    "store hanging": hanging_server,
    "store away": server_away,
    f"Ctrl-C {EARLY}": interrupt,
    f"SIGTERM {EARLY}": term,
    f"driver killed {EARLY}": driver,
}


def leaderboard(folder: Path, lab: Laboratory) -> object:
    """The leaderboard as `show --json` gives it, without what names the data folder."""
    shown = lab.run([*LINE, "show", "killed", "--storage", str(folder / "sweeps"), "--json"])
    kept = ("trial", "state", "score", "epochs", "knobs")
    return [{name: row[name] for name in kept} for row in json.loads(shown.stdout)["trials"]]


def last_line(lab: Laboratory) -> str:
    lines = (lab.folder / "log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:150] if lines else ""


def disturb(
    lab: Laboratory,
    line: list[str],
    names: list[str],
    chance: random.Random,
    options: argparse.Namespace,
    whole_s: float,
) -> tuple[int, list[str]]:
    """Lets all faults happen to the sweep in turn, as long as it lasts; returns their number, and what does not hold.
    `whole_s`: what the undisturbed one took."""
    problems: list[str] = []
    num_faults = 0
    for number, name in enumerate(names):
        if not lab.is_running:
            lab.start(line)
        if EARLY in name:
            time.sleep(chance.uniform(0.1, 3.0))
        elif not lab.under_way():
            break  # the sweep has ended
        else:
            time.sleep(chance.uniform(0.0, options.longest))
        was_running = lab.is_running
        happened = was_running and FAULTS[name](lab)
        num_faults += happened
        if FAULTS[name] not in GOES_ON:
            rc = lab.wait()
            ended = time.monotonic()
            while lab.alive() and time.monotonic() < ended + options.patience:
                time.sleep(0.1)
            if left := lab.marked():
                lines = "; ".join(line[:60] for line in left.values())
                problems.append(f"{name}: alive {options.patience:g} s later: {lines}")
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            told = (lab.folder / "log").read_text(errors="replace")
            if "Traceback (most recent call last)" in told:
                problems.append(f"{name}: a traceback: {told[-800:]}")
        else:
            rc = None
        trials = Journal(lab.journal).trials.values() if lab.journal.exists() else []
        print(
            f"{number + 1:3d} {name}: {'happened' if happened else 'too late'}, exit {rc}, "
            f"{sum(trial.has_ended for trial in trials)} of {len(trials)} trials had ended; {last_line(lab)}",
            flush=True,
        )
        if lab.journal.exists() and lab.journal.stat().st_size:
            line = lab.line("resume")
    limit_s = LIMIT_S + 3 * whole_s
    if lab.is_running:
        lab.wait(limit_s)
    has_begun = lab.journal.exists() and lab.journal.stat().st_size
    lab.start(lab.line("resume") if has_begun else line)
    rc = lab.wait(limit_s)
    if rc != 0:
        problems.append(f"the last resume exited with {rc}: {(lab.folder / 'log').read_text(errors='replace')[-800:]}")
    return num_faults, problems


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--kinds", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--server", action="store_true", help="MLflow's server before the store, which may be away")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--scheduler", default="none", help="with asha trials pause and are promoted")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of work before a fault, at most")
    parser.add_argument("--patience", type=float, default=5.0, help="seconds until all processes are gone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warm", action="store_true", help="commands are copies of a process that has imported all")
    options = parser.parse_args(words)
    chance = random.Random(options.seed)
    kinds = [kind for kind in options.kinds if options.server or FAULTS[kind] not in (hanging_server, server_away)]
    names = [kinds[i % len(kinds)] for i in range(options.faults)]
    chance.shuffle(names)
    with tempfile.TemporaryDirectory(prefix="f") as one, tempfile.TemporaryDirectory(prefix="f") as other:
        folders = [Path(one), Path(other)]
        for folder in folders:
            write_tiny(folder / "store", frames=600)
        lines = [
            [*launch_line(folder, options.trials, options.epochs, options.scheduler), "--concurrent", "1"]
            for folder in folders
        ]
        lab = Laboratory(folders[1], has_server=options.server, is_warm=options.warm)
        try:
            started = time.monotonic()
            lab.run(lines[0])
            whole_s = time.monotonic() - started
            print(f"undisturbed: {whole_s:.0f} s", flush=True)
            # Of two the last counts.
            line = [*lines[1], "--tracking-uri", lab.uri]
            num_faults, problems = disturb(lab, line, names, chance, options, whole_s)
            problems += check_books(folders[1], options.trials)
            wanted, found = (leaderboard(folder, lab) for folder in folders)
            if wanted != found:
                problems.append(f"the leaderboards differ:\n{wanted}\n{found}")
        finally:
            lab.close()
    print("\n".join(problems) if problems else f"all as undisturbed after {num_faults} faults")
    return 1 if problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    sys.exit(main())
