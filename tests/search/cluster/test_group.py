"""Ray Train worker groups: every model in groups, trials that are stopped, workers that die."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from search.record.journal import FILE, Journal
from spaces.schema import dump
from tests.made.commands import LIMIT_S, LINE, ROOT, journal_of, launch, new_home, run, tracking, wait_for
from tests.made.small import TINY
from trainables import registry
from trainables.config import default_config
from trainables.weights.checkpoint import load_weights

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_store):
    """Every model, by two workers. Only the runs are many: to start Ray, or a group, outlasts all of them."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(empty_store, folder / "mlflow.db")
    done = run([sys.executable, "tests/faults/train_in_groups.py", str(folder), "2"])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("name", registry.names())
def test_every_model_trains_in_a_group(trained, name):
    out = trained / f"{name}-2"
    trial = Journal(out / FILE).trials[0]
    assert (trial.state, list(trial.epochs)) == ("finished", [1])
    assert np.isfinite(list(trial.epochs[1].values())).all()
    tensors, config, _ = load_weights(out / "best.safetensors")
    assert config.model == name
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_group_trial_that_is_stopped_leaves_no_process_and_no_reservation(home):
    """Three trials one after the other on two CPUs: the second and third are stopped at their first epoch, and the
    next group finds its places free."""
    line = launch(home, "stopped", "--workers", "2", "--trials", "3", "--epochs", "3", "--keep", "best")
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sweep:
        gone = []
        for printed in sweep.stdout:
            if "pruned" in printed and "after epoch" in printed:
                workers = _group_workers(sweep)
                stopped_at = time.monotonic()
                wait_for(lambda old=workers: not any(map(psutil.pid_exists, old)), 60)
                gone.append(time.monotonic() - stopped_at)
        assert sweep.wait(LIMIT_S) == 0
    states = [trial.state for trial in journal_of(home, "stopped").trials.values()]
    assert states.count("finished") >= 1
    assert len(gone) == states.count("pruned")
    folder = journal_of(home, "stopped").path.parent
    assert not (folder / "ray").exists()
    assert not list(folder.glob("trials/*/latest"))
    for rank, name in enumerate(("log.txt", "log.1.txt")):
        text = (folder / "trials" / "0000" / name).read_text()
        assert text.startswith(f"--- trial 0, attempt 1, rank {rank} of 2, "), text


def _group_workers(sweep):
    """Processes of the worker group that was just told to stop."""
    found = set()
    for child in psutil.Process(sweep.pid).children(recursive=True):
        try:
            if "RayTrainWorker" in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_killed_worker_goes_on_from_its_last_epoch(home, tmp_path):
    values = {**TINY, "data.root": str(home / "store"), "loop.epochs": 30, "loop.batch": 8}
    config = tmp_path / "config.yaml"
    config.write_text(dump(default_config("graformer", values, "test")))
    out = tmp_path / "out"
    line = [*LINE, "train", str(config), "--out", str(out), "--workers", "2", *tracking(home)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as training:
        for printed in training.stdout:
            if "epoch 3:" in printed:
                os.kill(min(_group_workers(training)), signal.SIGKILL)
                break
        rest = training.stdout.read()
        assert training.wait(LIMIT_S) == 0, rest
    trial = Journal(out / FILE).trials[0]
    assert trial.state == "finished"
    assert list(trial.epochs) == list(range(1, 31))
    assert trial.attempts == 2
