"""Ray Train worker groups: every model in groups, trials that are stopped, workers that die."""

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import AttemptRow, EpochRow, trial_of
from tests.made.commands import LIMIT_S, LINE, journal_of, run, start
from tests.search.cluster.conftest import group_workers
from trainables import registry
from trainables.weights.checkpoint import load_weights

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@dataclass
class Trained:
    """Runs of every model, and the last of graformer, of which a worker was killed. `told`: what was printed."""

    folder: Path
    told: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_store):
    """Every model, by two workers. Only the runs are many: to start Ray, or a group, outlasts all of them."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(empty_store, folder / "mlflow.db")
    line, told = [sys.executable, "-m", "tests.faults.train_in_groups", str(folder), "2"], ""
    with start(line) as training:
        for printed in training.stdout:
            told += printed
            if "epoch 2:" in printed:
                os.kill(min(group_workers(training.pid)), signal.SIGKILL)
        assert training.wait(LIMIT_S) == 0, told
    return Trained(folder, told)


@pytest.mark.parametrize("name", registry.names())
def test_every_model_trains_in_a_group(trained, name):
    out = trained.folder / f"{name}-2"
    trial = Journal(out / FILE).trials[0]
    assert (trial.state, list(trial.epochs)) == ("finished", [1])
    assert np.isfinite(list(trial.epochs[1].values())).all()
    tensors, config, _ = load_weights(out / "best.safetensors")
    assert config.model == name
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_group_trial_that_is_stopped_leaves_no_process_and_no_reservation(grouped):
    assert grouped.code == 0, grouped.printed
    journal = journal_of(grouped.home, "grouped")
    # The second found the places of the first free.
    assert [trial.state for trial in journal.trials.values()] == ["finished", "pruned"]
    assert len(grouped.gone) == 1
    folder = journal.path.parent
    assert not (folder / "ray").exists()
    assert not list(folder.glob("trials/*/latest"))
    for rank, name in enumerate(("log.txt", "log.1.txt")):
        text = (folder / "trials" / "0000" / name).read_text()
        for attempt in (1, 2):
            assert f"--- trial 0, attempt {attempt}, rank {rank} of 2, " in text, text


def test_a_killed_worker_goes_on_from_its_last_epoch(grouped):
    assert grouped.killed
    journal = journal_of(grouped.home, "grouped")
    assert journal.trials[0].attempts == 2
    rows = [row for row, _ in read_rows(journal.path) if trial_of(row) == 0]
    epochs = [row.epoch for row in rows if isinstance(row, EpochRow)]
    assert epochs == list(range(1, 21)), "none is trained twice"
    first, second = (row.after_epoch for row in rows if isinstance(row, AttemptRow))
    assert (first, second > 0) == (0, True)


def test_the_group_of_a_single_run_starts_again_after_a_worker_was_killed(trained):
    out = trained.folder / "last-2"
    trial = Journal(out / FILE).trials[0]
    assert (trial.state, list(trial.epochs), trial.attempts) == ("finished", list(range(1, 11)), 2), trained.told
    store = f"sqlite:///{trained.folder}/mlflow.db"
    line = [*LINE, "train", str(trained.folder / "last.yaml"), "--out", str(out), "--workers", "2"]
    again = run([*line, "--tracking-uri", store])
    assert "holds the finished run" in again.stdout
