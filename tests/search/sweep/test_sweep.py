"""Whole sweeps on a local Ray, as a user runs them: each test is a command, its output, and what it leaves behind."""

import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from search.record.durations import duration_text, read_duration
from search.record.journal import FILE, Journal
from tests.made.commands import LINE, ROOT, journal_of, launch, new_home, places, run, tracking

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


def timed(line):
    """As `run` answers, with `seconds`."""
    started = time.monotonic()
    done = run(line)
    done.seconds = time.monotonic() - started
    return done


@pytest.fixture(scope="module")
def sessions():
    """Where Ray keeps its sessions for the sweep `first`. A short path: sockets are in it."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder, "ray")


@pytest.fixture(scope="module")
def first(home, sessions):
    """A sweep of the recipe and four other points: of two learning rates one diverges, and of two subsets of the data
    one has no frame."""
    space = home / "risky.yaml"
    space.write_text(
        (ROOT / "spaces" / "graformer.yaml").read_text().split("search:")[0]
        + "search:\n  optim.lr: {choice: [1e-3, 1e30]}\n  optim.clip: {choice: [0]}\n"
        "  data.subset: {choice: [1.0, 1e-9]}\n"
    )
    line = launch(home, "first", "--trials", "5", "--epochs", "3", "--scheduler", "none", "--keep", "best")
    line[line.index("graformer")] = str(space)
    done = timed(["env", f"RAY_TMPDIR={sessions.parent}", *line])
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_sweep_that_ended_well_leaves_no_session_of_ray(sessions, first):
    assert sessions.is_dir()
    assert not list(sessions.glob("session_*"))


def test_a_sweep_tries_the_recipe_first_and_prints_a_leaderboard(home, first):
    journal = journal_of(home, "first")
    assert sorted(journal.trials) == [0, 1, 2, 3, 4]
    recipe = journal.trials[0]
    assert recipe.point["optim.lr"] == 0.002
    assert recipe.config["loop"]["epochs"] == 3
    assert "trial 0 starts: recipe small" in first.stdout
    assert "smaller than published: loop.epochs: 3 here, 100 in recipe original" in first.stdout
    assert f"best: trial {journal.best('val/mpjpe_mm').number}" in first.stdout


def test_mlflow_has_one_parent_and_one_child_per_trial_with_knobs_and_epochs(home, first):
    journal = journal_of(home, "first")
    # In a process of its own: MLflow's database layer warns on import, and here warnings are errors.
    code = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("graformer")
runs = [r for r in client.search_runs([experiment.experiment_id]) if r.data.tags.get("sweep") == "first"
        or r.data.tags.get("sweep_id") == sys.argv[2]]
print(json.dumps([{"id": r.info.run_id, "status": r.info.status, "params": r.data.params, "tags": r.data.tags,
  "steps": [m.step for m in client.get_metric_history(r.info.run_id, "val/mpjpe_mm")]} for r in runs]))
"""
    done = run([sys.executable, "-c", code, f"sqlite:///{home}/mlflow.db", journal.sweep.id])
    runs = json.loads(done.stdout.splitlines()[-1])
    parents = [found for found in runs if "mlflow.parentRunId" not in found["tags"]]
    children = {found["tags"]["trial"]: found for found in runs if "mlflow.parentRunId" in found["tags"]}
    assert len(parents) == 1
    assert len(runs) == 1 + len(journal.trials)
    assert parents[0]["status"] == "FINISHED"
    for number, trial in journal.trials.items():
        child = children[str(number)]
        assert child["tags"]["mlflow.parentRunId"] == parents[0]["id"]
        assert child["tags"]["state"] == trial.state
        assert child["steps"] == list(trial.epochs)
        assert float(child["params"]["optim.lr"]) == trial.config["optim"]["lr"]
        assert child["params"]["network.heads"] == str(trial.config["network"]["heads"])


def test_the_exported_winner_reproduces_its_score_bare_and_under_ray_train(home, first, tmp_path):
    best = journal_of(home, "first").best("val/mpjpe_mm")
    config, weights = tmp_path / "best.yaml", tmp_path / "best.safetensors"
    line = [*LINE, "export", "first", *places(home)[:2], "--out", str(config), "--weights", str(weights)]
    assert run(line).returncode == 0
    score = best.score("val/mpjpe_mm")
    bare = run([sys.executable, "-m", "trainables", "train", str(config), "--out", str(tmp_path / "bare")])
    assert bare.returncode == 0, bare.stderr
    rows = (tmp_path / "bare" / "log.tsv").read_text().splitlines()
    column = rows[0].split("\t").index("val/mpjpe_mm")
    assert min(float(row.split("\t")[column]) for row in rows[1:]) == pytest.approx(score, abs=1e-3)  # printed digits
    under_ray = run([*LINE, "train", str(config), "--out", str(tmp_path / "ray"), *tracking(home)])
    assert under_ray.returncode == 0, under_ray.stderr
    assert Journal(tmp_path / "ray" / FILE).trials[0].score("val/mpjpe_mm") == pytest.approx(score, abs=1e-9)
    again = run([*LINE, "train", str(config), "--out", str(tmp_path / "ray"), *tracking(home)])
    assert "holds the finished run" in again.stdout
    evaluated = run([*LINE, "evaluate", str(config), "--weights", str(weights), "--json"])
    table = json.loads(evaluated.stdout)
    assert set(table) >= {"metrics", "per_action", "protocol"}
    assert set(table["per_action"]) == {"Walking", "Sitting"}


