"""Program that Ray starts for every worker process: it has the fork server make one, and ends.

It takes the place of Ray's `setup_worker.py`, with the same arguments, and becomes that one wherever the server does
not answer, or a worker asks for more than variables of its environment. It imports nothing of ours and nothing that
takes long."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys

ADDRESS = "POSESWEEP_FORKS"  # environment variable: name of the server's socket, in Linux's abstract namespace
SHARED = "POSESWEEP_SHARED"  # environment variable: folder of what the trials of this machine hold together
# What Ray's library reads of the environment once, as it is loaded: the id of the job, in a Ray of our own FIRST_JOB,
# and the process whose end ends a worker, for which it is given that of the sweep.
JOB, PARENT = "RAY_JOB_ID", "RAY_RAYLET_PID"
FIRST_JOB = "01000000"
CALLS = "calls"  # in an order: calls of functions follow
CREDENTIALS = struct.Struct("iII")  # what SO_PEERCRED gives: process, user, group
CONTEXT = "--serialized-runtime-env-context="
LANGUAGE = "--language="
STREAMS = (0, 1, 2)


def is_own_user(peer: socket.socket) -> bool:
    """Returns whether a process of this user is at the other end: anyone may connect to, or take, an abstract name."""
    found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return bool(CREDENTIALS.unpack(found)[1] == os.getuid())


def order(words: list[str]) -> dict[str, object] | None:
    """Builds what the server needs to make this worker from the arguments of Ray's `setup_worker.py`; None if the
    worker is not a plain one of Python, with at most variables of its own."""
    context: dict[str, object] = {}
    rest = []
    for word in words:
        if word.startswith(CONTEXT):
            context = json.loads(word.removeprefix(CONTEXT) or "{}")
        elif word.startswith(LANGUAGE):
            if word != f"{LANGUAGE}PYTHON":
                return None
        else:
            rest.append(word)
    variables = context.pop("env_vars", None) or {}
    executable = context.pop("py_executable", sys.executable)
    is_plain = executable == sys.executable and not any(context.values()) and os.environ.get(JOB) == FIRST_JOB
    if not is_plain or not rest or not rest[0].endswith(".py"):
        return None
    assert isinstance(variables, dict)
    environment = {**os.environ, **variables}
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return {"words": rest, "environment": environment, "folder": os.getcwd(), "nice": nice}


def framed(text: bytes) -> bytes:
    """Puts the size in front of a message, in eight bytes."""
    return len(text).to_bytes(8, "big") + text


def is_made(wanted: dict[str, object]) -> bool:
    """Has the server make the worker, once it has loaded its libraries; returns whether it did."""
    text = json.dumps(wanted).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.connect(f"\0{os.environ.get(ADDRESS, '')}")
            if not is_own_user(server):
                return False
            socket.send_fds(server, [len(text).to_bytes(8, "big")], list(STREAMS))
            server.sendall(text)
            return bool(server.recv(1))
    except OSError:
        return False


def plain_way(words: list[str]) -> list[str]:
    """Returns the command line by which Ray itself makes a worker: its `setup_worker.py` lies beside the program of
    workers, the first argument that is no option."""
    program = next(word for word in words if not word.startswith("-"))
    return [sys.executable, os.path.join(os.path.dirname(program), "setup_worker.py"), *words]


if __name__ == "__main__":
    wanted = order(sys.argv[1:])
    if wanted is None or not is_made(wanted):
        os.execv(sys.executable, plain_way(sys.argv[1:]))
