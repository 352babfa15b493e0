"""Extending, forking, stopping, noting and deleting from the command line, without Ray."""

import argparse
import dataclasses
import io
import os
import sys
import threading
import time
from functools import partial

import pytest

from search.__main__ import VERBS
from search.decisions.conductor import Conductor
from search.executors.mirror import Mirror, copies
from search.record.journal import FILE, Journal, trial_folder
from search.record.plan import plan_of
from search.record.records import AttemptRow, EndRow, ExtendRow, NoteRow, OpenRow
from search.record.requests import FOLDER, put, waiting
from search.results import delete as deleting
from search.results.leaderboard import leaderboard, leaderboard_text
from search.sweep import requests, verbs
from search.sweep.growth import copied, enlarged
from spaces.cli import BAD_INPUT, FAILED, OK
from tests.made.sweeps import answer_of, book, files_below, made_journal, made_plan, row
from trainables.runs.names import BEST, LATEST

UNSTARTED = VERBS | {name: dataclasses.replace(VERBS[name], run=f"nothing_may_start:{name}") for name in ("extend",)}


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def refused(capsys):
    return partial(answer_of, capsys, UNSTARTED)


def write_files(folder, number, names=(BEST, LATEST, "config.yaml", "log.txt")):
    for name in names:
        path = trial_folder(folder, number) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name} of {number}".encode())


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage folder with the finished sweep `first` of two trials, whose files are there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requests, "settle", lambda spool, place: [])
    monkeypatch.setattr(requests, "spool_of", lambda *rest: argparse.Namespace(start=lambda: None))
    plan = made_plan("first", trials=2, scheduler="none")
    journal = made_journal(tmp_path / "sweeps", plan)
    for number, lr in enumerate((1e-3, 2e-3)):
        book(journal, plan, {"optim.lr": lr}, [50.0 + number] * 8)
        write_files(journal.path.parent, number)
    journal.close("done")
    journal.unlock()
    return tmp_path / "sweeps"


def opened(storage, name="first"):
    journal = Journal(storage / name / FILE)
    journal.lock()
    return journal


# --- extend


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "has 2 trials of 8 epochs already; give a larger --trials or --epochs"),
        (["--trials", "2", "--epochs", "8"], "has 2 trials of 8 epochs already"),
        (["--trials", "1"], "--trials 1: has 2 already"),
        (["--epochs", "7"], "--epochs 7: trials have 8 already"),
        (["--trials", "1", "--epochs", "7"], "--epochs 7"),
        (["--trials", "0"], "'0' is no whole number from 1 to 100000"),
        (["--trials", "9", "--time-budget", "soon"], "--time-budget: 'soon' is no duration"),
    ],
)
def test_an_enlargement_that_is_none_is_refused(storage, refused, words, problem):
    before = files_below(storage)
    code, out, err = refused("extend", "first", "--storage", storage, *words)
    assert (code, out) == (BAD_INPUT, "")
    assert problem in err
    assert files_below(storage) == before


def test_a_running_sweep_a_single_run_a_confirmation_and_a_searched_length_are_refused(storage, refused, tmp_path):
    journal = opened(storage)
    _, _, err = refused("extend", "first", "--storage", storage, "--trials", "9")
    assert "is being run by another process" in err
    journal.unlock()
    space = tmp_path / "long.yaml"
    space.write_text(
        "model: graformer\nrecipes: {small: {network.width: 24, network.heads: 4}}\n"
        "search: {loop.epochs: {choice: [4, 8]}}\n",
        encoding="utf-8",
    )
    made_journal(storage, made_plan("lengths", space=space, epochs=None)).unlock()
    _, _, err = refused("extend", "lengths", "--storage", storage, "--epochs", "20")
    assert "--epochs 20: loop.epochs is a searched knob" in err


