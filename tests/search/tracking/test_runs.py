"""What a sweep's journal looks like in the tracker."""

import json

import pytest
import yaml

from search.record.records import ExtendRow, NoteRow, OpenRow
from search.tracking.memory import MemoryRun, MemoryTracker
from tests.made.records import (
    OBJECTIVE,
    TRACEBACK,
    add_attempt,
    add_end,
    add_epoch,
    add_trial,
    config_id_of,
    made_journal,
    send,
)


def runs_by_name(tracker: MemoryTracker) -> dict[str, MemoryRun]:
    assert len({run.name for run in tracker.runs.values()}) == len(tracker.runs), "a run is there twice"
    return {run.name: run for run in tracker.runs.values()}


def test_a_sweep_is_a_parent_run_with_its_provenance_and_its_best(sweep):
    tracker = MemoryTracker()
    spool = send(sweep, tracker)
    assert (spool.pending(), spool.problems, spool.trouble) == (0, [], "")
    parent = runs_by_name(tracker)["first"]
    assert (parent.experiment, parent.status, parent.parent_id) == ("graformer", "FINISHED", None)
    expected = {
        "sweep": "first",
        "sweep_id": "s1",
        "model": "graformer",
        "plan.trials": "3",
        "plan.time_budget_s": "none",
        "facts.revision": "abc+changes",
        "facts.versions.torch": "2.13",
        "facts.data.train": "S1,S5",
        "state": "finished",
        "reason": "done",
        "best_trial": "2",
        "best_score": "39.0",
    }
    assert expected.items() <= parent.tags.items()
    assert {value for _, _, value in parent.points["best/val/mpjpe_mm"]} == {41.0, 39.0}
    assert parent.files["space.yaml"] == b"model: graformer\n"
    assert json.loads(parent.files["plan.json"])["trials"] == 3
    assert yaml.safe_load(parent.files["best_config.yaml"])["optim"]["lr"] == 0.003


def test_a_trial_is_a_child_run_with_every_knob_and_epoch(sweep):
    tracker = MemoryTracker()
    send(sweep, tracker)
    runs = runs_by_name(tracker)
    assert sorted(runs) == ["first", "first/0000", "first/0001", "first/0002"]
    trial = runs["first/0002"]
    assert tracker.runs[trial.parent_id] is runs["first"]
    assert trial.params == {
        "model": "graformer",
        "optim.lr": "0.003",
        "optim.clip": "1.0",
        "data.actions": "Walking,Eating",
    }
    assert [(step, value) for step, _, value in trial.points[OBJECTIVE]] == [(1, 51.0), (2, 42.0), (3, 45.0), (4, 39.0)]
    assert [(step, value) for step, _, value in trial.points["best/val/mpjpe_mm"]] == [(4, 39.0)]
    assert sorted(trial.points) == ["best/val/mpjpe_mm", "loss", "lr", "seconds", OBJECTIVE]
    expected = {
        "trial": "2",
        "sweep_id": "s1",
        "config_id": config_id_of(2),
        "attempt": "2",
        "state": "finished",
        "epochs": "4",
    }
    assert expected.items() <= trial.tags.items()
    assert yaml.safe_load(trial.files["config.yaml"])["data"]["actions"] == ["Walking", "Eating"]
    assert trial.files["best.safetensors"] == b"weights 2"


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        ("finished", "", "FINISHED"),
        ("pruned", "asha: not among the best third at epoch 1", "FINISHED"),
        ("stopped", "time budget", "FINISHED"),
        ("paused", "asha: not yet among the best third at epoch 1", "SCHEDULED"),
        ("diverged", "loss is nan", "FAILED"),
        ("failed", "worker died", "FAILED"),
    ],
)
def test_states_are_told_as_they_are(journal, state, reason, status):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    add_end(journal, 0, state, reason)
    send(journal, tracker)
    trial = runs_by_name(tracker)["first/0000"]
    assert (trial.status, trial.tags["state"], trial.tags["reason"]) == (status, state, reason)
    assert "reason.txt" not in trial.files


def test_a_traceback_is_kept_whole_and_its_last_line_is_the_reason(sweep):
    tracker = MemoryTracker()
    send(sweep, tracker)
    trial = runs_by_name(tracker)["first/0001"]
    assert trial.tags["reason"] == "ValueError: width 7 is odd"
    assert trial.files["reason.txt"].decode() == TRACEBACK


