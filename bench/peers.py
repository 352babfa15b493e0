"""Wall time of one small sweep: ours, a plain Ray Tune script and an Optuna script in two processes, in turn.

python bench/peers.py --json                  once each, minutes; the last line holds the ratios to ours
python bench/peers.py --rounds 3 --out FILE   the medians; every run is appended to FILE as a line of JSON

The same work: trials of a GraFormer of width 32, 3 layers and 4 heads in batches of 64, on the synthetic set, two at a
time, none stopped. Ours is `launch`, which also keeps checkpoints, weights and a report. The peers train a plain
PyTorch network of the same shape with DataLoaders (bench/plain/lifter.py), written for this comparison, from a file of
tensors that is made before the clock starts; Ray Tune reports to MLflow. Every run is a process of its own, from the
command to the prompt. Versions are those of requirements.txt.
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
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

import optuna
import torch

from data.batches.samples import open_samples
from data.synthetic.store import write_sets
from spaces.table import text_table
from trainables.config import default_config
from trainables.devices.cpus import num_cpus
from trainables.layers.graph import Spectrum, row_normalized_adjacency

PLAIN = Path(__file__).with_name("plain")
SHAPE = {"network.width": 32, "network.layers": 3, "network.heads": 4, "loop.batch": 64}
AT_A_TIME = 2


def write_tensors(store: Path, file: Path) -> None:
    """Writes what the peers train on: 2D and 3D joints of our training and validation samples, and the polynomials."""
    config = default_config(
        "graformer", {"data.name": "synthetic", "data.root": str(store), "data.downsample": 5}, "bench"
    )
    write_sets(store, 0, force=False)
    data = open_samples(config.data, ("train", "val"), device="cpu", reads=("pose2d", "pose3d"))
    found: dict[str, object] = {}
    for part in ("train", "val"):
        batch = data.gather(part, torch.sort(data.order(part, 1, 0, 64)).values, ("pose2d", "pose3d"))
        assert batch.pose2d is not None
        assert batch.pose3d is not None
        found[part] = batch.pose2d[:, 0, 0].clone(), batch.pose3d[:, 0].clone()
    skeleton = config.data.sizes.skeleton
    spectrum = Spectrum(row_normalized_adjacency(skeleton.edges, skeleton.num_joints))
    found["polynomials"] = torch.stack(
        [spectrum.synthesis @ (one[:, None] * spectrum.analysis) for one in spectrum.powers.mT]
    )
    torch.save(found, file)
    print(f"{len(found['train'][0]):,} training and {len(found['val'][0]):,} validation poses")  # type: ignore[index]


def timed(commands: list[list[str]], folder: Path, log: Path) -> float:
    """Runs commands at once in a folder and returns the seconds until all have ended. SystemExit if one fails."""
    environment = {**os.environ, "PYTHONPATH": f"{PLAIN}{os.pathsep}{REPOSITORY}", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("w", encoding="utf-8") as file:
        started = time.perf_counter()
        running = [
            subprocess.Popen(words, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
            for words in commands
        ]
        codes = [one.wait() for one in running]
        seconds = time.perf_counter() - started
    if any(codes):
        raise SystemExit(f"{' '.join(commands[0])}: exit code {max(codes)}\n{log.read_text(encoding='utf-8')[-3000:]}")
    return seconds


def runs_of(trials: int, epochs: int, store: Path, tensors: Path) -> dict[str, Callable[[Path], list[list[str]]]]:
    """Returns the commands of each competitor, given the folder in which it writes."""
    python, numbers = sys.executable, [str(trials), str(epochs)]
    fixed = [word for path, value in SHAPE.items() for word in ("--set", f"{path}={value}")]

    def ours(folder: Path) -> list[list[str]]:
        words = ["launch", "graformer", "--recipe", "small", "--data", "synthetic", "--data-root", str(store), *fixed]
        words += ["--trials", numbers[0], "--epochs", numbers[1], "--concurrent", str(AT_A_TIME)]
        words += ["--scheduler", "none", "--storage", str(folder / "sweeps"), "--name", "sweep"]
        return [[python, "-m", "search", *words, "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]]

    def ray_tune(folder: Path) -> list[list[str]]:
        return [[python, str(PLAIN / "ray_tune.py"), str(tensors), str(folder), *numbers, str(AT_A_TIME)]]

    def optuna_study(folder: Path) -> list[list[str]]:
        # Two processes that both create the tables of a new file get into each other's way.
        optuna.create_study(study_name="sweep", storage=f"sqlite:///{folder}/optuna.db")
        return [[python, str(PLAIN / "optuna_study.py"), str(tensors), str(folder), *numbers]] * AT_A_TIME

    return {"ours": ours, "ray_tune": ray_tune, "optuna": optuna_study}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="file to which every run is appended")
    parser.add_argument("--json", action="store_true", help="the ratios as a last line of JSON")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="peers-") as place:
        home = Path(place)
        write_tensors(home / "store", home / "poses.pt")
        commands = runs_of(options.trials, options.epochs, home / "store", home / "poses.pt")
        for turn in range(options.rounds):
            for name, command in commands.items():
                folder = home / f"{name}-{turn}"
                folder.mkdir()
                seconds = timed(command(folder), folder, folder / "output.txt")
                found.setdefault(name, []).append(seconds)
                print(f"{name} {seconds:.1f} s", flush=True)
                if options.out is not None:
                    row = {
                        "name": name,
                        "seconds": round(seconds, 2),
                        "trials": options.trials,
                        "epochs": options.epochs,
                    }
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
    medians = {name: statistics.median(times) for name, times in found.items()}
    ratios = {name: round(seconds / medians["ours"], 3) for name, seconds in medians.items() if name != "ours"}
    rows = [[name, round(medians[name], 1), f"{ratios.get(name, 1.0):.2f}"] for name in medians]
    print(text_table(["sweep", "seconds", "times ours"], rows))
    pins = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "optuna", "mlflow"))
    print(f"{platform.machine()}, {num_cpus()} cores, {pins}, {date.today()}")
    if options.json:
        print(json.dumps(ratios))


if __name__ == "__main__":
    main()
