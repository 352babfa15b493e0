"""The fork server: calls in processes of its own, workers that Ray asks for, and its end."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ray import UniqueID

from search.environment.variables import ROOT
from search.executors.workers import forks, recruit, server
from spaces.errors import ConfigError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
WORKER = "/ray/_private/workers/default_worker.py"


@pytest.fixture(scope="module")
def running():
    forks.begin()
    yield forks.running()
    forks.end()
    assert forks.running() is None


def has_ended(process):
    """Whether it ends within some seconds; who adopted it may never ask for its exit code."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def where(tell=None):
    """The process that calls this."""
    if tell is not None:
        tell("one")
        tell("two")
    return os.getpid(), os.getppid()


def draw():
    """Whether the server has loaded all, and two ids that Ray draws, in a thread and in this one."""
    ids = []
    thread = threading.Thread(target=lambda: ids.append(UniqueID.from_random().hex()))
    thread.start()
    thread.join()
    return server.OF_WORKERS[-1] in sys.modules, *ids, UniqueID.from_random().hex()


def refuse():
    raise ConfigError("here", ["a", "b"])


def test_a_call_runs_in_a_process_of_the_server_and_tells_its_lines(running):
    told = []
    with forks.calling() as called:
        process, parent = called(f"{__name__}:where", tell=told.append)
        assert (told, parent) == (["one", "two"], running._server.pid)
        assert process != os.getpid()
        assert called(f"{__name__}:where")[0] == process, "a block has one process"
    assert has_ended(process)


def test_what_a_call_raises_is_raised_here(running):
    with pytest.raises(ConfigError) as caught, forks.calling() as called:
        called(f"{__name__}:refuse")
    assert caught.value.problems == ("a", "b")


def test_without_a_server_a_function_is_called_here(monkeypatch):
    monkeypatch.setattr(forks, "_started", [])
    with forks.calling() as called:
        assert called(f"{__name__}:where")[0] == os.getpid()


def test_a_call_whose_process_is_killed_is_made_here(monkeypatch):
    monkeypatch.setattr(forks, "_started", [])
    forks.begin()
    with forks.calling() as called:
        os.kill(called(f"{__name__}:where")[0], signal.SIGKILL)
        assert called(f"{__name__}:where")[0] == os.getpid()
    assert forks.running() is None


def test_the_server_has_one_thread_and_no_process_that_has_ended(running):
    with forks.calling() as called:
        called(f"{__name__}:where")
    process = running._server.pid
    deadline = time.monotonic() + 20
    while (below := Path(f"/proc/{process}/task/{process}/children").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert below == ""
    assert len(list(Path(f"/proc/{process}/task").iterdir())) == 1


def test_workers_draw_ids_of_their_own(running):
    drawn = [(False, "", "")]
    deadline = time.monotonic() + 60
    while not drawn[-1][0] and time.monotonic() < deadline:
        with forks.calling() as called:
            drawn.append(called(f"{__name__}:draw"))
    with forks.calling() as called:
        drawn.append(called(f"{__name__}:draw"))
    assert [is_loaded for is_loaded, *_ in drawn[-2:]] == [True, True]
    assert len({one for _, *ids in drawn[-2:] for one in ids}) == 4


def test_the_servers_end_is_that_of_its_processes_and_its_folder():
    one = forks.Forks()
    with one.caller() as call:
        worker, server = call(f"{__name__}:where")
        assert server == one._server.pid
        assert one.folder.is_dir()
        one.end()
    assert has_ended(worker)
    assert has_ended(server)
    assert not one.folder.exists()


KILLED = f"""
import os
from search.executors.workers import forks
forks.begin()
folder = forks.running().folder
(folder / "data").write_bytes(b"1")
with forks.calling() as called:
    def tell(line):
        print(folder, flush=True)
        os.kill(os.getpid(), 9)
    called("{__name__}:where", tell=tell)
"""


def test_a_driver_that_is_killed_leaves_no_folder_and_no_word():
    """The pipes to it have ended once the server and its processes have."""
    run = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (run.returncode, run.stderr) == (-signal.SIGKILL, "")
    assert not Path(run.stdout.strip()).exists()


def test_an_answer_that_nobody_waits_for_is_no_error(capfd):
    ours, theirs = socket.socketpair()
    ours.sendall(recruit.framed(pickle.dumps((f"{__name__}:where", (), {}, False))))
    ours.close()
    process = os.fork()
    if not process:
        server._become(server.Order({recruit.CALLS: True}, theirs, []))
    theirs.close()
    assert os.waitpid(process, 0)[1] == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("context", "job", "is_plain"),
    [
        ({}, recruit.FIRST_JOB, True),
        ({"env_vars": {"A": "1"}, "py_executable": sys.executable, "java_jars": []}, recruit.FIRST_JOB, True),
        ({"py_executable": "/other/python"}, recruit.FIRST_JOB, False),
        ({"command_prefix": ["cd x &&"]}, recruit.FIRST_JOB, False),
        ({}, "02000000", False),
    ],
)
def test_workers_that_ask_for_more_than_variables_are_made_by_ray(monkeypatch, context, job, is_plain):
    monkeypatch.setenv(recruit.JOB, job)
    words = [WORKER, "--node-id=1", "--language=PYTHON", f"{recruit.CONTEXT}{json.dumps(context)}"]
    wanted = recruit.order(words)
    assert (wanted is not None) == is_plain
    if wanted is not None:
        assert wanted["words"] == [WORKER, "--node-id=1"]
        assert wanted["environment"].get("A") == context.get("env_vars", {}).get("A")
    assert recruit.plain_way(words) == [sys.executable, "/ray/_private/workers/setup_worker.py", *words]


def test_a_worker_of_another_language_is_made_by_ray(monkeypatch):
    monkeypatch.setenv(recruit.JOB, recruit.FIRST_JOB)
    assert recruit.order([WORKER, "--language=JAVA"]) is None


def test_where_no_server_answers_a_worker_is_made_by_ray(monkeypatch):
    monkeypatch.setenv(recruit.ADDRESS, "posesweep-nobody")
    assert not recruit.is_made({"words": []})
    monkeypatch.delenv(recruit.ADDRESS)
    assert not recruit.is_made({"words": []})


def test_the_libraries_that_the_server_loads_exist():
    for name in (*server.OF_CALLS, *server.OF_WORKERS):
        __import__(name)