def test_trials_with_a_state_go_on_and_the_others_are_named(storage):
    (trial_folder(storage / "first", 1) / LATEST).unlink()
    journal, growth = opened(storage), ExtendRow(trials=4, epochs=12)
    plan = plan_of(journal.sweep.grown(growth), "journal")
    lines = enlarged(journal, plan, growth)
    journal.unlock()
    assert lines[0] == (
        "sweep first is enlarged from 2 trials of 8 epochs to 4 of 12; the 16 epochs that it has trained count"
    )
    assert lines[1] == "from their last epoch go on: trial 0 (finished after epoch 8)"
    assert "trial 1 (finished after epoch 8)" in lines[2]
    assert [trial.state for trial in Journal(journal.path).trials.values()] == ["waiting", "finished"]


def test_a_sweep_that_keeps_the_best_says_that_no_trial_can_go_on(storage):
    plan = made_plan("spare", trials=1, keep="best")
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    growth = ExtendRow(epochs=12)
    lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
    journal.unlock()
    assert "--keep best keeps none of ended trials" in lines[1]
    assert journal.trials[0].has_ended


def test_a_state_at_the_uri_of_the_sweep_will_do(storage):
    uri = f"file://{storage}/copies"
    plan = made_plan("far", trials=1, checkpoints=uri)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    write_files(storage / "far", 0)
    Mirror(uri, "far", 0).send(trial_folder(storage / "far", 0), with_best=True)
    (trial_folder(storage / "far", 0) / LATEST).unlink()
    growth = ExtendRow(epochs=12)
    lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
    journal.unlock()
    assert "go on: trial 0" in lines[1]


def test_a_schedule_that_follows_the_length_is_told(storage):
    shares = {"optim.lr_decay_by": "share"}
    for space, changes, knob in (
        ("graformer", shares, "optim.lr_decay_share"),
        ("videopose3d", {}, "network.final_momentum"),
    ):
        plan = made_plan(f"paced-{space}", space=space, changes=changes, trials=1, scheduler="none")
        journal = made_journal(storage, plan)
        book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
        write_files(journal.path.parent, 0)
        growth = ExtendRow(epochs=12)
        lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
        journal.unlock()
        assert lines[-1].startswith(f"note: {knob} follows the length of a run; the first 8 epochs")
    assert made_plan().base.paced == ()


# --- fork


def test_a_fork_has_records_and_files_of_the_old_sweep_which_stays_as_it_was(storage, answer):
    before = files_below(storage / "first")
    code, out, err = answer("fork", "first", "--name", "second", "--storage", storage)
    assert code == OK, err
    assert "sweep second: 2 trials of first" in out
    assert f"give it more: python -m search extend second --storage {storage} --trials 4" in out
    assert files_below(storage / "first") == before
    for number in (0, 1):
        old, new = (trial_folder(storage / name, number) for name in ("first", "second"))
        assert {path.relative_to(old): text for path, text in files_below(old).items()} == {
            path.relative_to(new): text for path, text in files_below(new).items()
        }
        assert os.path.samefile(old / LATEST, new / LATEST)
        assert not os.path.samefile(old / "log.txt", new / "log.txt"), "later attempts append to it"
    assert sorted(path.name for path in storage.iterdir()) == ["first", "second"]
    assert leaderboard(Journal(storage / "second" / FILE))["origin"]["sweep"] == "first"
    assert "done, fork of first" in leaderboard_text(Journal(storage / "second" / FILE))


def test_a_fork_that_is_enlarged_is_made_and_then_extended(storage, answer, monkeypatch):
    seen = []
    monkeypatch.setattr(verbs, "extend", lambda request: seen.append(request) or OK)
    code, _, err = answer("fork", "first", "--name", "second", "--storage", storage, "--epochs", "12")
    assert code == OK, err
    assert (seen[0].folder, seen[0].row) == (storage / "second", ExtendRow(epochs=12))
    assert (storage / "second" / FILE).is_file()


def test_a_fork_under_a_taken_name_or_of_a_running_sweep_is_refused(storage, answer):
    before = files_below(storage)
    code, _, err = answer("fork", "first", "--name", "first", "--storage", storage)
    assert (code, "a sweep of this name exists" in err) == (BAD_INPUT, True)
    journal = opened(storage)
    code, _, err = answer("fork", "first", "--name", "second", "--storage", storage, "--trials", "1")
    journal.unlock()
    assert code == BAD_INPUT
    assert "sweep 'first' is being run by another process" in err
    assert "sweep 'first' --trials 1: has 2 already" in err
    assert files_below(storage) == before


