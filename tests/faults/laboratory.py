"""A folder with a sweep, the processes that run it, and MLflow's server before its store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from search.record.journal import FILE
from tests.faults.kill_and_resume import LINE, ROOT
from tests.made import warm

MARK = "POSESWEEP_FAULTS"
LIMIT_S = 300  # of a command until its end


class Server:
    """MLflow's server before the store of a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        store = f"sqlite:///{folder}/mlflow.db"
        self._line = [*LINE, "ui", "--serve", "--port", str(self.port), "--tracking-uri", store]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            time.sleep(0.2)
        raise TimeoutError("MLflow's server does not come up")

    def signal(self, number: int) -> None:
        """Sends a signal to the server and all that it has started."""
        whole = psutil.Process(self._process.pid)
        for process in [whole, *whole.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def stop(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()


class Laboratory:
    """A folder with a sweep, and the process that runs it. All that descends from it carries a mark, or has a file of
    its Ray open, which is in the folder: a process that sets its title may write it over its environment. `is_warm`:
    it is a copy of one that has imported everything."""

    def __init__(self, folder: Path, *, has_server: bool, is_warm: bool = False) -> None:
        self.folder = folder
        self.is_warm = is_warm
        self.server = Server(folder) if has_server else None
        self.uri = self.server.uri if self.server else f"sqlite:///{folder}/mlflow.db"
        self.journal = folder / "sweeps" / "killed" / FILE
        self.mark = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | warm.Started | None = None
        self.told = b""
        self.is_small = self._mount()

    def _mount(self) -> bool:
        place = self.folder / "sweeps"
        place.mkdir()
        line = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
        return subprocess.run(line, capture_output=True, check=False).returncode == 0

    def line(self, verb: str, *more: str) -> list[str]:
        """The command line of a verb for this sweep."""
        return [*LINE, verb, "killed", *more, "--storage", str(self.folder / "sweeps"), "--tracking-uri", self.uri]

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
        if self.is_small:
            subprocess.run(["umount", "-l", str(self.folder / "sweeps")], check=False)

    def run(self, line: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command, of any folder, undisturbed to its end."""
        if self.is_warm:
            done = warm.run(line[1:], os.environ, None)
        else:
            done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, line: list[str]) -> None:
        self.told = b""
        environment = {**os.environ, MARK: self.mark, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(self.folder)}
        if self.is_warm:
            (self.folder / "log").write_bytes(b"")
            self.process = warm.Started(line[1:], environment, self.folder / "log")
            return
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            line, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            # A shell starts what runs in the background with Ctrl-C ignored, and so may have started this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Waits for the process to end; returns its exit code, -1 if it does not."""
        assert self.process is not None, "nothing was started"
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return -1

    def signal(self, number: int) -> None:
        if self.is_running and self.process is not None:
            os.kill(self.process.pid, number)

    def alive(self) -> list[int]:
        return list(self.marked())

    def marked(self) -> dict[int, str]:
        """Number -> command line of every process of the sweep."""
        return dict(self._marked())

    def named(self, *words: str) -> list[int]:
        """Processes of the sweep whose command line has one of the words."""
        return [pid for pid, line in self._marked() if any(word in line for word in words)]

    def _marked(self) -> Iterator[tuple[int, str]]:
        for place in Path("/proc").iterdir():
            try:
                if place.name.isdigit() and self._is_ours(place):
                    line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if (place / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                        yield int(place.name), line
            except OSError:
                continue

    def _is_ours(self, place: Path) -> bool:
        if f"{MARK}={self.mark}".encode() in (place / "environ").read_bytes():
            return True
        links = []
        for link in (place / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                links.append(os.readlink(link))
        return any(link.startswith(f"{self.folder}/ray/") for link in links)

    def under_way(self) -> bool:
        """Waits until the sweep records something; returns whether it does so before it ends."""
        before = self.journal.stat().st_size if self.journal.exists() else 0
        deadline = time.monotonic() + LIMIT_S
        while self.is_running and time.monotonic() < deadline:
            if self.journal.exists() and self.journal.stat().st_size > before:
                return True
            time.sleep(0.05)
        return False
