"""`submit`: a sweep as a job of a running Ray cluster; what is sent, what is refused, what comes back."""

import argparse
import dataclasses
import shlex
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.__main__ import VERBS
from search.cli.command import Where
from search.cli.places import folder_problems
from search.cli.runs.submit import ADDRESS, SPACE, check_submit, launch_words
from search.cluster import jobs
from search.record.provenance import code_revision
from spaces.cli import BAD_INPUT, FAILED, INTERRUPTED, OK
from spaces.errors import ConfigError
from spaces.space import read_space
from tests.made.commands import ROOT
from tests.made.sweeps import FOUR_POINTS, answer_of, files_below

GOOD = ["graformer", "--recipe", "small"]


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """The request of a `submit` line, in an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    parser = argparse.ArgumentParser()
    VERBS["submit"].add_options(parser)
    return lambda *words: check_submit(parser.parse_args([str(word) for word in words]))


# --- what is asked for


def test_a_submitted_line_is_the_launch_line_with_absolute_paths_and_a_name(checked, tmp_path):
    request = checked(
        *GOOD, "--trials", 3, "--epochs", 2, "--data-root", "sets", "--storage", "there", "--seed", 7,
        "--set", "optim.lr=1e-3", "--set", "data.actions=Walking,Sitting", "--tracking-uri", "sqlite:///x.db",
    )  # fmt: skip
    module, words = request.words[:3], list(request.words[3:])
    assert module == ("-m", "search", "launch")
    assert words.pop() == "--address=auto"
    assert words[0] == "graformer"
    assert {
        "--name=graformer-1", "--trials=3", "--epochs=2", "--seed=7", "--recipe=small", "--set=optim.lr=1e-3",
        "--set=data.actions=Walking,Sitting", f"--data-root={tmp_path}/sets", f"--storage={tmp_path}/there",
    } <= set(words)  # fmt: skip
    # The URI travels in the environment: lines are printed everywhere.
    assert not any("x.db" in word for word in words)
    assert request.tracking_uri == f"sqlite:///{tmp_path}/x.db"


def test_a_data_root_set_as_a_knob_is_made_absolute_too(checked, tmp_path):
    words = checked(*GOOD, "--set", "data.root=sets", "--data-root", "other").words
    assert f"--data-root={tmp_path}/sets" in words
    assert not any("data.root=" in word for word in words)


def test_every_option_of_launch_survives_the_way(checked):
    parser = argparse.ArgumentParser()
    VERBS["launch"].add_options(parser)
    line = (
        "graformer --data cmu --sampler random --scheduler none --objective val/p_mpjpe_mm --executor solo "
        "--concurrent 2 --cpus-per-worker 0.5 --gpus-per-worker 0 --time-budget 1h "
        "--from first --enqueue a.yaml --enqueue=-b.yaml --set optim.lr=-1 --name -x"
    )
    options = parser.parse_args(shlex.split(line.replace("--name -x", "--name=-x")))
    words = launch_words(options)
    assert vars(parser.parse_args(words)) == vars(options)


def test_a_space_of_ones_own_is_sent_along(checked, tmp_path):
    (tmp_path / "mine.yaml").write_text(FOUR_POINTS)
    request = checked("mine.yaml")
    assert request.words[3] == SPACE
    assert request.space == Path("mine.yaml")
    assert checked(*GOOD).space is None


def test_the_interpreter_is_ours_on_this_machine_and_the_nodes_own_elsewhere(checked):
    assert checked(*GOOD).address == ADDRESS
    assert checked(*GOOD).python == sys.executable
    elsewhere = checked(*GOOD, "--address", "https://192.0.2.77:8265")
    assert (elsewhere.is_here, elsewhere.python) == (False, "python")
    assert checked(*GOOD, "--python", "/opt/python").python == "/opt/python"


def test_all_problems_of_a_submission_come_at_once_and_nothing_is_sent(answer, tmp_path):
    before = files_below(tmp_path)
    line = "submit grafomer --sampler tpee --trials 0 --address 10.0.0.1:6379 --tracking-uri mlruns"
    code, out, err = answer(*line.split())
    assert (code, out) == (BAD_INPUT, "")
    for text in (
        "submit: 5 problems",
        "--address 10.0.0.1:6379: give the cluster's dashboard, e.g. http://127.0.0.1:8265",
        "--tracking-uri: mlruns is a folder of plain files",
        "did you mean graformer?",
        "sampler = tpee",
        "trials = 0",
    ):
        assert text in err
    assert files_below(tmp_path) == before


def test_a_cluster_that_is_not_there_is_told(answer, tmp_path):
    code, out, err = answer("submit", *GOOD, "--address", "http://127.0.0.1:9")
    assert (code, out) == (BAD_INPUT, "")
    assert err.startswith("--address http://127.0.0.1:9: no dashboard answers there; start the cluster (ray start")


# --- names


def test_two_that_leave_the_name_to_us_at_one_moment_get_two(checked, monkeypatch):
    one, other = checked(*GOOD), checked(*GOOD)
    assert (one.name, other.name) == ("graformer-1", "graformer-1")
    with jobs._reserved(one) as first, jobs._reserved(other) as second:
        assert (first.name, second.name) == ("graformer-1", "graformer-2")
        assert "--name=graformer-2" in second.words
        assert "--name=graformer-1" not in second.words
    # A job takes the folder that was made for it.
    assert folder_problems(one.storage / "graformer-1", "graformer-1", Where()) == []


def test_a_job_that_is_not_taken_leaves_its_name(checked):
    request = checked(*GOOD)
    with pytest.raises(RuntimeError), jobs._reserved(request):
        raise RuntimeError("no agent")
    assert not (request.storage / request.name).exists()
    named = checked(*GOOD, "--name", "mine")
    with jobs._reserved(named) as same:
        assert same is named
        assert not (named.storage / "mine").exists()


# --- what is sent


def test_the_copy_holds_the_code_and_no_data_runs_or_environment(tmp_path):
    (tmp_path / "below.yaml").write_text(FOUR_POINTS)
    (tmp_path / "space.yaml").write_text("include: below.yaml\nobjective: val/mpjpe_mm\n")
    jobs._stage(tmp_path / "copy", tmp_path / "space.yaml")
    joined = read_space(tmp_path / "space.yaml")
    assert dataclasses.replace(read_space(tmp_path / "copy" / SPACE), where=joined.where) == joined
    sent = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert {
        "search/__main__.py",
        "spaces/graformer.yaml",
        "trainables/engines/engine.py",
        "data/batches/poses.py",
        SPACE,
    } <= sent
    assert not [name for name in sent if name.startswith(("mlruns", ".venv", ".git/", "data/store")) or ".pyc" in name]


def test_without_git_the_copy_is_the_same(tmp_path, monkeypatch):
    known = set(jobs._files())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert known <= set(jobs._files())


def test_a_copy_that_is_too_large_names_the_largest_files(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_MIB", 0.01)
    with pytest.raises(ConfigError, match=r"is more than 0.01 MiB to send; largest: \S+ \(\d+ MiB\)"):
        jobs._stage(tmp_path / "copy", None)


class Refusing:
    """A client whose cluster has no agent for the first `times` tries."""

    def __init__(self, times):
        self.times, self.sent = times, None

    def submit_job(self, **sent):
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("Request failed with status code 500: No available agent to submit job.")
        self.sent = sent
        return "job-1"


def test_an_agent_that_comes_up_late_is_waited_for_and_one_that_never_does_is_told(checked, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)
    request = checked(*GOOD, "--tracking-uri", "http://me:secret@there:5000")
    client = Refusing(3)
    assert jobs._start(client, request, str(tmp_path)) == "job-1"
    assert client.sent["entrypoint"].startswith(f"{sys.executable} -m search launch graformer ")
    assert "secret" not in client.sent["entrypoint"]
    variables = client.sent["runtime_env"]["env_vars"]
    assert variables["MLFLOW_TRACKING_URI"] == "http://me:secret@there:5000"
    assert variables["POSESWEEP_HOME"] == str(ROOT)
    monkeypatch.setattr(jobs, "AGENT_S", -1.0)
    with pytest.raises(ConfigError, match="takes no jobs; another cluster on this machine may hold its port"):
        jobs._start(Refusing(3), request, str(tmp_path))


def test_a_job_is_told_its_revision(monkeypatch):
    monkeypatch.setenv("POSESWEEP_REVISION", "0123abcd+changes")
    assert code_revision() == "0123abcd+changes"


@pytest.mark.parametrize(
    ("status", "given", "code", "told"),
    [
        ("SUCCEEDED", 0, OK, ""),
        ("STOPPED", None, INTERRUPTED, ""),
        ("FAILED", BAD_INPUT, BAD_INPUT, ""),
        ("FAILED", -9, FAILED, ""),
        ("FAILED", None, FAILED, "job 7 failed: no runtime environment\n"),
    ],
)
def test_each_end_of_a_job_has_its_exit_code(capsys, status, given, code, told):
    info = SimpleNamespace(status=status, driver_exit_code=given, message=" no runtime environment ")
    assert jobs._outcome(SimpleNamespace(get_job_info=lambda job: info), "7") == code
    assert capsys.readouterr().err == told
