"""A spool whose tracker fails: it is down, hangs, refuses a record, or was emptied."""

import os
import socket
import threading
import time

import pytest

from search.environment.store import environment
from search.tracking.spool import TRIES, Spool, sync
from tests.made.records import (
    OBJECTIVE,
    QUICK,
    URI,
    Flaky,
    add_end,
    add_epoch,
    add_trial,
    send,
)
from tests.search.tracking.waiting import run_named, wait_for

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking.memory import MemoryTracker  # noqa: E402
from search.tracking.mlflow_tracker import MlflowTracker  # noqa: E402


def test_an_outage_delays_but_loses_nothing(sweep, tmp_path, spools):
    undisturbed, tracker, is_down = MemoryTracker(), MemoryTracker(), True
    send(sweep, undisturbed)
    (tmp_path / "s1" / "mlflow.offset").unlink()
    flaky = Flaky(tracker, lambda *_: is_down)
    spool = spools(sweep, lambda: flaky)
    wait_for(lambda: flaky.refused > 4 * TRIES)
    assert not spool.drain(0.05)
    assert spool.pending() == len(sweep.path.read_bytes().splitlines())
    assert spool.trouble == "ConnectionError: no route to http://me:***@tracker:5000"
    is_down = False
    assert spool.drain(5.0)
    assert (tracker.runs, spool.problems, spool.trouble) == (undisturbed.runs, [], "")


def test_an_outage_that_ends_before_any_call_loses_nothing(sweep, tmp_path):
    undisturbed = MemoryTracker()
    send(sweep, undisturbed)
    for length in range(1, 60):
        (tmp_path / "s1" / "mlflow.offset").unlink()
        tracker, calls = MemoryTracker(), iter(range(1000))
        flaky = Flaky(tracker, lambda *_, calls=calls, length=length: next(calls) < length)
        spool = Spool(sweep.path, lambda flaky=flaky: flaky, OBJECTIVE, URI, (0.0, 0.0))
        while not spool.send_all():
            assert flaky.refused <= length
        assert (spool.pending(), spool.problems) == (0, []), f"back at call {length}"
        assert tracker.runs == undisturbed.runs, f"back at call {length}"


def test_a_tracker_that_cannot_be_made_is_tried_again(sweep):
    tracker, fails = MemoryTracker(), [True, True]

    def make():
        if fails:
            fails.pop()
            raise ConnectionError("not yet")
        return tracker

    assert sync(sweep.path, make, OBJECTIVE, URI, QUICK).pending() == 0
    assert len(tracker.runs) == 4


def test_a_record_that_is_refused_for_its_own_sake_is_reported_and_all_others_arrive(journal):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    for epoch in range(1, 101):
        add_epoch(journal, 0, epoch, 100.0 - epoch)
    add_end(journal, 0, "finished")

    def is_bad(name, values) -> bool:
        return name == "write" and any(step == 60 for step, _, _ in values[3])

    spool = send(journal, Flaky(tracker, is_bad))
    assert (spool.pending(), len(spool.problems)) == (0, 1)
    assert "kind 'epoch' (trial 0) was refused: ConnectionError: no route to http://me:***@" in spool.problems[0]
    trial = run_named(tracker, "first/0000")
    assert [step for step, _, _ in trial.points[OBJECTIVE]] == [step for step in range(1, 101) if step != 60]
    assert trial.tags["skipped"] == spool.problems[0]
    assert trial.status == "FINISHED"


@pytest.mark.parametrize(
    "works", [("find_runs", "find_run"), ("find_runs", "find_run", "make_run", "text", "artifact")]
)
def test_no_record_is_given_up_while_the_tracker_takes_nothing(sweep, works):
    tracker = MemoryTracker()
    for _ in range(3):
        spool = send(sweep, Flaky(tracker, lambda name, _: name not in (*works, "together")))
        # A run is made with what its first record says.
        made = "make_run" in works
        assert len(sweep.path.read_bytes().splitlines()) - spool.pending() <= made
        assert spool.problems == []
    assert send(sweep, tracker).pending() == 0


def test_a_tracker_that_hangs_stops_nobody(sweep):
    release = threading.Event()
    spool = Spool(sweep.path, lambda: Flaky(MemoryTracker(), lambda *_: not release.wait(30)), OBJECTIVE, URI, QUICK)
    spool.start()
    began = time.monotonic()
    assert not spool.drain(0.1)
    spool.stop(0.1)
    assert time.monotonic() - began < 5.0  # 0.2 asked for; the rest is for a loaded machine
    release.set()
    spool._thread.join(5.0)
    assert not spool._thread.is_alive()


def test_an_unreachable_server_leaves_all_pending_and_stops_in_time(sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
    spool = Spool(sweep.path, lambda: MlflowTracker(uri, tmp_path), OBJECTIVE, uri, QUICK)
    spool.start()
    wait_for(lambda: spool.trouble, 20.0)
    began = time.monotonic()
    assert not spool.drain(0.1)
    spool.stop(2.0)
    assert time.monotonic() - began < 5.0  # 2.1 asked for; the rest is for a loaded machine
    assert not spool._thread.is_alive()
    assert spool.pending() == len(sweep.path.read_bytes().splitlines())
    assert (spool.problems, (tmp_path / "s1" / "mlflow.offset").exists()) == ([], False)


def test_only_one_process_sends_a_sweep_at_a_time(journal, spools):
    tracker = MemoryTracker()
    first = spools(journal, lambda: tracker)
    assert first.drain(5.0)
    add_trial(journal, 0)
    other = MemoryTracker()
    second = sync(journal.path, lambda: other, OBJECTIVE, URI, (0.0, 0.0))
    assert (other.runs, "another process is sending" in second.trouble) == ({}, True)
    first.stop(5.0)
    assert send(journal, tracker).trouble == ""


def test_another_store_gets_everything_and_another_password_is_the_same_store(sweep, tmp_path):
    one, two = MemoryTracker(), MemoryTracker()
    send(sweep, one, "http://me:old@lab:5000")
    send(sweep, two, "http://me:old@elsewhere:5000")
    assert two.runs == one.runs
    assert Spool(sweep.path, MemoryTracker, OBJECTIVE, "http://me:new@lab:5000").pending() == 0
    assert "old" not in (tmp_path / "s1" / "mlflow.offset").read_text()


def test_a_store_that_was_emptied_is_filled_again(sweep):
    before, after = MemoryTracker(), MemoryTracker()
    send(sweep, before)
    assert send(sweep, after).pending() == 0
    assert after.runs == before.runs
