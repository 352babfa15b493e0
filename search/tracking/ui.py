"""`ui`: runs MLflow's own server over the tracking store until Ctrl-C."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spaces.cli import FAILED, OK

from ..cli.results.ui import SweepName, UiRequest
from ..environment.store import redacted, sqlite_path
from ..environment.variables import LOOPBACK, ROOT
from .moves import follow_move
from .pages.links import CHART, PATH, link, plain_address

APP, PAGES = "posesweep", "search.tracking.pages.start:app"
START_S = 120.0  # 12 s on a quiet machine, a minute on a busy one
STOP_S = 10.0
ANSWER_S = 5.0  # of a server that runs already
LOG_LINES = 20
EVERYWHERE = ("0.0.0.0", "::", "")
PRIVATE = ("10.*", "192.168.*", *(f"172.{number}.*" for number in range(16, 32)))


def ui(request: UiRequest) -> int:
    """Runs MLflow's server until Ctrl-C; returns the exit code: 1 if the server does not start or ends by itself.
    Starts none if the store is itself a server, which has a UI."""
    if request.journal is not None:
        return _optuna(request, request.journal)
    if request.uri.startswith("http"):
        print(f"the store in use is a server with a UI of its own: {redacted(request.uri)}")
        for line in server_lines(request):
            print(line)
        return OK
    database = sqlite_path(request.uri)
    if database is not None and database.exists():
        try:
            follow_move(database, request.artifacts)
        except sqlite3.Error as error:
            print(f"{database}: {error}; if it was moved, artifacts are sought in the old place", file=sys.stderr)
    url = f"http://{request.host}:{request.port}"
    print(f"starting MLflow over {redacted(request.uri)} ...", flush=True)
    # A plain `kill` must not leave the server behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryFile("w+") as log, _server(request, log) as server:
        if not _answers(f"http://{_reached(request.host)}:{request.port}/health", server):
            return _told(log, f"MLflow did not start on {url}")
        print(f"MLflow UI: {url}   (Ctrl-C ends it)", flush=True)
        print("\n".join(sweep_lines(f"http://{_reached(request.host)}:{request.port}", request.sweeps)), flush=True)
        print(
            f"answers to {', '.join(answered(request))}; another name of this machine: --allowed-host NAME", flush=True
        )
        if not request.is_private:
            print(_warning(request), file=sys.stderr, flush=True)
        if request.is_shared:
            print(_advice(request, url), flush=True)
        server.wait()
        return _told(log, "MLflow's server has ended")


def _optuna(request: UiRequest, journal: Path) -> int:
    """Runs Optuna's dashboard over the study of a sweep until Ctrl-C."""
    # Its package need not be there for MLflow's UI.
    writer, dashboard = (importlib.import_module(f"{__package__}.studies.{name}") for name in ("writer", "dashboard"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with dashboard.served(writer.refresh(journal), answered(request), request.host, request.port) as server:
        url = f"http://{request.host}:{request.port}"
        print(f"Optuna's dashboard: {url}/dashboard/studies/0   (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return OK


@contextmanager
def _server(request: UiRequest, log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    place = ["--host", request.host, "--port", str(request.port), "--workers", "2" if request.is_shared else "1"]
    place += ["--app-name", APP]
    environment = {
        **os.environ,
        # In the environment and not on the line: a database's password would show in the list of processes.
        "MLFLOW_BACKEND_STORE_URI": request.uri,
        "MLFLOW_ARTIFACTS_DESTINATION": request.artifacts.as_uri(),
        # Ten more processes that nobody here has work for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **host_variables(request),
    }
    with _plain_python() as python, _plugin() as plugin:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [plugin, os.environ.get("PYTHONPATH")]))
        # A session of its own: Ctrl-C reaches us alone, and we end the server with all its workers.
        server = subprocess.Popen(
            [python, "-m", "mlflow", "server", *place],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield server
        finally:
            _end(server)


@contextmanager
def _plugin() -> Iterator[str]:
    """Yields a folder in which MLflow finds our start pages as an application of its server; such plug-ins are those of
    installed packages, and ours need not be one."""
    with tempfile.TemporaryDirectory(prefix="posesweep-") as folder:
        about = Path(folder, f"{APP}_pages-0.dist-info")
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {APP}-pages\nVersion: 0\n")
        (about / "entry_points.txt").write_text(f"[mlflow.app]\n{APP} = {PAGES}\n")
        yield folder


@contextmanager
def _plain_python() -> Iterator[str]:
    """Yields a path of this interpreter without '%' in it, through a link to its environment where need be: MLflow does
    not open databases where its own package lies below a folder with a '%' in its name."""
    if "%" not in sys.prefix:
        yield sys.executable
        return
    with tempfile.TemporaryDirectory(prefix="posesweep-") as folder:
        link = Path(folder, "environment")
        link.symlink_to(sys.prefix)
        yield str(link / Path(sys.executable).relative_to(sys.prefix))


def _end(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(STOP_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _reached(host: str) -> str:
    return LOOPBACK if host in EVERYWHERE else host


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    return False


def sweep_lines(url: str, found: Iterable[SweepName]) -> list[str]:
    """Formats the links of sweeps in a server of ours at `url`: trials and charts of each, and the page of all."""
    lines = [
        f"sweep {one.name}: trials {url}{link(one.name, one.id)}   charts {url}{link(one.name, one.id, CHART)}"
        for one in found
    ]
    return [*lines, f"all sweeps: {url}{PATH}"]


def server_lines(request: UiRequest) -> list[str]:
    """Formats the links of sweeps in a server that runs already: as `sweep_lines` where it has our start pages, else
    the runs of each sweep, for which MLflow's own address must do."""
    url = request.uri.rstrip("/")
    if _read(f"{url}{PATH}"):
        return sweep_lines(redacted(url), request.sweeps)
    lines = []
    for one in request.sweeps:
        query = urllib.parse.urlencode({"experiment_name": one.model})
        if found := _read(f"{url}/api/2.0/mlflow/experiments/get-by-name?{query}"):
            number = json.loads(found)["experiment"]["experiment_id"]
            lines.append(f"sweep {one.name}: {redacted(url)}{plain_address(number, one.id)}")
    return lines


def _read(url: str) -> bytes:
    """Reads what a server answers; b"" if it does not, or refuses."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as reply:
            content: bytes = reply.read()
            return content
    except (OSError, ValueError):
        return b""


def _told(log: IO[str], what: str) -> int:
    log.seek(0)
    lines = redacted(log.read()).splitlines()[-LOG_LINES:]
    print("\n".join([f"{what}; its last words:", *lines]), file=sys.stderr)
    return FAILED


def answered(request: UiRequest) -> list[str]:
    """Lists the host names that the server answers to, as a URL has them. Of an address that stands for all of this
    machine's, those of private networks are allowed, as MLflow's own list has them."""
    own = list(PRIVATE) if request.host in EVERYWHERE else [request.host]
    return list(dict.fromkeys(["localhost", LOOPBACK, *own, *request.names]))


def host_variables(request: UiRequest) -> dict[str, str]:
    """Returns MLflow's variables for the names that it answers to. It takes a browser's changes, and a search is one,
    only from pages of origins that are listed, its own page included. What the user has set is kept and added to."""
    names = answered(request)
    called = [*names, *(f"{name}:*" for name in names if not name.endswith("*"))]
    pages = [f"{scheme}://{name}" for name in names if not name.endswith("*") for scheme in ("http", "https")]
    origins = [origin for page in pages for origin in (page, f"{page}:{request.port}")]
    lists = {"MLFLOW_SERVER_ALLOWED_HOSTS": called, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": origins}
    return {variable: ",".join([*filter(None, [os.environ.get(variable)]), *own]) for variable, own in lists.items()}


def _warning(request: UiRequest) -> str:
    return (
        f"warning: it listens on {request.host}, not only for this machine, and asks no passwords: "
        f"whoever reaches port {request.port} reads and writes every run; keep it in a private network"
    )


def _advice(request: UiRequest, url: str) -> str:
    lines = [f"sweeps write to it with --tracking-uri {url}"]
    if request.is_private:
        lines.append(f"from another machine: ssh -L {request.port}:{LOOPBACK}:{request.port} THIS_MACHINE")
    return "\n".join(lines)
