"""Ray Train worker groups: every model in groups, trials that are stopped, workers that die, several sweeps at once."""

import os
import signal
import subprocess
import time

import psutil
import pytest
from commands import LINE, ROOT, journal_of, launch, run, tracking
from small import OF_POSES, TINY, write_tiny

from search.journal import FILE, Journal
from spaces.schema import dump
from trainables import registry
from trainables.config import default_config

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_tiny(folder / "store")
    return folder


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", OF_POSES)
def test_every_model_trains_in_a_group(home, tmp_path, name, workers):
    model = registry.get(name)
    data = {key: value for key, value in TINY.items() if key.startswith(("data.", "loop."))}
    values = {**data, "data.root": str(home / "store"), **model.tiny, "loop.batch": 300, "loop.epochs": 1}
    config = tmp_path / "config.yaml"
    config.write_text(dump(default_config(name, values, "test")))
    out = tmp_path / "out"
    done = run([*LINE, "train", str(config), "--out", str(out), "--workers", str(workers), *tracking(home)])
    assert done.returncode == 0, done.stdout + done.stderr
    trial = Journal(out / FILE).trials[0]
    assert (trial.state, list(trial.epochs)) == ("finished", [1])
    assert (out / "best.safetensors").is_file()


def test_a_group_trial_that_is_stopped_leaves_no_process_and_no_reservation(home):
    """Three trials one after the other on two CPUs: the second and third are stopped at their first epoch, and the
    next group finds its places free."""
    line = launch(home, "stopped", "--workers", "2", "--trials", "3", "--epochs", "3")
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sweep:
        gone = []
        for printed in sweep.stdout:
            if "pruned" in printed and "after epoch" in printed:
                workers = _group_workers(sweep)
                stopped_at = time.monotonic()
                wait_for(lambda old=workers: not any(map(psutil.pid_exists, old)), 10)
                gone.append(time.monotonic() - stopped_at)
        assert sweep.wait(60) == 0
    states = [trial.state for trial in journal_of(home, "stopped").trials.values()]
    assert states.count("finished") >= 1
    assert len(gone) == states.count("pruned")


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
    values = {**TINY, "data.root": str(home / "store"), "loop.epochs": 60, "loop.batch": 8}
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
        assert training.wait(120) == 0, rest
    trial = Journal(out / FILE).trials[0]
    assert trial.state == "finished"
    assert list(trial.epochs) == list(range(1, 61))
    assert trial.attempts == 2


def _has_an_epoch(home, name):
    return any(trial.epochs for trial in journal_of(home, name).trials.values())


def test_two_sweeps_share_a_machine_and_a_third_is_told_why_it_cannot(home):
    cpus = os.cpu_count()
    half = str(cpus / 2)
    lines = [
        launch(home, name, "--concurrent", "1", "--cpus-per-worker", half, "--trials", "1", "--epochs", "2000")
        for name in ("left", "right")
    ]
    sweeps = [subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL) for line in lines]
    try:
        for name in ("left", "right"):
            wait_for(lambda name=name: _has_an_epoch(home, name), 60)
        third = run(launch(home, "third", "--trials", "1", "--epochs", "1", "--cpus-per-worker", half))
        assert third.returncode == 2
        assert f"a trial needs {float(half):g} CPU" in third.stderr
        assert f"{cpus:g} CPU" in third.stderr
        assert "sweep left" in third.stderr
        assert "sweep right" in third.stderr
        assert not (home / "sweeps" / "third").exists()
    finally:
        for sweep in sweeps:
            sweep.send_signal(signal.SIGINT)
        assert [sweep.wait(60) for sweep in sweeps] == [130, 130]
    for name in ("left", "right"):
        journal = journal_of(home, name)
        assert journal.sweep["name"] == name
        assert list(journal.trials) == [0]
        assert journal.close_reason == "interrupted"
