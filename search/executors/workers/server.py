"""Fork server: a process that loads the libraries of a trial once, and of which Ray's worker processes are forked.

A forked worker starts in hundredths of a second, and the memory that the libraries take all workers share. `recruit`
asks for one; `forks.calling` asks for a process that calls functions, so that the driver of a sweep needs no torch.
The server has one thread of Python and uses neither a GPU nor autograd, whose state no fork survives. It ends, and its
workers with it, once its standard input is closed, as by the end of the process that started it, and removes the folder
of what they held together: that process may have been killed."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import runpy
import selectors
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import numpy as np

from spaces.loading import named

from .recruit import CALLS, STREAMS, is_own_user

# By name, as the server itself uses none of them: what calls need, then what workers need beside it.
OF_CALLS = ("torch", "trainables.runs.demands", "data.synthetic.provide", "trainables.pictures.validation")
OF_WORKERS = (
    *("search.executors.attempt", "trainables.models.graformer", "torch._dynamo"),  # torch's optimisers import it
    *("ray", "ray._private.node", "ray._private.runtime_env.setup_hook", "search.executors.alone"),
    "ray.tune.trainable.function_trainable",
)
RAY = "ray"  # one of them
DEATH = signal.SIGKILL  # Ray's workers take SIGTERM for a request


class Order(NamedTuple):
    """Request for a process. `wanted`: as `recruit` or `forks` wrote it; `peer`: who waits for it; `streams`: what a
    worker prints to."""

    wanted: dict[str, Any]
    peer: socket.socket
    streams: list[int]


class Server:
    """Makes processes on request. `listening`: the socket at which `recruit` and `forks` ask; `folder`: of what the
    processes hold together."""

    def __init__(self, listening: socket.socket, folder: str) -> None:
        self._listening = listening
        self._folder = folder
        self._made: set[int] = set()
        self._orders: list[Order] = []
        self._awake, self._alarm = socket.socketpair()
        for one in (self._awake, self._alarm, self._listening):
            one.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        self._waiting = selectors.DefaultSelector()
        for source in (sys.stdin.fileno(), self._awake, self._listening):
            self._waiting.register(source, selectors.EVENT_READ)

    def serve(self) -> None:
        """Loads the libraries and makes processes until standard input ends; then ends all that it made."""
        for name in OF_CALLS:
            importlib.import_module(name)
        is_over = False
        for name in OF_WORKERS:
            is_over = is_over or self._look(0.0, are_workers_due=False)
            if not is_over:
                importlib.import_module(name)
            if name == RAY:
                leave_undrawn()
        # What is there is never looked at again: a collection would write to it, and so copy it into every worker.
        gc.collect()
        gc.freeze()
        while not is_over:
            is_over = self._look(None, are_workers_due=True)
        signal.set_wakeup_fd(-1)
        for process in self._made:
            with suppress(ProcessLookupError):
                os.kill(process, DEATH)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _look(self, patience: float | None, *, are_workers_due: bool) -> bool:
        """Makes the processes that are asked for; returns whether standard input has ended. `patience`: seconds to wait
        for a request; workers that are not due yet wait."""
        ready = {key.fd for key, _ in self._waiting.select(0.0 if self._orders and are_workers_due else patience)}
        if self._awake.fileno() in ready:
            self._awake.recv(4096)
            self._bury()
        if self._listening.fileno() in ready:
            with suppress(OSError):
                self._take()
        orders, self._orders = self._orders, []
        for order in orders:
            if are_workers_due or CALLS in order.wanted:
                self._make(order)
            else:
                self._orders.append(order)
        return sys.stdin.fileno() in ready

    def _bury(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._made.discard(ended)

    def _take(self) -> None:
        peer, _ = self._listening.accept()
        peer.setblocking(True)
        if not is_own_user(peer):
            peer.close()
            return
        size, streams, _, _ = socket.recv_fds(peer, 8, len(STREAMS))
        wanted = json.loads(_received(peer, int.from_bytes(size, "big")))
        self._orders.append(Order(wanted, peer, streams))

    def _make(self, order: Order) -> None:
        with suppress(OSError):
            process = os.fork()
            if not process:
                _become(order)
            self._made.add(process)
            if CALLS not in order.wanted:
                order.peer.sendall(b".")
        order.peer.close()
        for stream in order.streams:
            os.close(stream)


def leave_undrawn() -> None:
    """Has Ray take the ids of actor classes, which it draws as it loads its parts, from the system. Its own generator
    is seeded at the first draw: every fork would have that state, and with it the same ids of tasks and objects, and
    Ray 2.60 ends an actor that hears of two tasks with one id."""
    vars(importlib.import_module("ray.actor"))["ActorClassID"] = _ActorClassIds


class _ActorClassIds:
    """What `ray.actor` needs of Ray's ActorClassID."""

    @staticmethod
    def from_random() -> Any:
        """Draws an id from the system."""
        kind: Any = importlib.import_module("ray._raylet").ActorClassID
        return kind(os.urandom(kind.size()))


def _received(peer: socket.socket, size: int, *, may_end: bool = False) -> bytes:
    """Receives so many bytes, or none from a peer that may end, and does. ConnectionResetError if it ends before."""
    text = b""
    while len(text) < size:
        part = peer.recv(size - len(text))
        if not part:
            if may_end and not text:
                return b""
            raise ConnectionResetError
        text += part
    return text


def _become(order: Order) -> NoReturn:
    """Makes this process, which was just forked, what was ordered, and ends it with that."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        if CALLS in order.wanted:
            with suppress(ConnectionError):  # who asked has ended, and wants no answer
                _call(order)
        else:
            order.peer.close()
            _work(order)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _call(order: Order) -> None:
    """Calls one function after the other as the peer asks, and sends back the lines that it tells, then what it returns
    or raises; ends with the peer."""
    with order.peer.makefile("wb") as answers:

        def send(kind: str, value: object) -> None:
            pickle.dump((kind, value), answers)
            answers.flush()

        while size := _received(order.peer, 8, may_end=True):
            name, arguments, options, tells = pickle.loads(_received(order.peer, int.from_bytes(size, "big")))
            if tells:
                options["tell"] = lambda line: send("told", line)
            try:
                send("returned", named(name)(*arguments, **options))
            except Exception as error:
                error.add_note("".join(traceback.format_exception(error)))
                send("raised", error)


def _work(order: Order) -> None:
    """Runs the program of Ray's workers."""
    wanted = order.wanted
    for stream, number in zip(order.streams, STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.setpriority(os.PRIO_PROCESS, 0, wanted["nice"])
    os.chdir(wanted["folder"])
    np.random.seed()  # its state was forked, too
    sys.argv = wanted["words"]
    try:
        # The driver may have made its token after the server started.
        importlib.import_module("ray._raylet").AuthenticationTokenLoader.instance().reset_cache()
        runpy.run_path(sys.argv[0], run_name="__main__")
    except Exception:
        # Raylet waits for a worker that fails before it has registered: one that begins anew may find what this lacks.
        traceback.print_exc()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *wanted["words"]], wanted["environment"])


if __name__ == "__main__":
    Server(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]).serve()
