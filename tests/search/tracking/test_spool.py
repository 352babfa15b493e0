"""A spool that sends a sweep's journal: nothing is lost, nothing comes twice, nobody waits."""

import copy
import os
from pathlib import Path

import pytest

from search.environment.store import environment
from search.record.journal import Journal, trial_folder
from search.record.records import CloseRow, EpochRow, OpenRow, ScoreRow
from search.tracking.spool import Spool
from search.tracking.sweep_runs import REPORT
from tests.made.records import (
    OBJECTIVE,
    QUICK,
    TRACEBACK,
    URI,
    Killed,
    Mortal,
    add_attempt,
    add_end,
    add_epoch,
    add_trial,
    made_journal,
    send,
)
from tests.search.tracking.waiting import run_named

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking.memory import MemoryTracker  # noqa: E402


def test_a_replay_of_the_whole_journal_changes_nothing(sweep, tmp_path):
    tracker = MemoryTracker()
    send(sweep, tracker)
    once = copy.deepcopy(tracker.runs)
    (tmp_path / "s1" / "mlflow.offset").unlink()
    assert send(sweep, tracker).pending() == 0
    assert tracker.runs == once


@pytest.mark.parametrize(("most", "calls"), [(1, 40), (7, 20), (400, 15)])
def test_a_kill_after_any_call_leaves_the_same_runs_as_none(sweep, tmp_path, monkeypatch, most, calls):
    monkeypatch.setattr("search.tracking.spool.MOST_SENT", most)
    undisturbed = MemoryTracker()
    send(sweep, undisturbed)
    kills = 0
    while True:
        (tmp_path / "s1" / "mlflow.offset").unlink()
        tracker = MemoryTracker()
        mortal = Mortal(tracker, kills + 1)
        try:
            send(sweep, mortal)
        except Killed:
            kills += 1
            assert send(sweep, tracker).pending() == 0
            assert tracker.runs == undisturbed.runs, f"killed at call {kills}"
        else:
            break
    assert kills > calls


def test_records_sent_together_leave_what_they_leave_one_by_one(tmp_path, monkeypatch):
    journal = add_everything(made_journal(tmp_path / "s1"))
    journal.unlock()
    (trial_folder(tmp_path / "s1", 1) / "pictures").mkdir(parents=True)
    for name in ("best.safetensors", "pictures/val.png"):
        (trial_folder(tmp_path / "s1", 1) / name).write_bytes(name.encode())
    monkeypatch.setattr("search.tracking.spool.MOST_SENT", 1)
    one_by_one = MemoryTracker()
    problems = send(journal, one_by_one).problems
    # What the journal says, where the two roads could part: the score at each end is that of the epochs before it.
    trial = run_named(one_by_one, "first/0001")
    assert [(step, value) for step, _, value in trial.points[f"best/{OBJECTIVE}"]] == [(2, 41.0), (3, 39.0)]
    assert run_named(one_by_one, "first/0002").tags["non_finite"] == "loss = nan at step 3"
    assert [run.status for run in one_by_one.runs.values()] == [
        "RUNNING",
        "FINISHED",
        "FINISHED",
        "FAILED",
        "FAILED",
        "KILLED",
    ]
    for most in (2, 3, 5, 8, 13, 400):
        monkeypatch.setattr("search.tracking.spool.MOST_SENT", most)
        (tmp_path / "s1" / "mlflow.offset").unlink()
        together = MemoryTracker()
        assert send(journal, together).problems == problems
        assert together.runs == one_by_one.runs, f"{most} together"


