"""Commands that run in a copy of a process that has imported everything: imports are most of what they take."""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import ROOT

LIMIT_S = 600  # of a command; they take half a minute, and several times that on a machine that others use

# Takes a job from each line of its input. A keeper, one fork away, tells its number and, in the end, its exit code. The
# job runs in a fork of the keeper, as if it were started afresh: its own environment, arguments, streams and end.
SERVER = """
import gc, json, os, runpy, signal, sys
from search.environment.variables import settle_environment
from spaces.loading import all_kept
settle_environment()
with all_kept():
    import search.__main__, search.results.report.report, search.sweep.run, search.sweep.train, search.sweep.verbs
gc.freeze()  # no job looks through them, or copies their memory

def keep(job):
    process = os.fork()
    if process == 0:
        return
    with open(job["told"], "w") as told:
        print(process, file=told, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), file=told)
    os._exit(0)

keepers = []
for text in sys.stdin:
    keepers = [keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG) == (0, 0)]
    keeper = os.fork()
    if keeper == 0:
        break
    keepers.append(keeper)
else:
    sys.exit()
job = json.loads(text)
keep(job)
os.environ.clear()
os.environ.update(job["environment"])
for number, name in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY, 0o600)
    os.dup2(file, number)
    os.close(file)
# Those of the server know of its own files whether one can seek in them.
sys.__stdout__ = sys.stdout = open(1, "w", closefd=False)
sys.__stderr__ = sys.stderr = open(2, "w", buffering=1, closefd=False)
kind, what, *rest = job["words"]
sys.argv = [what if kind == "-m" else kind, *rest]
# A shell starts what runs in the background with these ignored, and so may have started the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if kind == "-c":
    exec(what, {"__name__": "__main__"})
else:
    sys.modules.pop(what + ".__main__", None)
    runpy.run_module(what, run_name="__main__", alter_sys=True)
"""


@functools.cache
def _server():
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE, text=True)
    atexit.register(server.communicate)
    return server


class Started(contextlib.AbstractContextManager):
    """A command of Python that runs, with what `subprocess.Popen` has of it. `words`: -m MODULE or -c CODE, and its
    arguments; `out`, `err`: files for what it prints, without which `stdout` gives both as they come."""

    def __init__(self, words, environment, out=None, err=None):
        self.returncode = None
        self._reads = threading.Lock()
        self._folder = TemporaryDirectory()
        told, stream = (Path(self._folder.name, name) for name in ("told", "stream"))
        os.mkfifo(told)
        out = stream if out is None else out
        if out == stream:
            os.mkfifo(stream)
        err = out if err is None else err
        job = {"words": words, "environment": dict(environment), "told": str(told), "out": str(out), "err": str(err)}
        _server().stdin.write(json.dumps(job) + "\n")
        _server().stdin.flush()
        self._told = open(told)  # noqa: SIM115 (held until the command has ended)
        self.pid = int(self._told.readline())
        self.stdout = open(stream) if out == stream else None  # noqa: SIM115 (the same)

    def __exit__(self, kind, *problem):
        if kind is not None:
            self.send_signal(signal.SIGKILL)  # what should have ended it did not happen
        try:
            self.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.send_signal(signal.SIGKILL)
            self.wait()
            raise
        if self.stdout is not None:
            self.stdout.close()

    def poll(self):
        """Its exit code; None while it runs."""
        return self._ended(0)

    def wait(self, timeout=None):
        """Its exit code, once it has ended; subprocess.TimeoutExpired if that takes longer."""
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.returncode

    def _ended(self, seconds):
        if self.returncode is None:
            with contextlib.suppress(ValueError):  # another thread has closed it
                select.select([self._told], [], [], seconds)
        with self._reads:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                code = self._told.readline()
                assert code, "its keeper has ended"
                self.returncode = int(code)
                self._told.close()
                self._folder.cleanup()
        return self.returncode

    def send_signal(self, number):
        """Sends it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def run(words, environment, seconds):
    """Answers as `subprocess.run`."""
    with TemporaryDirectory() as folder:
        out, err = (Path(folder, name) for name in ("out", "err"))
        started = Started(words, environment, out, err)
        try:
            code = started.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(started.pid, signal.SIGKILL)
            started.wait()
            raise
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())