def test_a_fork_that_cannot_be_written_leaves_nothing(storage, monkeypatch):
    def full(*rest, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    before = files_below(storage)
    with pytest.raises(Exception, match="No space left"):
        copied(storage / "first", storage / "second")
    assert files_below(storage) == before


def test_a_fork_copies_what_is_at_the_uri(storage):
    uri = f"file://{storage}/copies"
    plan = made_plan("far", trials=1, checkpoints=uri)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    write_files(storage / "far", 0)
    Mirror(uri, "far", 0).send(trial_folder(storage / "far", 0), with_best=True)
    journal.unlock()
    copied(storage / "far", storage / "near")
    assert copies(uri, "near") == copies(uri, "far") != {}


# --- stop and note


class Running:
    """A sweep that this process runs: a conductor with a trial in it, and its desk."""

    def __init__(self, storage):
        self.plan = made_plan("busy", trials=3)
        self.journal = made_journal(storage, self.plan)
        self.conductor = Conductor(self.journal, self.plan, 2, lambda line: None)
        self.desk = requests.Desk(self.journal, self.conductor)
        self.conductor.next_task()


@pytest.fixture
def busy(storage):
    running = Running(storage)
    yield running
    running.journal.unlock()


def test_a_running_trial_is_stopped_by_a_file_that_its_driver_finds(storage, busy):
    path = put(storage / "busy", EndRow(trial=0, state="stopped", epoch=0, reason="by the user", cause="user"))
    busy.desk.answer()
    assert path.exists(), "a request stays until it is on record"
    assert not busy.conductor.hear(row(0, 1, 50.0))
    busy.desk.answer()
    assert not path.exists()
    again = Journal(busy.journal.path).trials[0]
    assert (again.state, again.reason, again.has_ended) == ("stopped", "by the user", True)


def test_a_driver_looks_once_a_second_and_what_is_no_request_is_removed(storage, busy, monkeypatch):
    looks = []
    monkeypatch.setattr(requests, "waiting", lambda folder: looks.append(folder) or [])
    for _ in range(100):
        busy.desk.look()
    assert len(looks) == 1
    (storage / "busy" / FOLDER).mkdir()
    (storage / "busy" / FOLDER / "1.json").write_text("no record", encoding="utf-8")
    assert waiting(storage / "busy") == []
    assert not (storage / "busy" / FOLDER / "1.json").exists()


def test_a_request_for_a_trial_that_is_not_there_is_dropped(storage, busy):
    put(storage / "busy", EndRow(trial=9, state="stopped", epoch=0, reason="by the user", cause="user"))
    busy.desk.answer()
    assert waiting(storage / "busy") == []


def test_a_remark_on_a_running_sweep_is_recorded_by_its_driver(storage, busy, answer):
    stop = threading.Event()

    def drive():
        while not stop.is_set():
            busy.desk.answer()
            time.sleep(0.01)

    driver = threading.Thread(target=drive)
    driver.start()
    try:
        code, out, err = answer("note", "busy", " learns slowly ", "--storage", storage)
    finally:
        stop.set()
        driver.join()
    assert (code, out) == (OK, "sweep busy: the remark is on record\n"), err
    assert Journal(busy.journal.path).state.notes == ["learns slowly"]


def test_stop_says_when_the_trial_will_end_if_its_epoch_takes_long(storage, busy, answer, monkeypatch):
    monkeypatch.setattr(requests, "WAIT_S", 0.2)
    code, out, err = answer("stop", "busy", "--trial", "0", "--storage", storage)
    assert code == OK, err
    assert out.startswith("trial 0 ends with its present epoch, and is not taken up again; see: python -m search show")


def test_a_trial_of_an_interrupted_sweep_is_stopped_on_its_record(storage, answer):
    plan = made_plan("cut", trials=3)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0], "running")
    journal.close("interrupted")
    journal.unlock()
    code, out, err = answer("stop", "cut", "--trial", "0", "--storage", storage)
    assert (code, out) == (OK, "trial 0 of cut: stopped by the user after epoch 1\n"), err
    assert Journal(journal.path).trials[0].has_ended
    code, _, err = answer("stop", "cut", "--trial", "0", "--storage", storage)
    assert (code, "--trial 0: is stopped already, after epoch 1" in err) == (BAD_INPUT, True)


