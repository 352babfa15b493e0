"""Start of the fork server, and calls of functions in a process that it forks. Imports no torch and no Ray."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from spaces.loading import named

from ...cluster.scratch import scratch_folder
from ...environment.variables import ARENAS, AUTH_MODE, ROOT
from ...terminal.screen import loading
from .recruit import ADDRESS, CALLS, FIRST_JOB, JOB, PARENT, SHARED, framed

SERVER = "search.executors.workers.server"
PROGRAM = Path(__file__).with_name("recruit.py")  # what Ray starts for a worker
# No fork survives the threads of OpenBLAS and of Arrow's allocator.
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
# Trials run in a thread: it shall take memory of the heap, where devices.device asks for huge pages.
ONE_HEAP = {ARENAS: "1"}
ENDS_S = 5.0
_started: list[Forks] = []


class Forks:
    """Fork server of this process, which ends with it at the latest. OSError if it does not start. `folder`: of what
    trials hold together, removed at the end."""

    def __init__(self) -> None:
        self._name = f"posesweep-{uuid.uuid4().hex}"
        self._held = ExitStack()
        self.folder = self._held.enter_context(scratch_folder())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"\0{self._name}")
            listening.listen(64)
            paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
            # Ray reads this once, as it is loaded; a Ray of our own has a token, which may be made later.
            mode = {AUTH_MODE: os.environ.get(AUTH_MODE, "token")}
            own = {
                **mode,
                "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
                JOB: FIRST_JOB,
                PARENT: str(os.getpid()),
            }
            # What a terminal sends to the sweep must not reach it.
            self._server = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(listening.fileno()), str(self.folder)],
                stdin=subprocess.PIPE,
                pass_fds=[listening.fileno()],
                env={**WITHOUT_THREADS, **os.environ, **ONE_HEAP, **own},
                start_new_session=True,
            )

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Has every worker of a Ray that is started in the block asked for at this server."""
        names = {ADDRESS: self._name, SHARED: str(self.folder)}
        os.environ.update(names)
        try:
            yield
        finally:
            for name in names:
                del os.environ[name]

    @contextmanager
    def caller(self) -> Iterator[Callable[..., Any]]:
        """Yields a function like `called` that calls functions in a process of their own, which ends with the block.
        It raises what they raise, and OSError or EOFError if there is no answer."""
        with ExitStack() as held:
            server = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            server.connect(f"\0{self._name}")
            server.sendall(framed(json.dumps({CALLS: True}).encode()))
            answers = held.enter_context(server.makefile("rb"))

            def call(name: str, *arguments: Any, tell: Callable[[str], None] | None = None, **options: Any) -> Any:
                server.sendall(framed(pickle.dumps((name, arguments, options, tell is not None))))
                while True:
                    kind, value = pickle.load(answers)
                    if kind == "raised":
                        raise value
                    if kind == "returned":
                        return value
                    if tell is not None:
                        tell(value)

            yield call

    def end(self) -> None:
        """Ends the server and all its processes."""
        assert self._server.stdin is not None, "it has a pipe"
        with suppress(OSError):
            self._server.stdin.close()
        try:
            self._server.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._held.close()


def begin() -> None:
    """Starts the fork server of this process, unless it runs already or the system has none of what it needs: then
    Ray starts workers in its own way, and functions are called here."""
    if not _started and sys.platform == "linux":
        with suppress(OSError):
            _started.append(Forks())


def end() -> None:
    """Ends the fork server of this process, if there is one."""
    while _started:
        _started.pop().end()


def running() -> Forks | None:
    """Returns the fork server of this process; None if there is none."""
    return _started[-1] if _started else None


@contextmanager
def calling() -> Iterator[Callable[..., Any]]:
    """Yields a function that calls the function that "module:function" names, with its arguments: in one process of the
    fork server for the whole block if there is a server, so that what it imports and reads is no burden here, else in
    this process. `tell` receives the lines that the function tells."""
    server = running()
    with ExitStack() as held:
        call = called_here
        if server is not None:
            with suppress(OSError):
                call = held.enter_context(server.caller())

        def called(name: str, *arguments: Any, **options: Any) -> Any:
            nonlocal call
            try:
                return call(name, *arguments, **options)
            except (OSError, EOFError, pickle.UnpicklingError):
                if call is called_here:
                    raise
            call = called_here
            end()  # it was killed, or found no memory
            return call(name, *arguments, **options)

        yield called


def called_here(name: str, *arguments: Any, tell: Callable[[str], None] | None = None, **options: Any) -> Any:
    """Calls the function that "module:function" names in this process. `tell` is handed on, unless it is None."""
    return named(name)(*arguments, **options, **({} if tell is None else {"tell": tell}))


@contextmanager
def loading_ahead(request: Any) -> Iterator[None]:
    """Shows as `loading` does that the libraries of a sweep are imported within the block, while the fork server loads
    those of its trials."""
    begin()
    with loading(request):
        yield
