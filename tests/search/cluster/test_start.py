"""A Ray of our own: its folder, its interpreter, a second start, and its death."""

import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.cluster import folders, guard, session
from search.cluster.folders import folder_problems, is_too_long, ray_folder, worker_environment
from spaces.errors import ConfigError


@pytest.fixture
def long_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    folder = tmp_path / ("a rather long folder of a batch system" * 2)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_sockets_that_would_be_too_long_lie_in_a_private_folder_that_is_removed(long_folder, monkeypatch, variable):
    monkeypatch.setenv(variable, str(long_folder))
    with ray_folder() as folder:
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        path = os.path.join(folder, folders.SOCKET)
        os.makedirs(os.path.dirname(path))
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)
    assert not os.path.exists(folder)
    assert os.listdir(long_folder) == []


def test_an_empty_variable_counts_as_none(monkeypatch):
    for name in folders.NAMES:
        monkeypatch.setenv(name, "")
    with folders.ray_folder() as folder:
        assert folder is None
        assert not set(folders.NAMES) & set(os.environ)


def test_a_short_folder_is_rays_own_choice(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    with ray_folder() as folder:
        assert folder is None


def test_the_longest_folder_that_is_not_too_long_takes_a_socket():
    with tempfile.TemporaryDirectory(dir="/tmp") as above, socket.socket(socket.AF_UNIX) as made:
        folder = Path(above)
        while not is_too_long(folder.with_name(folder.name + "x")):
            folder = folder.with_name(folder.name + "x")
        path = folder / "ray" / folders.SOCKET
        path.parent.mkdir(parents=True)
        try:
            made.bind(str(path))
        finally:
            shutil.rmtree(folder)


def test_without_any_short_folder_tmpdir_is_named(long_folder, monkeypatch):
    monkeypatch.setattr(folders, "SHORT", ("/proc/nowhere",))
    fault = "TMPDIR=.* is too long for the paths of sockets.*set RAY_TMPDIR"
    with pytest.raises(ConfigError, match=fault), ray_folder():
        pytest.fail("no folder could be made")


def test_a_folder_that_cannot_be_written_is_named(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere")
    assert folder_problems()[0].startswith("RAY_TMPDIR=/proc/nowhere cannot be written (")
    with pytest.raises(ConfigError, match="RAY_TMPDIR=/proc/nowhere"), ray_folder():
        pytest.fail("no folder could be made")


@pytest.mark.parametrize("path", ["/opt/python", "/my home/.venv/bin/python", "/a$(b)&c/python"])
def test_workers_get_the_interpreter_as_a_shell_reads_it(monkeypatch, path):
    monkeypatch.setattr(sys, "executable", path)
    line = worker_environment().get("py_executable", path)
    assert shlex.split(line) == [path]
    assert (line == path) == (path == "/opt/python")


def test_commands_are_quoted_for_ray_while_it_starts():
    words = ['/it\'s/a "b"/c\\d/python', "-u", "x y"]
    plain = subprocess.list2cmdline
    with folders.quoted_commands():
        assert shlex.split(subprocess.list2cmdline(words)) == words
    assert subprocess.list2cmdline is plain


def test_a_ray_that_comes_too_late_is_started_again_and_then_told(monkeypatch, capsys):
    starts = []

    monkeypatch.setattr(session, "tell_token", lambda **told: None)
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "lo")

    def start(*values, **named):
        starts.append(values)
        if len(starts) != 2:
            raise RuntimeError("the current node timed out\nduring startup")

    monkeypatch.setattr(session, "_start_once", start)
    session.start_own(1, 0, None)
    assert len(starts) == 2
    fault = "RuntimeError: the current node timed out during startup"
    assert capsys.readouterr().err == f"Ray did not start ({fault}); trying once more\n"
    with pytest.raises(ConfigError, match=f"did not start on this machine: {fault}; see what it lacks"):
        session.start_own(1, 0, None)
    assert len(starts) == 4


@pytest.fixture
def ray_of_ours(monkeypatch):
    """A stand-in for a Ray of our own: its servers are processes that sleep."""
    servers = {name: subprocess.Popen(["sleep", "60"]) for name in ("gcs_server", "raylet", "log_monitor")}
    processes = {name: [SimpleNamespace(process=process)] for name, process in servers.items()}
    node = SimpleNamespace(all_processes=processes)
    monkeypatch.setattr(guard.worker, "_global_node", node)
    monkeypatch.setattr(guard, "POLL_S", 0.02)
    yield servers
    for process in servers.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_the_death_of_a_server_of_ray_ends_the_process_with_the_last_words(ray_of_ours, monkeypatch, name):
    ended, said = threading.Event(), []

    def end(node, own, last_words):
        last_words()
        ended.set()
        ray_of_ours[name].poll()

    monkeypatch.setattr(guard, "_end", end)
    with guard.watched(said.append):
        assert not ended.wait(0.2)
        ray_of_ours["log_monitor"].kill()
        assert not ended.wait(0.2)
        ray_of_ours[name].kill()
        assert ended.wait(10.0)
    assert said[0] == f"Ray's {name} died (killed, or out of memory)"


def test_after_the_block_ray_may_end(ray_of_ours, monkeypatch):
    monkeypatch.setattr(guard, "_end", lambda *values: pytest.fail("it was to end"))
    with guard.watched(lambda fault: 1):
        pass
    for process in ray_of_ours.values():
        process.kill()
    for one in threading.enumerate():
        if one.name == "ray-guard":
            one.join(10.0)
            assert not one.is_alive()


def test_the_last_words_are_said_and_nothing_of_ray_is_left(tmp_path):
    code = """if True:
        import subprocess, sys
        from types import SimpleNamespace
        from search.cluster import guard, scratch
        worker = subprocess.Popen(["sleep", "60"], env={"RAY_RAYLET_PID": "4194305"})
        node = SimpleNamespace(kill_all_processes=lambda **how: print("servers end", flush=True))
        print(worker.pid, flush=True)
        with scratch.scratch_folder() as folder:
            (folder / "inside").mkdir()
            guard._end(node, {"raylet": SimpleNamespace(pid=4194305)}, lambda: (print("last words", flush=True), 3)[1])
    """
    line, environment = [sys.executable, "-c", code], {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    pid, *lines = done.stdout.split("\n")
    assert (done.returncode, lines) == (3, ["servers end", "last words", ""]), done.stderr
    assert not list(tmp_path.iterdir())
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            assert line.read() == b""  # ended, and nobody has asked for its exit code yet
    except FileNotFoundError:
        pass