@pytest.mark.parametrize(
    ("trial", "problem"), [("7", "no such trial; trials here: 0 to 1"), ("0", "is finished already")]
)
def test_a_trial_that_cannot_be_stopped_is_an_error(storage, answer, trial, problem):
    before = files_below(storage)
    code, _, err = answer("stop", "first", "--trial", trial, "--storage", storage)
    assert (code, problem in err) == (BAD_INPUT, True)
    assert files_below(storage) == before


def test_remarks_are_shown_by_show_and_list(storage, answer):
    for text in ("too narrow", "see the wide one"):
        assert answer("note", "first", text, "--storage", storage)[0] == OK
    _, out, _ = answer("show", "first", "--storage", storage)
    assert "note: too narrow\nnote: see the wide one\n" in out
    _, out, _ = answer("list", "--storage", storage)
    assert out.splitlines()[1].endswith("see the wide one")
    assert answer("note", "first", "  ", "--storage", storage)[0] == BAD_INPUT
    assert answer("note", "first", "x" * 2001, "--storage", storage)[0] == BAD_INPUT


# --- delete


@pytest.fixture
def erased(monkeypatch):
    """The sweeps whose runs were marked as deleted in MLflow."""
    found = []
    monkeypatch.setattr(deleting, "_runs_deleted", lambda journal, uri: found.append(journal.sweep.id) or 3)
    return found


def test_a_sweep_is_deleted_with_its_runs_once_the_user_agrees(storage, answer, erased, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    code, out, err = answer("delete", "first", "--storage", storage)
    assert (code, "remove all of this? [y/N]" in err) == (OK, True)
    assert "sweep first is removed; 3 runs in MLflow are marked as deleted" in out
    assert (erased, list(storage.iterdir())) == (["id-of-first"], [])


def test_without_a_yes_nothing_is_deleted(storage, answer, erased, monkeypatch):
    before = files_below(storage)
    assert answer("delete", "first", "--storage", storage)[0] == BAD_INPUT  # no terminal
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert answer("delete", "first", "--storage", storage)[0] == OK
    journal = opened(storage)
    code, _, err = answer("delete", "first", "--storage", storage, "--yes")
    journal.unlock()
    assert (code, "is being run by another process" in err) == (BAD_INPUT, True)
    assert (erased, files_below(storage)) == ([], before)


def test_what_mlflow_refuses_keeps_the_sweep(storage, answer, monkeypatch):
    def away(journal, uri):
        raise OSError("connection refused")

    monkeypatch.setattr(deleting, "_runs_deleted", away)
    before = files_below(storage)
    code, _, err = answer("delete", "first", "--storage", storage, "--yes")
    assert (code, files_below(storage)) == (FAILED, before)
    assert f"connection refused; once that is mended: python -m search delete first --storage {storage}" in err


def test_copies_at_a_uri_are_deleted_too(storage, answer, erased):
    uri = f"local://{storage}/copies"
    journal = made_journal(storage, made_plan("far", trials=1, checkpoints=uri))
    write_files(storage / "far", 0)
    Mirror(uri, "far", 0).send(trial_folder(storage / "far", 0), with_best=True)
    journal.unlock()
    assert answer("delete", "far", "--storage", storage, "--yes")[0] == OK
    assert copies(uri, "far") == {}


def test_a_note_and_an_extension_leave_the_rest_of_the_record_alone(storage):
    journal = opened(storage)
    before = {number: (trial.state, trial.own_score) for number, trial in journal.trials.items()}
    for one in (NoteRow(text="x"), OpenRow(), ExtendRow(trials=3)):
        journal.append(one)
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=8))
    journal.unlock()
    again = Journal(journal.path)
    assert again.trials[1].state == before[1][0]
    assert again.best("val/mpjpe_mm").number == 0
