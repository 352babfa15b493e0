"""The log beside the record: kept across runs, and never waited for."""

import os
import threading
import time

import pytest

from search.terminal import log as logs
from search.terminal.log import FILE, Log
from search.terminal.modes import QUIET
from tests.search.terminal.reported import reported


@pytest.fixture
def file(tmp_path):
    return tmp_path / FILE


def written(path, *lines):
    log = Log()
    for line in lines:
        log.write(line)
    log.open(path)
    log.close()
    return log


def events(path):
    return [line[21:] for line in path.read_text().splitlines()]


def test_lines_are_appended_and_those_before_it_is_opened_are_kept(file):
    written(file, "starting Ray", "it runs")
    written(file, "the sweep goes on")
    assert events(file) == ["starting Ray", "it runs", "the sweep goes on"]


def test_a_full_disk_takes_the_lines_once_it_has_room(file, monkeypatch):
    monkeypatch.setattr(logs, "AGAIN_S", 0.01)
    full, write = threading.Event(), os.write
    full.set()

    def writes(descriptor, content):
        if full.is_set():
            if len(content) > 30:
                return write(descriptor, content[:5])  # a part of it still has room
            raise OSError(28, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(logs.os, "write", writes)
    log = Log()
    log.open(file)
    log.write("an event")
    deadline = time.monotonic() + 10
    while not log.trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.trouble == "No space left on device"
    full.clear()
    log.write("another one")
    log.close()
    assert events(file) == ["an event", "another one"]
    assert log.trouble == ""


def test_a_disk_that_never_answers_is_not_waited_for(file, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(logs, "CLOSE_S", 0.05)

    def opens(*values):
        stuck.wait(30)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(logs.os, "open", opens)
    log = Log()
    log.open(file)
    began = time.monotonic()
    for number in range(1000):
        log.write(f"event {number}")
    log.close()
    assert time.monotonic() - began < 5
    thread = log._thread
    monkeypatch.undo()
    stuck.set()
    thread.join(10)


def test_a_sweep_without_a_disk_for_its_log_trains_every_trial_and_says_so(tmp_path, capsys):
    with reported(tmp_path, "lines", trials=4, scheduler="none", epochs=60) as sweep:
        (sweep.journal.path.parent / FILE).unlink(missing_ok=True)
        (sweep.journal.path.parent / FILE).mkdir()
        sweep.run(4)
        deadline = time.monotonic() + 10
        while not sweep.reporter._log.trouble and time.monotonic() < deadline:
            time.sleep(0.01)
        sweep.run()
    assert [trial.state for trial in sweep.journal.trials.values()] == ["finished"] * 4
    out = capsys.readouterr().out
    assert out.count("log.txt takes no lines (Is a directory); the sweep goes on") == 1


def test_the_log_is_written_in_quiet_mode_too(tmp_path):
    with reported(tmp_path, QUIET, trials=1, scheduler="none") as sweep:
        sweep.run()
    assert events(sweep.journal.path.parent / FILE)[0] == "trial 0 starts: recipe small"