def add_everything(journal: Journal) -> Journal:
    """A sweep whose records are of every kind, in orders that matter."""
    for number in range(5):
        add_trial(journal, number)
    for epoch, score in ((1, 50.0), (2, 41.0)):
        for number in (0, 1, 2, 4):
            add_epoch(journal, number, epoch, score + number - 1)
    add_end(journal, 0, "pruned", "asha: not among the best third at epoch 2")
    add_end(journal, 1, "stopped", "time budget")
    nan, inf = float("nan"), float("inf")
    journal.append(EpochRow(trial=2, epoch=2, metrics={OBJECTIVE: nan}, loss=inf, seconds=2.0, lr=0.5))
    journal.append(EpochRow(trial=2, epoch=3, metrics={}, loss=nan, seconds=2.0, lr=0.5))
    add_end(journal, 2, "diverged", "loss is nan")
    add_end(journal, 3, "failed", TRACEBACK)
    journal.append(CloseRow(reason="interrupted", best=0))
    journal.append(OpenRow())
    add_attempt(journal, 1, 2)
    add_epoch(journal, 1, 3, 39.0)
    add_end(journal, 1, "finished")
    journal.append(ScoreRow(trial=1, metrics={"frame_mean": {"mpjpe_mm": 40.0}, "action_mean": {"mpjpe_mm": 42.0}}))
    add_attempt(journal, 4, 2)
    journal.append(CloseRow(reason="interrupted", best=1, pictures=True))
    journal.append(OpenRow())
    return journal


def test_a_running_sweep_is_followed(journal, spools):
    tracker = MemoryTracker()
    spool = spools(journal, lambda: tracker)
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    assert spool.drain(5.0)
    add_epoch(journal, 0, 2, 49.0)
    assert spool.drain(5.0)
    assert [value for _, _, value in run_named(tracker, "first/0000").points[OBJECTIVE]] == [50.0, 49.0]
    assert spool.pending() == 0


def test_a_trial_that_somebody_deleted_comes_back_with_its_knobs(journal):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    send(journal, tracker)
    params = tracker.runs.pop("run-1").params
    add_epoch(journal, 0, 1, 50.0)
    send(journal, tracker)
    trial = run_named(tracker, "first/0000")
    assert (trial.params, len(trial.points[OBJECTIVE])) == (params, 1)


@pytest.mark.parametrize("deleted", [("run-0",), ("run-1",), ("run-0", "run-1")])
def test_runs_that_somebody_deletes_while_a_sweep_is_followed_come_back_once(journal, spools, deleted):
    tracker = MemoryTracker()
    spool = spools(journal, lambda: tracker)
    add_trial(journal, 0)
    assert spool.drain(5.0)
    before = {run_id: tracker.runs.pop(run_id) for run_id in deleted}
    add_epoch(journal, 0, 1, 50.0)
    add_trial(journal, 1)
    add_end(journal, 0, "finished")
    journal.append(CloseRow(reason="done"))
    assert spool.drain(5.0)
    assert sorted(run.name for run in tracker.runs.values()) == ["first", "first/0000", "first/0001"]
    assert [run.status for run in tracker.runs.values() if run.name != "first/0001"] == ["FINISHED"] * 2
    for run in before.values():
        again = run_named(tracker, run.name)
        kept = {name: text for name, text in again.files.items() if name != REPORT}  # which only the end has made
        assert (again.params, kept) == (run.params, run.files)
    assert len(run_named(tracker, "first/0000").points[OBJECTIVE]) == 1


def test_a_torn_last_line_is_neither_sent_nor_pending(sweep):
    with open(sweep.path, "ab") as file:
        file.write(b'{"kind": "epo')
    spool = send(sweep, MemoryTracker())
    assert (spool.pending(), spool.trouble) == (0, "")


def test_what_is_pending_is_counted_line_by_line_as_it_is_written(journal, monkeypatch):
    monkeypatch.setattr("search.tracking.spool.READ_BYTES", 7)
    spool = Spool(journal.path, MemoryTracker, OBJECTIVE, URI, QUICK)
    counts = []
    with open(journal.path, "ab", buffering=0) as file:
        for byte in b'{"a": 1}\n{"b": "longer than one part"}\n{"c"':
            file.write(bytes([byte]))
            counts.append(spool.pending())
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 3)


def test_to_look_for_more_costs_nothing_however_long_the_journal(journal):
    add_trial(journal, 0)
    for epoch in range(1, 1001):
        add_epoch(journal, 0, epoch, 100.0 / epoch)
    tracker = MemoryTracker()
    spool = Spool(journal.path, lambda: tracker, OBJECTIVE, URI, QUICK)
    while spool._advance():
        pass
    before = bytes_read()
    for _ in range(10):
        assert (spool._advance(), spool.pending()) == (False, 0)
    assert bytes_read() - before < journal.path.stat().st_size
    spool._release()


def bytes_read() -> int:
    """What this process has read so far."""
    return int(Path("/proc/self/io").read_text().split()[1])
