"""`doctor`: what it finds on this machine, in its packages, and on the nodes of a cluster."""

import importlib.metadata
import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from search.__main__ import VERBS
from search.doctor import checks, machine
from search.environment.variables import auth, pins
from spaces.cli import BAD_INPUT, FAILED, OK
from tests import ROOT
from tests.made.commands import LINE, run
from tests.made.small import write_tiny
from tests.made.sweeps import answer_of, files_below

TORCH = {
    "torch": "2.13.0+cpu", "cuda": None, "threads": 1,
    "devices": [{"device": "cpu", "name": "x86_64", "memory_gib": 23.5, "is_right": True, "seconds": 0.0}],
}  # fmt: skip


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def said(monkeypatch):
    """What the doctor's programs answer, by a word of their line: (exit code, stdout, stderr). Change it in a test."""
    answers = {
        "search.doctor.probe": (0, json.dumps(TORCH), ""),
        "search.tracking.mlflow_tracker": (0, "", ""),
        "describe": (0, json.dumps({"sets": [], "splits": []}), ""),
    }

    def run(line, limit_s, **variables):
        code, out, err = next(value for word, value in answers.items() if any(word in part for part in line))
        return subprocess.CompletedProcess(line, code, out, err)

    for module in (machine, checks):
        monkeypatch.setattr(module, "run_line", run)
    return answers


def findings(answer, *words):
    code, out, err = answer("doctor", "--json", *words)
    assert err == ""
    told = json.loads(out)
    assert (code == OK) == told["ok"] == all(row["state"] != "broken" for row in told["findings"])
    return {row["subject"]: row for row in told["findings"]}


def test_the_doctor_looks_at_everything_on_this_machine(answer, tmp_path):
    write_tiny(tmp_path / "store")
    code, out, err = answer("doctor", "--data-root", "store", "--storage", tmp_path, "--tracking-uri", "sqlite:///x.db")
    assert (code, err) == (OK, ""), out
    for text in (
        "ok       python: 3.",
        "ok       packages: torch",
        "ok       devices: ",
        "ok       threads: ",
        "x.db is not there yet; the first sweep makes it",
        f"GiB free for {tmp_path}",
        "ok       data set tiny: 3 subjects, 9 clips, 360 frames, 2D gt",
    ):
        assert text in out


def test_another_version_than_pinned_is_broken_and_a_local_build_is_not(answer, said, monkeypatch):
    real = importlib.metadata.version
    versions = {"ray": "2.59.0", "torch": f"{pins()['torch']}+cu130"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions.get(name) or real(name))
    found = findings(answer)
    assert found["package ray"]["found"] == f"2.59.0 is installed, requirements.txt pins {pins()['ray']}"
    assert "pip install -r requirements.txt" in found["package ray"]["remedy"]
    assert "package torch" not in found


def test_every_requirement_is_pinned_and_looked_at():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert len(pins()) == len(lines)
    assert pins()["ray"] == "2.60.0"


def test_a_torch_that_cannot_be_imported_is_a_finding(answer, said):
    said["search.doctor.probe"] = (1, "", "Traceback ...\nImportError: libcudart.so.13: no such file\n")
    found = findings(answer)["devices"]
    assert (found["state"], "libcudart.so.13" in found["found"]) == ("broken", True)


def test_a_device_that_multiplies_wrongly_is_broken(answer, said):
    wrong = TORCH | {"devices": [*TORCH["devices"], TORCH["devices"][0] | {"device": "cuda:0", "is_right": False}]}
    said["search.doctor.probe"] = (0, json.dumps(wrong), "")
    assert answer("doctor")[:2][0] == FAILED


