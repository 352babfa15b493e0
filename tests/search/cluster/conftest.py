"""One sweep in worker groups, which several files look at: a group takes a minute to start."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import pytest

from tests.made.commands import LIMIT_S, ROOT, launch, listening, listening_of, logged, new_home, tree_of, wait_for

# The recipe lies outside: no other point learns anything, so that each is stopped at its first epoch.
SPACE = """
model: graformer
recipes: {small: {optim.lr: 2e-3}}
search: {optim.lr: {log: [1e-12, 1e-10]}}
"""


@dataclass
class Grouped:
    """What was seen of the sweep: `heard`, command line and number of a process -> addresses and ports on which it
    listened; `killed`: number of the worker that was killed; `gone`: seconds until the processes of a stopped group
    were gone."""

    home: object
    code: int = -1
    killed: int = 0
    printed: str = ""
    heard: dict = field(default_factory=dict)
    gone: list = field(default_factory=list)

    def look(self, sweep):
        """Notes the sockets of every process of the sweep that is there now."""
        table = listening()
        for process in tree_of(sweep.pid):
            with suppress(psutil.NoSuchProcess):
                places, line = listening_of(process.pid, table), " ".join(process.cmdline())
                if places and line:  # one that ends has no line any more
                    self.heard.setdefault((line, process.pid), set()).update(places)


@pytest.fixture(scope="session")
def grouped(tmp_path_factory, empty_store):
    """Two trials one after the other, each in a group of two, on the CPUs of one group. A worker of the first is killed
    after an epoch; the second is stopped."""
    folder = tmp_path_factory.mktemp("grouped")
    home = new_home(folder, empty_store)
    (home / "space.yaml").write_text(SPACE)
    line = launch(home, "grouped", "--workers", "2", "--trials", "2", "--epochs", "20", "--keep", "best")
    line[line.index("graformer")] = str(home / "space.yaml")
    line += ["--concurrent", "1", "--cpus-per-worker", "0.5"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    seen = Grouped(home)
    # A process of its own: its name is looked at.
    with subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**environment, "HOME": str(folder)},
    ) as sweep:  # fmt: skip

        def keep_looking():
            while sweep.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    seen.look(sweep)
                time.sleep(4)

        watcher = threading.Thread(target=keep_looking)
        watcher.start()
        for printed in sweep.stdout:
            seen.printed += printed
            if "trial 0 starts:" in printed:
                wait_for(lambda: "trial 0 epoch 1/" in logged(home, "grouped"))
                seen.killed = min(group_workers(sweep.pid))
                os.kill(seen.killed, signal.SIGKILL)
            if "pruned" in printed and "after epoch" in printed:
                workers, stopped_at = group_workers(sweep.pid), time.monotonic()
                wait_for(lambda old=workers: not any(map(psutil.pid_exists, old)), 60)
                seen.gone.append(time.monotonic() - stopped_at)
        seen.code = sweep.wait(LIMIT_S)
        watcher.join()
    return seen


def group_workers(pid):
    """Processes of the worker groups below a process."""
    found = set()
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "RayTrainWorker" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found
