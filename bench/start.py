"""How soon a small sweep trains, how soon after it the prompt is back, and the memory of all its processes.

python bench/start.py                     once; the last line holds the figures as JSON
python bench/start.py --against FOLDER    another checkout in turn with this one, `--rounds 3` times each: the medians

The sweep is that of bench/peers.py: GraFormers of width 32, 3 layers and 4 heads in batches of 64, on the synthetic
set, `--at-a-time` trials at once. The first step is when the first reported epoch began; the end runs from the last
record of an epoch to the end of the command. Memory is the proportional set size of the command and all processes below
it, Ray's too: shared pages count once. It is read once a second while that many trials train, from the first
reported epoch on; `trials` is the mean of a trial's process, `own` what of that no other process has. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

from data.synthetic.store import write_sets
from spaces.table import text_table
from trainables.devices.cpus import num_cpus

SHAPE = {"network.width": 32, "network.layers": 3, "network.heads": 4, "loop.batch": 64}
TRIAL = "ray::ImplicitFunc"  # begins the name of a worker process of Ray that has a trial
EVERY_S, MIB = 1.0, 2**20
Row = dict[str, float]


def command(store: Path, folder: Path, options: argparse.Namespace) -> list[str]:
    """Builds the command of the sweep, which writes into `folder`."""
    words = ["launch", "graformer", "--recipe", "small", "--data", "synthetic", "--data-root", str(store)]
    words += [word for path, value in SHAPE.items() for word in ("--set", f"{path}={value}")]
    words += ["--trials", str(options.trials), "--epochs", str(options.epochs), "--scheduler", "none"]
    words += ["--concurrent", str(options.at_a_time), "--storage", str(folder / "sweeps"), "--name", "sweep"]
    # So that as many fit on few CPUs.
    words += ["--cpus-per-worker", str(min(1.0, num_cpus() / options.at_a_time))]
    return [sys.executable, "-m", "search", *words, "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]


def records(journal: Path) -> list[dict[str, float | str]]:
    """Reads the whole lines of a journal; none if it is not there yet."""
    with suppress(OSError):
        return [json.loads(line) for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return []


def family(root: int) -> list[int]:
    """Lists a process and all processes below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                below.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += below.get(pid, [])
    return found


def sizes(pid: int) -> tuple[str, float, float]:
    """Reads the name of a process, its proportional set size, and the part that it shares with nobody, in MiB."""
    name, fields = "", {}
    with suppress(OSError):
        name = (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        for line in (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            field, _, rest = line.partition(":")
            fields[field] = int(rest.split()[0]) * 1024 / MIB
    own = fields.get("Private_Clean", 0.0) + fields.get("Private_Dirty", 0.0)
    return name, fields.get("Pss", 0.0), own


def memory(root: int) -> Row:
    """Measures the memory of a process and all below it, in MiB."""
    found = [sizes(pid) for pid in family(root)]
    trials = [row for row in found if row[0].startswith(TRIAL)]
    mean = {"trials": statistics.mean(row[1] for row in trials), "own": statistics.mean(row[2] for row in trials)}
    rest = sum(row[1] for row in found[1:]) - sum(row[1] for row in trials)
    return {"all": sum(row[1] for row in found), "command": found[0][1], "others": rest, **mean}


def measured(checkout: Path, store: Path, folder: Path, options: argparse.Namespace) -> Row:
    """Runs the sweep with the code of a checkout and returns its figures. SystemExit if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    journal, log = folder / "sweeps" / "sweep" / "journal.jsonl", folder / "output.txt"
    looks: list[Row] = []
    with log.open("w", encoding="utf-8") as file:
        started = time.time()
        running = subprocess.Popen(
            command(store, folder, options), cwd=checkout, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
        while running.poll() is None:
            time.sleep(EVERY_S if options.memory else 0.02)
            rows = records(journal) if options.memory else []
            kinds = [row["kind"] for row in rows]
            # An attempt that waits for a process has no memory yet: those before it have reported.
            if "epoch" in kinds and kinds.count("attempt") - kinds.count("end") == options.at_a_time:
                with suppress(statistics.StatisticsError):
                    looks.append(memory(running.pid))
        ended = time.time()
    if running.returncode:
        raise SystemExit(f"exit code {running.returncode}\n{log.read_text(encoding='utf-8')[-3000:]}")
    epochs = [row for row in records(journal) if row["kind"] == "epoch"]
    first = min(float(row["ts_ms"]) / 1000 - float(row["seconds"]) for row in epochs)
    last = max(float(row["ts_ms"]) / 1000 for row in epochs)
    found = {"first_step_s": first - started, "end_s": ended - last, "whole_s": ended - started}
    if looks:
        found |= {f"{name}_mib": statistics.median(look[name] for look in looks) for name in looks[0]}
        found["peak_mib"] = max(look["all"] for look in looks)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--at-a-time", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout to compare with")
    parser.add_argument(
        "--time", dest="memory", action="store_false", help="leave memory out, whose reading takes time"
    )
    options = parser.parse_args()
    checkouts = {"this": REPOSITORY, **({"other": options.against.resolve()} if options.against else {})}
    found: dict[str, list[Row]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory(prefix="start-") as place:
        write_sets(Path(place, "store"), 0, force=False)
        for turn in range(options.rounds):
            for name, checkout in checkouts.items():
                folder = Path(place, f"{name}-{turn}")
                folder.mkdir()
                found[name].append(measured(checkout, Path(place, "store"), folder, options))
                figures = "  ".join(f"{key} {value:.1f}" for key, value in found[name][-1].items())
                print(f"{name}: {figures}, load {os.getloadavg()[0]:.1f}", flush=True)
    medians = {
        name: {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}
        for name, rows in found.items()
    }
    least = {name: {key: round(min(row[key] for row in rows), 2) for key in rows[0]} for name, rows in found.items()}
    table = [
        [key, *(f"{medians[name][key]:.1f} ({least[name][key]:.1f})" for name in checkouts)] for key in medians["this"]
    ]
    print(text_table(["median (least)", *checkouts], table))
    print(f"{platform.machine()}, {num_cpus()} cores, {date.today()}")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