def test_resuming_a_finished_sweep_trains_nothing(home, first):
    before = (home / "sweeps" / "first" / FILE).read_bytes()
    done = run([*LINE, "resume", "first", *places(home)])
    assert done.returncode == 0
    assert (home / "sweeps" / "first" / FILE).read_bytes() == before


def test_a_diverging_and_a_failing_trial_do_not_end_the_sweep(home, first):
    journal = journal_of(home, "first")
    states = {trial.state for trial in journal.trials.values()}
    assert states == {"finished", "diverged", "failed"}
    failed = next(trial for trial in journal.trials.values() if trial.state == "failed")
    assert "leaves no frame" in failed.reason
    shown = run([*LINE, "show", "first", "--trial", str(failed.number), *places(home)[:2]]).stdout
    log = home / "sweeps" / "first" / "trials" / f"{failed.number:04d}" / "log.txt"
    assert failed.reason.strip() in shown
    assert f"log: {log}" in shown
    head, second, *lines = log.read_text().splitlines()
    assert head.startswith(f"--- trial {failed.number}, attempt 1, ")
    assert second == "Traceback (most recent call last):"
    assert "leaves no frame" in lines[-1]
    # An actor that a trial has failed in, or that later trials reuse, writes each trial's own file.
    for trial in journal.trials.values():
        text = (log.parents[1] / f"{trial.number:04d}" / "log.txt").read_text()
        assert [line for line in text.splitlines() if line.startswith("--- ")] == [text.splitlines()[0]]
        assert text.startswith(f"--- trial {trial.number}, ")
    held = [path.parent.name for path in log.parents[1].glob("*/best.safetensors")]
    assert held == [f"{journal.best('val/mpjpe_mm').number:04d}"]
    assert not list(log.parents[1].glob("*/latest"))


def test_a_time_budget_stops_what_runs_and_says_so(home):
    budget = "5s"  # over before the first epoch, or later; a sweep goes on until it has a score
    line = launch(home, "brief", "--trials", "3", "--epochs", "5000", "--scheduler", "none", "--concurrent", "1")
    done = run([*line, "--time-budget", budget])
    journal = journal_of(home, "brief")
    assert done.returncode == 0, done.stdout + done.stderr
    assert journal.close_reason == "time budget"
    assert {trial.state for trial in journal.trials.values()} == {"stopped"}
    assert all(trial.last_epoch for trial in journal.trials.values())
    again = (
        f"python -m search resume brief {shlex.join(places(home))} --time-budget {duration_text(read_duration(budget))}"
    )
    assert done.stdout.splitlines()[-1].endswith(f"to go on for as long again: {again}")
    spent = run([*LINE, "resume", "brief", *places(home)])
    assert spent.returncode == 2
    assert spent.stderr.strip().endswith(f"is spent; to go on for as long again: {again}")


@pytest.fixture(scope="module")
def far(home, tmp_path_factory):
    """A sweep of its own name that keeps its checkpoints at a URI, and whose MLflow server does not answer."""
    bucket = tmp_path_factory.mktemp("far") / "bucket"
    name = f"far-{os.getpid()}"
    line = launch(home, name, "--trials", "1", "--epochs", "2", uri="http://127.0.0.1:9")
    line[line.index("--storage") + 1] = f"local://{bucket}"
    sweep = ROOT / "mlruns" / "sweeps" / name
    assert not sweep.exists()
    try:
        yield timed(line), sweep, bucket / name
    finally:
        shutil.rmtree(sweep, ignore_errors=True)


def test_an_unreachable_tracking_server_neither_delays_nor_ends_the_sweep(first, far):
    done, sweep, _ = far
    assert done.returncode == 0, done.stdout + done.stderr
    assert "they are kept" in done.stderr
    # A longer sweep with a server that answers is the measure of this machine; MLflow itself would try for minutes.
    assert done.seconds < 30 + 1.5 * first.seconds
    assert Journal(sweep / FILE).close_reason == "done"


def test_checkpoints_go_to_a_uri_and_come_back_for_export(far, tmp_path):
    done, sweep, bucket = far
    assert done.returncode == 0, done.stdout + done.stderr
    kept = bucket / "trials" / "0000"
    assert {path.name for path in kept.iterdir()} == {"best.safetensors", "config.yaml", "latest"}
    shutil.rmtree(sweep / "trials")
    weights = tmp_path / "best.safetensors"
    exported = run([*LINE, "export", sweep.name, "--out", str(tmp_path / "b.yaml"), "--weights", str(weights)])
    assert exported.returncode == 0, exported.stderr
    assert weights.read_bytes() == (kept / "best.safetensors").read_bytes()


@pytest.mark.slow
def test_a_sweep_that_the_machine_disturbs_ends_as_the_undisturbed_one():
    kinds = ("worker killed", "SIGHUP", "disk full")
    line = ["tests/faults/machine.py", "--faults", "3", "--kinds", *kinds, "--trials", "2", "--epochs", "8"]
    line += ["--patience", "30"]  # other tests run beside it
    done = run([sys.executable, *line])
    assert done.returncode == 0, done.stdout + done.stderr
