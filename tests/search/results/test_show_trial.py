"""`show --trial`: all that is known of one trial."""

import json
from functools import partial

import pytest

from search.__main__ import VERBS
from search.record.journal import trial_folder
from search.record.records import GPU_MEMORY, LOST, AttemptRow, EndRow, TrialRow
from spaces.cli import BAD_INPUT, OK
from spaces.schema import config_id
from tests.made.records import TRACEBACK
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def storage(tmp_path):
    """A sweep with a failed recipe, a finished trial whose files are there, and one that was lost twice."""
    plan = made_plan("first", trials=4, keep="best")
    journal = made_journal(tmp_path, plan)
    recipe = {"optim.lr": plan.base.optim.lr, "network.layers": plan.base.network.layers}
    book(journal, plan, recipe, [], "failed", TRACEBACK)
    book(journal, plan, {"optim.lr": 5e-4, "network.layers": 4}, [60.0, 48.5, float("nan")])
    point = {"optim.lr": 4e-3, "network.layers": 4}
    journal.append(TrialRow(trial=2, point=point, config_id=config_id(plan.config(point))))
    for attempt in (1, 2):
        journal.append(AttemptRow(trial=2, attempt=attempt, after_epoch=0))
        journal.append(EndRow(trial=2, state=LOST, epoch=0, reason="out of GPU memory", cause=GPU_MEMORY))
    folder = trial_folder(journal.path.parent, 1)
    folder.mkdir(parents=True)
    for name in ("best.safetensors", "log.txt", "log.1.txt", "log.tsv", "config.yaml"):
        (folder / name).touch()
    journal.unlock()
    return tmp_path


def test_a_failed_trial_shows_its_whole_traceback(storage, answer):
    code, out, err = answer("show", "first", "--trial", "0", "--storage", storage)
    assert (code, err) == (OK, "")
    first, *rest = out.splitlines()
    assert first == "trial 0 of sweep first: failed: ValueError: width 7 is odd"
    assert out.endswith(TRACEBACK)
    assert "changes to the recipe: none" in rest
    assert f"best {OBJECTIVE}: none" in rest
    assert {"log: none on this machine", "weights: none on this machine"} <= set(rest)


def test_a_finished_trial_shows_epochs_changes_and_files(storage, answer):
    code, out, _ = answer("show", "first", "--trial", "1", "--storage", storage)
    folder = storage / "first" / "trials" / "0001"
    lines = out.splitlines()
    assert code == OK
    assert lines[:5] == [
        "trial 1 of sweep first: finished",
        "attempts: 1",
        f"best {OBJECTIVE}: 48.50 at epoch 2",
        f"log: {folder / 'log.1.txt'}, {folder / 'log.txt'}",
        f"weights: {folder / 'best.safetensors'}",
    ]
    assert "  optim.lr: 0.002 -> 0.0005" in lines
    assert "  network.layers: 3 -> 4" in lines
    assert [line.split() for line in lines[-4:]] == [["epoch", OBJECTIVE], ["1", "60.00"], ["2", "48.50"], ["3", "-"]]


def test_a_lost_trial_shows_its_cause(storage, answer):
    code, out, _ = answer("show", "first", "--trial", "2", "--storage", storage)
    assert code == OK
    assert out.splitlines()[:2] == ["trial 2 of sweep first: lost (gpu memory): out of GPU memory", "attempts: 2"]


def test_json_is_the_same_as_an_object(storage, answer):
    code, out, _ = answer("show", "first", "--trial", "1", "--storage", storage, "--json")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    folder = storage / "first" / "trials" / "0001"
    assert code == OK
    assert {name: found[name] for name in ("trial", "state", "reason", "cause", "attempts", "score", "best_epoch")} == {
        **{"trial": 1, "state": "finished", "reason": "", "cause": "", "attempts": 1},
        **{"score": 48.5, "best_epoch": 2},
    }
    assert found["changes"] == {"network.layers": [3, 4], "optim.lr": [0.002, 0.0005]}
    assert found["epochs"][1:] == [{"epoch": 2, OBJECTIVE: 48.5}, {"epoch": 3, OBJECTIVE: None}]
    assert found["logs"] == [str(folder / "log.1.txt"), str(folder / "log.txt")]
    assert found["weights"] == str(folder / "best.safetensors")


def test_the_leaderboards_json_has_reason_and_cause(storage, answer):
    trials = json.loads(answer("show", "first", "--storage", storage, "--json")[1])["trials"]
    told = {one["trial"]: (one["reason"], one["cause"]) for one in trials}
    assert told == {0: (TRACEBACK, ""), 1: ("", ""), 2: ("out of GPU memory", GPU_MEMORY)}


@pytest.mark.parametrize("trial", ["9", "-1", "two"])
def test_an_unknown_trial_is_answered_with_those_that_are(storage, answer, trial):
    code, out, err = answer("show", "first", "--trial", trial, "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    assert err == f"show: --trial {trial}: no such trial; trials here: 0 to 2\n"


def test_a_sweep_that_keeps_the_best_alone_says_why_a_trial_has_no_weights(storage, answer, tmp_path):
    (storage / "first" / "trials" / "0001" / "best.safetensors").unlink()
    words = ["--trial", "1", "--out", tmp_path / "a.yaml", "--weights", tmp_path / "a.st", "--storage", storage]
    code, _, err = answer("export", "first", *words)
    assert code == BAD_INPUT
    assert "the sweep keeps those of its best trial only; `launch --keep last` keeps every trial's" in err
