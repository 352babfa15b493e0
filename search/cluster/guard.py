"""Ends a run in good order when the Ray that it runs on dies under it."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import worker

from .folders import remove_private_folders
from .scratch import remove_scratch_folders

POLL_S = 1.0
SERVERS = ("gcs_server", "raylet")  # of a Ray of our own; it goes on without any other
HEAD_S = 30.0  # without an answer of a cluster's head: its own patience is 60 seconds, then it aborts our process
CONNECT_S = 5.0


@contextmanager
def watched(last_words: Callable[[str], int]) -> Iterator[None]:
    """Watches the servers of the Ray in use while the block runs. If one dies, calls `last_words` with what happened,
    one line, in a thread, and ends this process with the exit code that it returns.

    Ray's own answer is to wait for many minutes, or to abort the process, and no call of it that waits can be
    interrupted. Whatever is on disk stays as after `kill -9`."""
    node: Any = worker._global_node
    over = threading.Event()
    own = {name: found[0].process for name, found in node.all_processes.items() if name in SERVERS and found}
    head = "" if own else ray.get_runtime_context().gcs_address

    def watch() -> None:
        answered = time.monotonic()
        while not over.wait(POLL_S):
            fault = ""
            if dead := [name for name, process in own.items() if process.poll() is not None]:
                fault = f"Ray's {dead[0]} died (killed, or out of memory)"
            elif head and not _listens(head):
                if time.monotonic() - answered > HEAD_S:
                    fault = f"the head of the Ray cluster at {head} no longer answers"
            else:
                answered = time.monotonic()
            if fault and not over.is_set():
                _end(node, own, functools.partial(last_words, fault))

    threading.Thread(target=watch, name="ray-guard", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def hush() -> None:
    """Keeps Ray from printing its servers' errors, with pages of their logs, to our output; what they mean for a run we
    say ourselves. Call it before `ray.init`."""
    vars(worker)["listen_error_messages"] = lambda *values: None


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except OSError:
        return False
    return True


def _end(node: Any, own: dict[str, Any], last_words: Callable[[], int]) -> None:
    """Ends the processes of a Ray of our own, then this one, with the exit code that `last_words` returns."""
    code = 1
    try:
        if own:
            _end_ray(node, own["raylet"].pid if "raylet" in own else 0)
        code = last_words()
    finally:
        remove_private_folders()
        remove_scratch_folders()
        # Not sys.exit: the main thread waits for an answer of Ray that never comes, and so would Ray's own exit.
        os._exit(code)


def _end_ray(node: Any, raylet: int) -> None:
    with contextlib.suppress(Exception):  # whatever is left of Ray
        node.kill_all_processes(check_alive=False, allow_graceful=False)
    mark = f"RAY_RAYLET_PID={raylet}".encode()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
