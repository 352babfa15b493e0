"""Ends the processes of our own Ray once the process that started it has ended, however that was.

Ray's processes end with the driver, but its agents do so only once they are up: one that is still starting when the
driver is killed waits for a server that is gone. They are known by a mark in their environment, or, as the title that
Ray gives its agents is written over the first part of it, by the session whose files they hold open. As a file this is
the program that waits; it imports nothing of ours and nothing that takes long."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "POSESWEEP_RAY"  # environment variable by which the processes of one Ray are known
PROCESSES = Path("/proc")
MOMENT = "%Y-%m-%d_%H-%M-%S"
SESSION = re.compile(r"/session_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)_\d+_(\d+)(?:/|$)")  # when, and which process began it
GOOD_END = b"."
GRACE_S = 0.3  # in which Ray's processes end by themselves
LOOK_S = 0.2
QUIET_LOOKS = 8  # in a row that find nothing: what was about to start another process has done so by then
LONGEST_S = 60.0


@contextmanager
def no_orphans() -> Iterator[str]:
    """Starts a process that ends every process that was started in a block of `marked`, and their children, if this
    process ends within the block or leaves it by an exception. Yields the mark to start them with.

    Does nothing on systems that do not show the environment of a process below /proc."""
    mark = uuid.uuid4().hex
    if not (PROCESSES / "self" / "environ").is_file():
        yield mark
        return
    line = [sys.executable, "-I", "-S", __file__, mark, str(os.getpid()), time.strftime(MOMENT)]
    quiet = subprocess.DEVNULL
    # A session of its own: what a terminal sends to the sweep must not reach it. Only this process holds its pipe.
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, cwd="/", start_new_session=True
    ) as watcher:
        assert watcher.stdin is not None, "it has a pipe"
        yield mark
        watcher.stdin.write(GOOD_END)


@contextmanager
def marked(mark: str) -> Iterator[None]:
    """Gives the mark to every process that is started in the block."""
    os.environ[MARK] = mark
    try:
        yield
    finally:
        del os.environ[MARK]


def carriers(mark: str, driver: int, since: str) -> list[int]:
    """Returns the ids of all processes of this user but the driver that carry the mark, or hold a file open of a
    session of Ray that the driver began since that moment (in the form MOMENT: process ids are used again)."""
    found, text = [], f"{MARK}={mark}".encode()
    for place in PROCESSES.iterdir():
        if place.name.isdigit() and int(place.name) != driver:
            try:
                is_ours = text in (place / "environ").read_bytes().split(b"\0") or _holds_session(place, driver, since)
            except OSError:  # ended meanwhile, or another user's
                continue
            if is_ours:
                found.append(int(place.name))
    return found


def _holds_session(place: Path, driver: int, since: str) -> bool:
    """Whether the process has a file open of a session that the driver began since that moment."""
    for link in (place / "fd").iterdir():
        try:
            named = SESSION.search(os.readlink(link))
        except OSError:  # closed meanwhile
            continue
        if named and int(named.group(2)) == driver and named.group(1) >= since:
            return True
    return False


def _end_all(mark: str, driver: int, since: str) -> None:
    """Ends all carriers of the mark or session, and those that they start meanwhile."""
    until, quiet = time.monotonic() + LONGEST_S, 0
    while quiet < QUIET_LOOKS and time.monotonic() < until:
        found = carriers(mark, driver, since)
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                continue
        quiet = 0 if found else quiet + 1
        time.sleep(LOOK_S)


if __name__ == "__main__":
    if sys.stdin.buffer.read() != GOOD_END:  # comes to its end with the driver
        time.sleep(GRACE_S)
        _end_all(sys.argv[1], int(sys.argv[2]), sys.argv[3])
