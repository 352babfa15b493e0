"""Runs found by name, and waiting until something holds."""

import time

from search.tracking.memory import MemoryRun, MemoryTracker


def run_named(tracker: MemoryTracker, name: str) -> MemoryRun:
    (run,) = [run for run in tracker.runs.values() if run.name == name]
    return run


def wait_for(holds, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)