def test_many_threads_are_a_warning(answer, said, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    found = findings(answer)["threads"]
    assert (found["state"], "unset it" in found["remedy"]) == ("warning", True)


def test_a_server_that_does_not_answer_is_broken_and_its_password_is_not_shown(answer, said):
    said["search.tracking.mlflow_tracker"] = (
        1,
        "",
        "mlflow.exceptions.MlflowException: http://me:secret@there:5000 refused\n",
    )
    code, out, _ = answer("doctor", "--tracking-uri", "http://me:secret@there:5000")
    assert code == FAILED
    assert "store: http://me:***@there:5000 does not answer" in out
    assert "secret" not in out


def test_a_wrong_address_of_the_store_is_wrong_input_as_an_option_and_a_finding_from_outside(answer, said, monkeypatch):
    assert answer("doctor", "--tracking-uri", "mlruns")[0] == BAD_INPUT
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    assert findings(answer)["store"]["state"] == "broken"


def test_a_store_that_cannot_be_written_is_broken(answer, said, tmp_path):
    (tmp_path / "folder.db").mkdir()
    found = findings(answer, "--tracking-uri", f"sqlite:///{tmp_path}/folder.db")["store"]
    assert (found["state"], found["found"]) == ("broken", f"{tmp_path}/folder.db is no file")
    assert "the path of one" in found["remedy"]


def test_the_folder_for_rays_sockets_is_looked_at(answer, said, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    assert findings(answer)["ray"]["state"] == "ok"
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long" * 20)))
    found = findings(answer)["ray"]
    assert (found["state"], "is too long for the paths of Ray's sockets" in found["found"]) == ("warning", True)
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere")
    found = findings(answer)["ray"]
    assert (found["state"], "RAY_TMPDIR=/proc/nowhere cannot be written" in found["found"]) == ("broken", True)


def test_a_database_on_a_network_disk_is_a_warning(answer, said, tmp_path, monkeypatch):
    (tmp_path / "mlflow.db").touch()
    monkeypatch.setattr(machine, "_file_system", lambda path: "nfs4")
    assert "lies on nfs4" in answer("doctor", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")[1]


def test_the_file_system_of_a_path_is_that_of_the_nearest_mount():
    assert machine._file_system(Path("/proc/self/status")) == "proc"


def test_missing_data_names_the_command_that_makes_it(answer, said):
    said["describe"] = (2, "", "store: holds no set: there is no data_3d_<set>.npz\n")
    found = findings(answer)["data"]
    assert found["state"] == "broken"
    assert "python -m data synth --root" in found["remedy"]


def test_a_split_without_all_its_subjects_is_a_warning(answer, said):
    parts = [{"split": "h36m", "part": "test", "missing": ["S9"]}, {"split": "h36m", "part": "train", "missing": []}]
    said["describe"] = (0, json.dumps({"sets": [], "splits": parts}), "")
    found = findings(answer)["split h36m"]
    assert (found["state"], found["found"]) == ("warning", "lacks S9")


@pytest.mark.parametrize(("free_gib", "state"), [(50, "ok"), (0.5, "warning"), (0.05, "broken")])
def test_a_disk_that_fills_up_is_told(answer, said, monkeypatch, free_gib, state):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free_gib * 2**30}))
    assert findings(answer)["disk"]["state"] == state


NODE = {
    "node": "0123abcd", "address": "10.0.0.2", "error": "", "host": "two", "python": None, "torch": TORCH,
    "torch_error": "", "shares_storage": True, "sets": ["data_3d_tiny.npz"], "executable": "/opt/bin/python",
}  # fmt: skip


def cluster_of(*nodes):
    whole = NODE | {"python": machine.platform.python_version(), "versions": pins()}
    return (0, json.dumps({"nodes": [whole | node for node in nodes], "cpus": 8.0, "gpus": 0.0}), "")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ({"error": "GetTimeoutError: no answer"}, "does not run a task: GetTimeoutError"),
        ({"python": "3.10.1"}, "python 3.10.1 instead of "),
        ({"versions": pins() | {"ray": None}}, "ray is missing instead of 2.60.0"),
        ({"torch": None, "torch_error": "no torch"}, "torch cannot be used: no torch"),
        ({"executable": "/my home/.venv/bin/python"}, "Ray starts no trials with an interpreter at /my home/"),
        ({"shares_storage": False}, "does not share "),
        ({"sets": []}, "lacks data_3d_tiny.npz"),
    ],
)
def test_a_node_that_differs_is_broken_and_named(answer, said, tmp_path, node, text):
    write_tiny(tmp_path / "store")
    said["search.doctor.nodes"] = cluster_of(node)
    words = ["doctor", "--address", "10.0.0.1:6379", "--storage", tmp_path, "--data-root", "store"]
    code, out, _ = answer(*words)
    assert code == FAILED
    assert "ok       cluster: 10.0.0.1:6379: 1 nodes, 8 CPU, 0 GPU" in out
    assert f"BROKEN   node 0123abcd at 10.0.0.2: {text}" in out
    said["search.doctor.nodes"] = cluster_of({})
    assert answer(*words)[0] == OK


def test_a_cluster_that_does_not_answer_is_broken(answer, said, tmp_path):
    said["search.doctor.nodes"] = (1, "", "no Ray cluster answers: [Errno 111] Connection refused\n")
    assert (
        "Connection refused" in findings(answer, "--address", "127.0.0.1:1", "--storage", tmp_path)["cluster"]["found"]
    )


def test_the_doctor_starts_a_ray_or_joins_one(answer):
    code, _, err = answer("doctor", "--ray", "--address", "auto")
    assert (code, "give one of them" in err) == (BAD_INPUT, True)


@pytest.mark.ray
def test_a_ray_of_our_own_runs_the_doctors_task_and_leaves_no_marker(tmp_path):
    write_tiny(tmp_path / "store")
    words = ["doctor", "--ray", "--json", "--storage", tmp_path / "sweeps", "--data-root", tmp_path / "store"]
    done = run([*LINE, *map(str, words)])
    assert done.returncode == OK, done.stdout + done.stderr
    rows = json.loads(done.stdout)["findings"]
    assert any(row["subject"].startswith("node ") and "shares" in row["found"] for row in rows)
    assert files_below(tmp_path / "sweeps") == {}


def test_a_token_turns_token_authentication_on(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    assert auth() == {}
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token")
    assert auth() == {"RAY_AUTH_MODE": "token"}
