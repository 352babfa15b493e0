"""`submit` on a real cluster: a job that is left and stopped, and one that finds no data."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from search.record.provenance import code_revision
from spaces.cli import BAD_INPUT
from tests.made.commands import (
    LIMIT_S,
    ROOT,
    journal_of,
    launch,
    listening_below,
    logged,
    new_home,
    run,
    start,
    wait_for,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def _free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def cluster():
    """The dashboard of a head on loopback, with a token, on ports of its own; gone afterwards with all it started."""
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    # Ray's socket files have 107 characters for their path.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    line = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats",
        f"--temp-dir={folder}", *(f"--{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    variables = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    with open(Path(folder, "head.log"), "w") as log:
        head = subprocess.Popen(line, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + LIMIT_S / 4
        while head.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ports["dashboard-port"])) == 0:
                    break
            time.sleep(0.2)
        else:
            pytest.fail(Path(folder, "head.log").read_text()[-2000:])
        yield f"http://127.0.0.1:{ports['dashboard-port']}"
    finally:
        started = psutil.Process(head.pid).children(recursive=True)
        head.terminate()
        head.wait(20)
        for process in psutil.wait_procs(started, timeout=10)[1]:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


def submitted(home, name, cluster, *more):
    line = [*launch(home, name, *more), "--address", cluster]
    line[line.index("launch")] = "submit"
    return line


@dataclasses.dataclass
class Left:
    """A job that Ctrl-C has left, and that was stopped as told. `heard`: places where `submit` listened meanwhile;
    `told`: lines that it printed; `code`: its exit code; `stopped`: what stopping printed."""

    heard: set
    told: list
    code: int
    stopped: str


@pytest.fixture(scope="module")
def left(home, cluster):
    line, told = submitted(home, "left", cluster, "--trials", "1", "--epochs", "5000"), []
    with start(line, environment={**os.environ, "RAY_AUTH_TOKEN": TOKEN}) as started:
        for printed in started.stdout:
            told.append(printed.rstrip("\n"))
            if "trial 0 starts:" in printed:
                wait_for(lambda: "epoch 2/" in logged(home, "left"))
                heard = listening_below(started.pid)
                started.send_signal(signal.SIGINT)
                break
        told += started.stdout.read().splitlines()
        code = started.wait(LIMIT_S)
    stop = told[-2].partition("to stop it: ")[2]
    done = subprocess.run(
        stop, shell=True, cwd=ROOT, env={**os.environ, "RAY_AUTH_TOKEN": TOKEN}, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return Left(heard, told, code, done.stdout + done.stderr)


def test_a_submitted_sweep_runs_as_a_job_and_its_runs_are_in_mlflow(home, cluster, left):
    told = "\n".join(left.told)
    assert f"on {cluster}: sweep left in {home}/sweeps" in told
    assert "trial 0 starts: recipe small" in told
    assert TOKEN not in told
    journal = journal_of(home, "left")
    assert journal.trials[0].last_epoch >= 2
    assert journal.sweep.facts.revision == code_revision()
    # In a process of its own: MLflow's database layer warns on import, and here warnings are errors.
    code = (
        "import json, sys; from mlflow import MlflowClient; client = MlflowClient(sys.argv[1]); "
        "found = client.search_runs([client.get_experiment_by_name('graformer').experiment_id]); "
        "print(json.dumps([[r.info.status, r.data.tags.get('mlflow.parentRunId'), r.info.run_id] for r in found]))"
    )
    shown = run([sys.executable, "-c", code, f"sqlite:///{home}/mlflow.db"])
    runs = json.loads(shown.stdout.splitlines()[-1])
    (parent,) = [run_id for _, above, run_id in runs if above is None]
    assert [above for _, above, _ in runs if above] == [parent]
    assert {status for status, _, _ in runs} == {"KILLED"}


def test_the_exit_code_of_a_job_is_that_of_its_sweep(home, cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    done = run(submitted(home, "nowhere", cluster, "--set", f"data.root={home}/nowhere"))
    assert done.returncode == BAD_INPUT
    assert f"{home}/nowhere" in done.stdout
    assert not (home / "sweeps" / "nowhere").exists()


def test_a_wrong_token_is_wrong_input(home, cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN.replace("0", "1"))
    done = run(submitted(home, "stranger", cluster))
    assert (done.returncode, done.stdout) == (BAD_INPUT, "")
    assert "the cluster wants another token than this one" in done.stderr


def test_ctrl_c_leaves_the_job_and_says_how_to_follow_and_to_stop_it(home, cluster, left):
    assert (left.code, left.heard) == (130, set()), left.told  # it is a client
    ray = f"RAY_AUTH_MODE=token {Path(sys.executable).parent / 'ray'} job"
    assert left.told[-1].startswith(f"interrupted; go on with: {ray} logs --follow --address {cluster} raysubmit_")
    assert f"to stop it: {ray} stop " in left.told[-2]
    assert "was stopped" in left.stopped
    # In good order.
    assert journal_of(home, "left").close_reason == "interrupted"