def test_an_interrupted_sweep_is_killed_with_its_open_trials_until_it_goes_on(journal):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    journal.close("interrupted")
    send(journal, tracker)
    runs = runs_by_name(tracker)
    assert [(run.status, run.tags["state"]) for run in runs.values()] == [("KILLED", "interrupted")] * 2
    journal.append(OpenRow())
    add_attempt(journal, 0, 2)
    send(journal, tracker)
    assert [(run.status, run.tags["state"]) for run in runs.values()] == [("RUNNING", "running")] * 2
    assert len(runs_by_name(tracker)) == 2


def test_a_promoted_trial_goes_on_in_its_own_run(journal):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    add_end(journal, 0, "paused", "asha: not yet among the best third at epoch 1")
    send(journal, tracker)
    add_attempt(journal, 0, 2)
    add_epoch(journal, 0, 2, 45.0)
    send(journal, tracker)
    runs = runs_by_name(tracker)
    assert sorted(runs) == ["first", "first/0000"]
    trial = runs["first/0000"]
    expected = {"state": "running", "reason": "", "attempt": "2"}
    assert (trial.status, {name: trial.tags[name] for name in expected}) == ("RUNNING", expected)
    assert [(step, value) for step, _, value in trial.points[OBJECTIVE]] == [(1, 50.0), (2, 45.0)]


def test_the_options_of_a_sweep_are_params_of_its_run(journal):
    tracker = MemoryTracker()
    send(journal, tracker)
    params = runs_by_name(tracker)["first"].params
    assert params.keys() == {f"plan.{name}" for name in journal.sweep.plan}
    assert params["plan.objective"] == OBJECTIVE


def test_a_single_training_is_one_run_of_its_own(tmp_path):
    journal, tracker = made_journal(tmp_path / "s1", single=True), MemoryTracker()
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    add_end(journal, 0, "finished")
    journal.close("done")
    journal.unlock()
    (tmp_path / "s1" / "best.safetensors").write_bytes(b"weights")
    send(journal, tracker)
    (run,) = tracker.runs.values()
    assert (run.name, run.parent_id, run.status) == ("first", None, "FINISHED")
    assert {"facts.revision": "abc+changes", "state": "finished"}.items() <= run.tags.items()
    assert sorted(run.files) == ["best.safetensors", "config.yaml"]


def test_missing_weights_are_reported(journal):
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    journal.close("done")
    spool = send(journal, MemoryTracker())
    assert (spool.pending(), len(spool.problems)) == (0, 1)
    assert "weights of trial 0 were not sent" in spool.problems[0]


def test_a_longer_trial_keeps_its_params_and_has_the_new_length_as_a_tag_and_in_its_config(sweep):
    tracker = MemoryTracker()
    send(sweep, tracker)
    born = runs_by_name(tracker)["first/0000"]
    params, born_id = dict(born.params), born.tags["config_id"]
    sweep.append(OpenRow())
    sweep.append(ExtendRow(trials=5, epochs=7, again=(0,)))
    add_attempt(sweep, 0, 2)
    add_epoch(sweep, 0, 4, 40.0)
    spool = send(sweep, tracker)
    assert (spool.pending(), spool.problems, spool.trouble) == (0, [], "")
    runs = runs_by_name(tracker)
    trial, parent = runs["first/0000"], runs["first"]
    assert (trial.params, trial.status, trial.tags["planned_epochs"]) == (params, "RUNNING", "7")
    assert trial.tags["config_id"] == sweep.trials[0].config_id != born_id
    assert yaml.safe_load(trial.files["config.yaml"])["loop"]["epochs"] == 7
    assert (parent.tags["plan.trials"], json.loads(parent.files["plan.json"])["trials"]) == ("5", 5)
    assert trial.points[OBJECTIVE][-1][0] == 4


def test_remarks_begin_the_description_of_the_parent_run(sweep):
    tracker = MemoryTracker()
    sweep.append(NoteRow(text="too narrow"))
    sweep.append(NoteRow(text="see the wide one"))
    send(sweep, tracker)
    parent = runs_by_name(tracker)["first"]
    assert parent.tags["mlflow.note.content"].startswith("too narrow\n\nsee the wide one\n\n3 of 3 trials: ")
    assert (parent.tags["note"], parent.status) == ("see the wide one", "FINISHED")
    tracker.runs.clear()
    send(sweep, tracker)
    assert runs_by_name(tracker)["first"].tags["note"] == "see the wide one"
