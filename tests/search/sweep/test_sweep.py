"""Whole sweeps on a local Ray, as a user runs them: each test is a command, its output, and what it leaves behind."""

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from search.record.durations import duration_text, read_duration
from search.record.journal import FILE, Journal, trial_folder
from search.record.lines import read_rows
from search.record.records import PAUSED, AttemptRow, EndRow, EpochRow
from tests.made.commands import LINE, ROOT, journal_of, launch, new_home, places, run

pytestmark = pytest.mark.ray

BUDGET = "5s"


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


def timed(line, **variables):
    """As `run` answers, with `seconds`."""
    started = time.monotonic()
    done = run(line, **variables)
    done.seconds = time.monotonic() - started
    return done


@pytest.fixture(scope="module")
def sessions():
    """Where Ray keeps its sessions for the sweep `first`. A short path: sockets are in it."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder, "ray")


@pytest.fixture(scope="module")
def first(home, sessions):
    """A sweep of the recipe and five other points: one has no data, one diverges, the others learn."""
    space = home / "risky.yaml"
    rates = {1: "1e-3, data.subset: 1e-9", 2: "1e30", 3: "1e-3", 4: "5e-4", 5: "2e-4"}
    space.write_text(
        (ROOT / "spaces" / "graformer.yaml").read_text().split("search:")[0]
        + "search: {optim.lr: {log: [1e-5, 1e30]}, optim.clip: {choice: [0]}, data.subset: {choice: [1.0, 1e-9]}}\n"
        + "points:\n"
        + "".join(f"  - {{optim.lr: {rate}}}\n" for rate in rates.values())
    )
    line = launch(home, "first", "--trials", "6", "--epochs", "4", "--concurrent", "1", "--keep", "best")
    line[line.index("graformer")] = str(space)
    done = timed(line, RAY_TMPDIR=str(sessions.parent))
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_sweep_that_ended_well_leaves_no_session_of_ray(sessions, first):
    assert sessions.is_dir()
    assert not list(sessions.glob("session_*"))


def test_a_sweep_tries_the_recipe_first_and_prints_a_leaderboard(home, first):
    journal = journal_of(home, "first")
    assert sorted(journal.trials) == [0, 1, 2, 3, 4, 5]
    recipe = journal.trials[0]
    assert recipe.point["optim.lr"] == 0.002
    assert recipe.config["loop"]["epochs"] == 4
    assert "trial 0 starts: recipe small" in first.stdout
    assert "smaller than published: loop.epochs: 4 here, 100 in recipe original" in first.stdout
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


def test_the_exported_winner_reproduces_its_score(home, first, tmp_path):
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
    assert states == {"finished", "pruned", "diverged", "failed"}
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
    held = [path.parent.name for path in log.parents[1].glob("*/best.safetensors")]
    assert held == [f"{journal.best('val/mpjpe_mm').number:04d}"]
    assert not list(log.parents[1].glob("*/latest"))


def overheads(rows):
    """Seconds from the start of each promoted attempt to its first epoch, but for the epoch itself."""
    starts, found = {}, []
    for row in rows:
        if isinstance(row, AttemptRow) and row.after_epoch:
            starts[row.trial] = row.ts_ms
        elif isinstance(row, EpochRow) and (start := starts.pop(row.trial, None)) is not None:
            found.append((row.ts_ms - start) / 1000 - row.seconds)
    return found


def test_a_promoted_trial_goes_on_at_once_in_a_process_that_is_reused(home, first):
    journal = journal_of(home, "first")
    rows = [row for row, _ in read_rows(journal.path)]
    epochs = [(row.trial, row.epoch) for row in rows if isinstance(row, EpochRow)]
    assert len(epochs) == len(set(epochs))
    paused = {row.trial for row in rows if isinstance(row, EndRow) and row.state == PAUSED}
    attempts = [(row.trial, row.after_epoch) for row in rows if isinstance(row, AttemptRow)]
    promoted = {trial for trial, after_epoch in attempts if after_epoch}
    assert promoted
    assert promoted <= paused
    assert [trial.state for trial in journal.trials.values()].count("finished") == 1
    # Each trial has a file of its own, also in a process that others have used, or failed in.
    heads = {
        trial: [line for line in (place / "log.txt").read_text().splitlines() if line.startswith("--- ")]
        for trial in journal.trials
        if (place := trial_folder(journal.path.parent, trial))
    }
    assert {trial: len(lines) for trial, lines in heads.items()} == Counter(trial for trial, _ in attempts)
    assert all(line.startswith(f"--- trial {trial}, ") for trial, lines in heads.items() for line in lines)
    processes = [re.search(r"process (\d+)", line).group(1) for lines in heads.values() for line in lines]
    assert len(set(processes)) < len(heads), heads
    # Half a second on a machine that does nothing else.
    assert min(overheads(rows)) < 3.0, overheads(rows)


@pytest.fixture(scope="module")
def far(home, tmp_path_factory):
    """A sweep of its own name that keeps its checkpoints at a URI, whose MLflow server does not answer, and whose time
    is over before its first epoch, or a little later: it goes on until it has a score."""
    bucket = tmp_path_factory.mktemp("far") / "bucket"
    name = f"far-{os.getpid()}"
    line = launch(home, name, "--trials", "3", "--epochs", "5000", uri="http://127.0.0.1:9")
    line[line.index("--storage") + 1] = f"local://{bucket}"
    line += ["--scheduler", "none", "--concurrent", "1", "--time-budget", BUDGET]
    sweep = ROOT / "mlruns" / "sweeps" / name
    assert not sweep.exists()
    try:
        yield timed(line), sweep, bucket / name
    finally:
        shutil.rmtree(sweep, ignore_errors=True)


def test_an_unreachable_tracking_server_neither_delays_nor_ends_the_sweep(first, far):
    done, _, _ = far
    assert done.returncode == 0, done.stdout + done.stderr
    assert "they are kept" in done.stderr
    # A longer sweep with a server that answers is the measure of this machine; MLflow itself would try for minutes.
    assert done.seconds < 30 + 1.5 * first.seconds


def test_a_time_budget_stops_what_runs_and_says_so(far):
    done, sweep, _ = far
    journal = Journal(sweep / FILE)
    assert journal.close_reason == "time budget"
    assert {trial.state for trial in journal.trials.values()} == {"stopped"}
    assert all(trial.last_epoch for trial in journal.trials.values())
    server = ["--tracking-uri", "http://127.0.0.1:9"]
    budget = duration_text(read_duration(BUDGET))
    again = f"python -m search resume {sweep.name} {shlex.join(server)} --time-budget {budget}"
    assert f"to go on for as long again: {again}\n" in done.stdout
    spent = run([*LINE, "resume", sweep.name, *server])
    assert spent.returncode == 2
    assert spent.stderr.strip().endswith(f"is spent; to go on for as long again: {again}")


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
@pytest.mark.filterwarnings("ignore")  # MLflow's database layer warns on import
def test_a_sweep_that_the_machine_disturbs_ends_as_the_undisturbed_one(capsys):
    from tests.faults import machine

    words = [
        "--faults",
        "3",
        "--kinds",
        "worker killed",
        "driver killed",
        "disk full",
        "--trials",
        "2",
        "--epochs",
        "8",
    ]
    words += ["--warm", "--patience", "30"]  # other tests run beside it
    code = machine.main(words)
    assert code == 0, capsys.readouterr().out
