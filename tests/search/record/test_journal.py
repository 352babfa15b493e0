"""The journal of a sweep: on disk before anyone acts, read back the same, never written by two."""

import json
import math
import os
import subprocess
import sys
import time

import pytest

from search.record.journal import FILE, Journal, create, sweeps, trial_folder
from search.record.lines import read_rows
from search.record.records import AttemptRow, EndRow, OpenRow
from spaces.errors import ConfigError
from tests import ROOT
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan, made_sweep, row, trial
from trainables.config import config_from


@pytest.fixture(scope="module")
def plan():
    return made_plan()


@pytest.fixture
def journal(tmp_path, plan):
    """Five trials, one of each kind that a sweep leaves behind, and one that runs."""
    made = made_journal(tmp_path, plan)
    book(made, plan, {"optim.lr": 1e-3}, [60.0, 50.0, 52.0])
    book(made, plan, {"optim.lr": 2e-3}, [70.0], "pruned", "asha: not among the best third at epoch 1")
    book(made, plan, {"optim.lr": 3e-3}, [], "diverged", "loss is nan at step 3, lr 3.0e-03")
    book(made, plan, {"optim.lr": 4e-3}, [49.0], "failed", "Traceback\nRuntimeError: out of memory")
    book(made, plan, {"optim.lr": 5e-3}, [55.0, 48.0], "running")
    yield made
    made.unlock()


# --- records and trials


def test_replay_gives_the_same_trials(journal):
    again = Journal(journal.path)
    assert again.trials == journal.trials
    assert again.sweep == journal.sweep
    assert [one.state for one in again.trials.values()] == ["finished", "pruned", "diverged", "failed", "running"]


def test_a_record_is_on_disk_when_append_returns(journal):
    before = journal.path.stat().st_size
    written = journal.append(row(4, 3, 47.0))
    (record, size), *others = read_rows(journal.path, before)
    assert (record, others) == (written, [])
    assert before + size == journal.path.stat().st_size
    assert record.ts_ms > 1_600_000_000_000  # milliseconds, not seconds


def test_what_a_trial_trained_is_on_record(journal, plan):
    first = journal.trials[0]
    assert config_from(first.config, "journal") == plan.config({"optim.lr": 1e-3})
    assert (first.number, first.attempts, first.last_epoch, first.reason) == (0, 1, 3, "")
    assert journal.trials[3].reason == "Traceback\nRuntimeError: out of memory"


@pytest.mark.parametrize(
    ("state", "has_ended"),
    [
        ("waiting", False),
        ("running", False),
        ("stopped", False),
        ("paused", False),
        ("finished", True),
        ("pruned", True),
        ("diverged", True),
        ("failed", True),
    ],
)
def test_only_a_trial_that_was_not_cut_short_has_ended(state, has_ended):
    assert trial(0, state=state).has_ended is has_ended


def test_another_attempt_makes_a_stopped_trial_run_again(journal):
    journal.append(EndRow(trial=4, state="stopped", epoch=2, reason="time budget"))
    journal.append(AttemptRow(trial=4, attempt=2, after_epoch=2))
    again = Journal(journal.path).trials[4]
    assert (again.state, again.reason, again.attempts, again.last_epoch) == ("running", "", 2, 2)


def test_an_epoch_booked_twice_counts_once(journal):
    journal.append(row(4, 2, 48.0))
    assert list(Journal(journal.path).trials[4].epochs) == [1, 2]


def test_a_sweep_is_closed_until_it_goes_on(journal):
    journal.close("interrupted")
    closed = Journal(journal.path)
    assert (closed.is_closed, closed.close_reason) == (True, "interrupted")
    journal.append(OpenRow())
    assert not Journal(journal.path).is_closed


# --- scores


def test_the_score_is_the_lowest_epoch_not_the_last():
    one = trial(0, [60.0, 50.0, 52.0])
    assert (one.score(OBJECTIVE), one.best_epoch(OBJECTIVE)) == (50, 2)


def test_a_trial_that_keeps_its_last_epoch_has_the_score_of_that():
    one = trial(0, [60.0, 50.0, 52.0, math.nan], keep="last")
    assert (one.score(OBJECTIVE), one.best_epoch(OBJECTIVE)) == (52, 3)


def test_of_equal_epochs_the_first_is_the_best():
    assert trial(0, [60.0, 50.0, 50.0]).best_epoch(OBJECTIVE) == 2


