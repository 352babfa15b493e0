"""Stopping a trial, putting a remark on record and deleting a sweep from the command line, without Ray."""

import io
import sys
import threading
import time

import pytest

from search.decisions.conductor import Conductor
from search.executors.mirror import Mirror, copies
from search.record.journal import Journal, trial_folder
from search.record.records import EndRow, NoteRow
from search.record.requests import FOLDER, put, waiting
from search.results import delete as deleting
from search.sweep import requests
from spaces.cli import BAD_INPUT, FAILED, OK
from tests.made.sweeps import book, files_below, made_journal, made_plan, opened, row, write_files

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


def test_a_request_that_cannot_be_removed_is_answered_once(storage, busy, monkeypatch):
    put(storage / "busy", NoteRow(text="once"))
    monkeypatch.setattr(requests, "drop", lambda path: None)
    busy.desk.answer()
    busy.desk.answer()
    assert busy.journal.state.notes == ["once"]


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
