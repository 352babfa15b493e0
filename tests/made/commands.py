"""Sweeps over the tiny set as a user starts them: commands, run in the repository, and the sockets that they open."""

import ipaddress
import os
import shutil
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from search.__main__ import VERBS
from search.record.journal import FILE, Journal
from search.terminal.log import FILE as LOG
from spaces.cli import main
from tests import ROOT
from tests.made import warm
from tests.made.small import TINY, write_tiny
from tests.made.warm import LIMIT_S

LINE = [sys.executable, "-m", "search"]


def new_home(folder, empty_store):
    """A folder with the tiny set and an MLflow database for all sweeps in it."""
    write_tiny(folder / "store")
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


def predict_with(home, kind, source, out, *more):
    """Exit code of `predict` in this process with config and weights `kind` of a home."""
    words = [str(home / f"{kind}.yaml"), "--weights", str(home / f"{kind}.safetensors"), "--input", str(home / source)]
    return main("search", "", VERBS, ["predict", *words, "--out", str(out), *more])


def wait_for(condition, seconds=LIMIT_S / 2):
    """Looks again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def tracking(home, uri=None):
    """Where runs of a home are shown."""
    return ["--tracking-uri", uri or f"sqlite:///{home}/mlflow.db"]


def places(home, uri=None):
    """Where sweeps and runs of a home are kept."""
    return ["--storage", str(home / "sweeps"), *tracking(home, uri)]


def launch(home, name, *more, uri=None):
    """The line that starts a sweep over the tiny set in home/store."""
    values = {key: value for key, value in TINY.items() if key not in ("data.name", "loop.epochs")}
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    base = ["launch", "graformer", "--recipe", "small", "--data", "tiny", "--data-root", str(home / "store")]
    return [*LINE, *base, "--name", name, *places(home, uri), *settings, *more]


def run(line, **variables):
    """Its output and exit code. `variables`: more of them for its environment."""
    environment = {**os.environ, **variables}
    if line[0] == sys.executable and line[1] in ("-m", "-c"):
        return warm.run(line[1:], environment, LIMIT_S)
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def start(line, out=None, environment=None):
    """A verb that runs on its own meanwhile. All that it prints goes to the file `out`, or comes from its `stdout`."""
    return warm.Started(line[1:], os.environ if environment is None else environment, out)


def logged(home, name):
    """What a sweep has logged so far."""
    file = home / "sweeps" / name / LOG
    return file.read_text() if file.exists() else ""


def journal_of(home, name):
    """The books of a sweep."""
    return Journal(home / "sweeps" / name / FILE)


# --- sockets, from the tables of the kernel

LISTENING = "0A"  # include/net/tcp_states.h


def listening_below(pid):
    """(address, port) of every TCP socket on which a process, or one that it or its children started, listens."""
    table = listening()
    return {place for process in tree_of(pid) for place in listening_of(process.pid, table)}


def tree_of(pid):
    """A process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def listening_of(pid, table):
    """(address, port) of every TCP socket on which one process listens. `table`: as of `listening`."""
    inodes = set()
    with suppress(OSError):
        for file in Path("/proc", str(pid), "fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(file))
    return {place for socket, place in table.items() if socket in inodes}


def listening():
    """What a process has open -> (address, port), for every TCP socket of the machine on which somebody listens."""
    found = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError):  # no IPv6 here
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING:
                    address, _, port = words[1].partition(":")
                    found[f"socket:[{words[9]}]"] = _address(address), int(port, 16)
    return found


def _address(text):
    """An address of the kernel's, of 32-bit words in the machine's order; IPv4 within IPv6 is IPv4."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return str(getattr(address, "ipv4_mapped", None) or address)