def test_a_trial_without_epochs_has_no_score():
    assert (trial(0).score(OBJECTIVE), trial(0).best_epoch(OBJECTIVE)) == (None, None)
    assert trial(0, [1.0]).score("val/other") is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_never_wins(bad):
    one = trial(0, [bad, 50.0])
    assert (one.score(OBJECTIVE), one.best_epoch(OBJECTIVE)) == (50, 2)
    assert trial(0, [bad]).score(OBJECTIVE) is None


def test_the_leaderboard_is_by_score_then_number_and_ends_with_those_without(journal, plan):
    book(journal, plan, {"optim.lr": 6e-3}, [50.0])
    book(journal, plan, {"optim.lr": 7e-3}, [math.nan])
    assert [one.number for one in journal.leaderboard(OBJECTIVE)] == [4, 3, 0, 5, 1, 2, 6]
    assert journal.best(OBJECTIVE).number == 4


def test_a_sweep_without_scores_has_no_best(tmp_path, plan):
    made = made_journal(tmp_path, plan)
    assert made.best(OBJECTIVE) is None
    book(made, plan, {"optim.lr": 1e-3}, [], "diverged")
    assert made.best(OBJECTIVE) is None
    made.unlock()


# --- what can go wrong on the disk


@pytest.mark.parametrize("torn", [b"{", b'{"kind": "epoch", "trial": 0, "epo', b"\x00\x00", b'{"kind": "open"}'])
def test_a_torn_last_line_is_not_there(journal, torn):
    journal.unlock()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + torn)
    again = Journal(journal.path)
    assert again.trials == journal.trials
    assert journal.path.read_bytes() == whole + torn  # reading changes nothing
    again.lock()
    again.append(OpenRow())
    again.unlock()
    lines = journal.path.read_bytes().splitlines()
    assert b"\n".join(lines[:-1]) + b"\n" == whole
    assert json.loads(lines[-1])["kind"] == "open"


def test_a_journal_that_is_not_there_is_empty(tmp_path):
    assert Journal(tmp_path / FILE).trials == {}
    assert list(read_rows(tmp_path / FILE)) == []


# --- one writer


def test_a_second_process_may_read_but_not_write(journal):
    source = f"""
from pathlib import Path
from search.record.journal import Journal
from spaces.schema import ConfigError
journal = Journal(Path({str(journal.path)!r}))
print(len(journal.trials))
try:
    journal.lock()
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False)
    count, message = done.stdout.splitlines()
    assert count == "5", done.stderr
    assert message == f"{journal.path.parent}: is being run by another process; wait for it or stop it"


def test_a_refused_lock_leaves_the_journal_as_it_was(journal):
    before = journal.path.read_bytes()
    with pytest.raises(ConfigError, match="is being run by another process"):
        Journal(journal.path).lock()
    assert journal.path.read_bytes() == before
    journal.append(OpenRow())
    journal.unlock()
    other = Journal(journal.path)
    other.lock()
    other.unlock()


def test_the_lock_shows_what_another_wrote_since(journal):
    late = Journal(journal.path)
    journal.append(row(4, 3, 40.0))
    journal.unlock()
    late.lock()
    assert late.trials == Journal(journal.path).trials
    assert late.trials[4].last_epoch == 3
    late.unlock()


def test_nothing_is_written_without_the_lock(journal):
    with pytest.raises(AssertionError, match="not locked"):
        Journal(journal.path).append(OpenRow())


def test_a_sweep_never_takes_the_folder_of_another(journal):
    before = journal.path.read_bytes()
    with pytest.raises(ConfigError, match="holds a sweep already"):
        create(journal.path.parent, made_sweep())
    assert journal.path.read_bytes() == before


# --- folders


def test_sweeps_come_oldest_first_whoever_wrote_last(tmp_path, monkeypatch):
    for name, ts_ms in (("b", 1), ("a", 2), ("c", 3)):
        monkeypatch.setattr(time, "time_ns", lambda ts_ms=ts_ms: ts_ms * 1_000_000)
        made_journal(tmp_path, made_plan(name)).unlock()
    os.utime(tmp_path / "b" / FILE)
    assert [folder.name for folder in sweeps(tmp_path)] == ["b", "a", "c"]


def test_a_folder_without_a_first_record_is_no_sweep(tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / FILE).write_text('{"kind": "sweep", "na')
    (tmp_path / "other").mkdir()
    assert sweeps(tmp_path) == []
    assert sweeps(tmp_path / "nowhere") == []


def test_trials_have_folders_that_sort_by_number(tmp_path):
    assert trial_folder(tmp_path, 7) == tmp_path / "trials" / "0007"
