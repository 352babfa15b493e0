"""One contract for both trackers, and the addresses of stores."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.environment.store import artifact_root, environment, redacted, resolve_uri
from spaces.errors import ConfigError
from tests import ROOT
from tests.made.records import Killed, Mortal, made_sweep, send

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from mlflow import MlflowClient  # noqa: E402

from search.tracking.memory import MemoryRun, MemoryTracker  # noqa: E402
from search.tracking.mlflow_tracker import MlflowTracker  # noqa: E402

# mlflow 3.17 declares its tables with a loader that sqlalchemy 2.1 deprecates; it says so once, at the first client.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """The one MLflow database of this file: making its tables takes seconds."""
    root = tmp_path_factory.mktemp("a root")
    uri = resolve_uri("sqlite:///runs/mlflow.db", root)
    return MlflowTracker(uri, artifact_root(uri, root)), MlflowClient(uri), root


@pytest.fixture(params=["memory", "mlflow"])
def tracker(request):
    return MemoryTracker() if request.param == "memory" else request.getfixturevalue("database")[0]


def seen(tracker, run_id) -> MemoryRun:
    """What a tracker holds of a run, read from MLflow by its own client."""
    if isinstance(tracker, MemoryTracker):
        return tracker.runs[run_id]
    client = tracker._client
    run = client.get_run(run_id)
    folder = Path(client._tracking_client._get_artifact_repo(run_id).artifact_dir)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    history = {key: client.get_metric_history(run_id, key) for key in run.data.metrics}
    return MemoryRun(
        experiment=client.get_experiment(run.info.experiment_id).name,
        name=run.info.run_name,
        parent_id=run.data.tags.get("mlflow.parentRunId"),
        start_ms=run.info.start_time,
        end_ms=run.info.end_time,
        status=run.info.status,
        tags=tags,
        params=run.data.params,
        points={key: sorted((m.step, m.timestamp, m.value) for m in found) for key, found in history.items()},
        files={str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()},
    )


def new_run(tracker, request) -> str:
    return tracker.open_run("contract", {"test": request.node.name}, "a run", None, 1000)


def test_a_run_is_made_once_and_found_by_all_its_tags(tracker, request):
    key = {"test": request.node.name, "trial": "1"}
    assert tracker.find_run("contract", key) is None
    parent = tracker.open_run("contract", {**key, "trial": "0"}, "parent", None, 500)
    child = tracker.open_run("contract", key, "child", parent, 1000)
    assert child != parent
    assert tracker.open_run("contract", key, "child", parent, 9000) == child
    assert tracker.find_run("contract", key) == child
    assert tracker.find_run("another experiment", key) is None
    found = seen(tracker, child)
    assert (found.experiment, found.name, found.parent_id) == ("contract", "child", parent)
    assert (found.start_ms, found.status, found.tags) == (1000, "RUNNING", key)


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_an_ended_run_goes_on_when_it_is_opened_but_not_when_it_is_found(tracker, request, status):
    run_id = new_run(tracker, request)
    tracker.close(run_id, status, 2000)
    tracker.find_run("contract", {"test": request.node.name})
    assert (seen(tracker, run_id).status, seen(tracker, run_id).end_ms) == (status, 2000)
    assert new_run(tracker, request) == run_id
    assert seen(tracker, run_id).status == "RUNNING"


def test_params_are_spelled_as_the_command_line_reads_them(tracker, request):
    run_id = new_run(tracker, request)
    values = {
        "optim.lr": 1e-05,
        "data.flip": True,
        "data.subset": None,
        "data.actions": ["Walking 1", "Eating"],
        "x": "",
    }
    tracker.params(run_id, values)
    spelled = {
        "optim.lr": "1e-05",
        "data.flip": "true",
        "data.subset": "none",
        "data.actions": "Walking 1,Eating",
        "x": "",
    }
    assert seen(tracker, run_id).params == spelled


def test_params_of_any_number_length_and_name_are_taken(tracker, request):
    run_id = new_run(tracker, request)
    tracker.params(run_id, {f"knob.{number}": number for number in range(250)})
    tracker.params(run_id, {"long": "x" * 7000, "joints[0]": 1, "/a//../b": 2})
    params = seen(tracker, run_id).params
    assert len(params) == 253
    assert params["long"] == "x" * 5997 + "..."
    assert (params["joints_0_"], params["a/b"]) == ("1", "2")


def test_params_may_be_repeated_but_not_changed(tracker, request):
    run_id = new_run(tracker, request)
    tracker.params(run_id, {"optim.lr": 1e-05})
    tracker.params(run_id, {"optim.lr": 1e-05, "optim.clip": 1.0})
    with pytest.raises(Exception, match=r"optim\.lr"):
        tracker.params(run_id, {"optim.lr": 2e-05})
    assert seen(tracker, run_id).params == {"optim.lr": "1e-05", "optim.clip": "1.0"}


def test_a_point_logged_twice_is_there_once(tracker, request):
    run_id = new_run(tracker, request)
    points = [(epoch, 1000 + epoch, {"val/mpjpe_mm": 50.0 - epoch, "lr": 1e-05}) for epoch in range(1, 4)]
    tracker.log(run_id, points[:2])
    tracker.log(run_id, points)
    assert seen(tracker, run_id).points == {
        "val/mpjpe_mm": [(1, 1001, 49.0), (2, 1002, 48.0), (3, 1003, 47.0)],
        "lr": [(1, 1001, 1e-05), (2, 1002, 1e-05), (3, 1003, 1e-05)],
    }


def test_more_points_than_one_call_takes_arrive(tracker, request):
    run_id = new_run(tracker, request)
    tracker.log(run_id, [(epoch, epoch, {"loss": 1.0 / epoch, "lr": 0.1, "seconds": 2.0}) for epoch in range(1, 401)])
    assert [len(found) for found in seen(tracker, run_id).points.values()] == [400, 400, 400]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_becomes_a_tag(tracker, request, value):
    run_id = new_run(tracker, request)
    tracker.log(run_id, [(3, 1000, {"loss": value, "lr": 0.1})])
    assert seen(tracker, run_id).points == {"lr": [(3, 1000, 0.1)]}
    assert seen(tracker, run_id).tags["non_finite"] == f"loss = {value} at step 3"


def test_the_last_tag_stands_and_shows_no_password(tracker, request):
    run_id = new_run(tracker, request)
    tracker.tags(run_id, {"state": "running", "reason": "", "long": "x" * 9000})
    tracker.tags(run_id, {"state": "finished", "command": "launch --tracking-uri http://me:hush@host:5000 -v"})
    tags = seen(tracker, run_id).tags
    assert (tags["state"], tags["reason"], len(tags["long"])) == ("finished", "", 8000)
    assert tags["command"] == "launch --tracking-uri http://me:***@host:5000 -v"


def test_files_are_kept_and_the_last_content_stands(tracker, request, tmp_path):
    run_id = new_run(tracker, request)
    (tmp_path / "best.safetensors").write_bytes(b"\0weights")
    tracker.text(run_id, "old", "config.yaml")
    tracker.text(run_id, "new", "config.yaml")
    tracker.artifact(run_id, tmp_path / "best.safetensors", "")
    tracker.artifact(run_id, tmp_path / "best.safetensors", "weights")
    files = seen(tracker, run_id).files
    assert files == {"config.yaml": b"new", "best.safetensors": b"\0weights", "weights/best.safetensors": b"\0weights"}


@pytest.mark.parametrize("call", ["params", "tags"])
def test_a_run_that_is_not_there_is_an_error(tracker, call):
    with pytest.raises(Exception, match="no-such-run"):
        getattr(tracker, call)("no-such-run", {"a": 1})


def test_artifacts_lie_beside_the_database(database):
    tracker, _, root = database
    run_id = tracker.open_run("placed", {"test": "placed"}, "a run", None, 0)
    tracker.text(run_id, "x", "config.yaml")
    assert (root / "runs" / "mlflow.db").is_file()
    assert (root / "runs" / "artifacts" / "placed" / run_id / "artifacts" / "config.yaml").is_file()


def test_a_deleted_experiment_says_how_to_restore_it(database):
    tracker, client, _ = database
    tracker.open_run("gone", {"test": "gone"}, "a run", None, 0)
    experiment_id = client.get_experiment_by_name("gone").experiment_id
    client.delete_experiment(experiment_id)
    with pytest.raises(ConfigError, match=f"mlflow experiments restore --experiment-id {experiment_id}"):
        tracker.open_run("gone", {"test": "gone"}, "a run", None, 0)


def test_mlflow_holds_what_memory_holds_even_after_a_replay(tmp_path, database):
    journal, memory = made_sweep(tmp_path / "s1"), MemoryTracker()
    journal.unlock()
    send(journal, memory)
    (tmp_path / "s1" / "mlflow.offset").unlink()
    half = Mortal(database[0], 30)
    with pytest.raises(Killed):
        send(journal, half)
    for _ in range(2):
        assert send(journal, database[0]).pending() == 0
        (tmp_path / "s1" / "mlflow.offset").unlink()
    for run_id, expected in memory.runs.items():
        found_id = database[0].find_run("graformer", {key: expected.tags[key] for key in _identity(expected)})
        found = seen(database[0], found_id)
        assert (found.parent_id is None) == (expected.parent_id is None), run_id
        found.parent_id = expected.parent_id
        assert found == expected
    assert len(database[1].search_runs([database[1].get_experiment_by_name("graformer").experiment_id])) == 4


def _identity(run: MemoryRun) -> list[str]:
    return ["sweep_id", "trial" if "trial" in run.tags else "role"]


# --- addresses -------------------------------------------------------------------------------------------------------


def test_the_store_is_the_option_then_the_environment_then_the_repository(tmp_path, monkeypatch):
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab:5000")
    assert resolve_uri(None, tmp_path) == "http://lab:5000"
    assert resolve_uri("sqlite:///x/y.db?timeout=5", tmp_path) == f"sqlite:///{tmp_path}/x/y.db?timeout=5"
    assert resolve_uri("sqlite:////x/y.db", tmp_path) == "sqlite:////x/y.db"
    assert resolve_uri("postgresql+psycopg2://u:p@db/mlflow", tmp_path) == "postgresql+psycopg2://u:p@db/mlflow"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("./mlruns", "folder of plain files"),
        ("file:///data/mlruns", "folder of plain files"),
        ("htp://lab:5000", "no such kind of store; known: sqlite, http"),
        ("http://", "names no host"),
        ("sqlite://", "names no database file"),
        ("sqlite:///", "names no database file"),
        ("sqlite:///:memory:", "names no database file"),
    ],
)
def test_a_store_that_cannot_work_is_refused(uri, fault, tmp_path):
    with pytest.raises(ConfigError, match=fault) as caught:
        resolve_uri(uri, tmp_path)
    assert caught.value.where == "--tracking-uri"


def test_passwords_are_not_shown():
    assert redacted("at postgresql://me:a@b:c@db:5432/x now") == "at postgresql://me:***@db:5432/x now"
    assert redacted("http://lab:5000/?a=1&token=abc&b=2") == "http://lab:5000/?a=1&token=***&b=2"
    assert redacted("http://lab:5000/me@home") == "http://lab:5000/me@home"


def test_the_spool_imports_no_mlflow():
    line = "import sys, search.tracking.spool; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], cwd=ROOT, check=False).returncode == 0
