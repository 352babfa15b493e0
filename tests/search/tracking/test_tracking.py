"""One contract for both trackers, and the addresses of stores."""

import contextlib
import math
import os
import shutil
import subprocess
import sys
import threading

import pytest

from search.environment.store import artifact_root, environment, redacted, resolve_uri
from spaces.errors import ConfigError
from tests import ROOT
from tests.made.records import Killed, Mortal, made_sweep, send
from tests.search.tracking.seen import seen

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from search.tracking.memory import MemoryRun, MemoryTracker  # noqa: E402
from search.tracking.mlflow_tracker import MlflowTracker  # noqa: E402
from search.tracking.tracker import DeletedExperiment  # noqa: E402

# mlflow 3.17 declares its tables with a loader that sqlalchemy 2.1 deprecates; it says so once, at the first client.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def database(tmp_path_factory, empty_store):
    """The one MLflow database of this file."""
    root = tmp_path_factory.mktemp("a root")
    uri = resolve_uri("sqlite:///runs/mlflow.db", root)
    (root / "runs").mkdir()
    shutil.copy(empty_store, root / "runs" / "mlflow.db")
    return MlflowTracker(uri, artifact_root(uri, root)), MlflowClient(uri), root


@pytest.fixture(params=["memory", "mlflow"])
def tracker(request):
    return MemoryTracker() if request.param == "memory" else request.getfixturevalue("database")[0]


def new_run(tracker, request) -> str:
    return tracker.make_run("contract", "a run", None, 1000, {"test": request.node.name})


def test_a_run_is_found_by_all_its_tags(tracker, request):
    key = {"test": request.node.name, "trial": "1"}
    assert tracker.find_run("contract", key) is None
    parent = tracker.make_run("contract", "parent", None, 500, {**key, "trial": "0"})
    child = tracker.make_run("contract", "child", parent, 1000, {**key, "loss": math.nan, "flip": True})
    assert child != parent
    assert tracker.find_run("contract", key) == child
    assert tracker.find_run("another experiment", key) is None
    found = seen(tracker, child)
    assert (found.experiment, found.name, found.parent_id) == ("contract", "child", parent)
    assert (found.start_ms, found.status, found.tags) == (1000, "RUNNING", {**key, "loss": "nan", "flip": "true"})


def test_runs_are_found_with_their_tags_however_many(tracker, request, monkeypatch):
    monkeypatch.setattr("search.tracking.mlflow_tracker.RUNS_PER_PAGE", 2)
    key = {"test": request.node.name}
    assert tracker.find_runs("contract", key) == {}
    made = {tracker.make_run("contract", "a run", None, 1000, {**key, "trial": str(n)}): str(n) for n in range(5)}
    tracker.make_run("contract", "a run", None, 1000, {"test": "another"})
    assert {run_id: tags["trial"] for run_id, tags in tracker.find_runs("contract", key).items()} == made
    assert tracker.find_runs("another experiment", key) == {}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "SCHEDULED"])
def test_an_ended_run_goes_on_when_it_is_reopened_but_not_when_it_is_found(tracker, request, status):
    run_id = new_run(tracker, request)
    tracker.write(run_id, end=(status, 2000))
    tracker.find_run("contract", {"test": request.node.name})
    assert (seen(tracker, run_id).status, seen(tracker, run_id).end_ms) == (status, 2000)
    tracker.reopen(run_id)
    assert (seen(tracker, run_id).status, seen(tracker, run_id).end_ms) == ("RUNNING", 2000)


def test_what_is_written_together_is_all_there(tracker, request):
    with tracker.together():
        run_id = new_run(tracker, request)
        other = tracker.make_run("contract", "another", None, 1000, {"test": request.node.name, "trial": "2"})
        for _ in range(2):
            points = [(1, 1000, {"loss": 0.5, "lr": math.nan})]
            tracker.write(run_id, {"optim.lr": 1}, {"state": "x"}, points, ("FINISHED", 2000))
        tracker.write(run_id, tags={"state": "y"}, points=[(1, 1000, {"loss": 0.5}), (2, 1001, {"loss": 0.25})])
        tracker.write(other, points=[(1, 1000, {"loss": 0.75})])
        tracker.reopen(other)
    tracker.text(run_id, "text", "config.yaml")
    found = seen(tracker, run_id)
    assert (found.status, found.end_ms, found.params) == ("FINISHED", 2000, {"optim.lr": "1"})
    assert found.points == {"loss": [(1, 1000, 0.5), (2, 1001, 0.25)]}
    assert found.tags == {"test": request.node.name, "state": "y", "non_finite": "lr = nan at step 1"}
    assert found.files == {"config.yaml": b"text"}
    assert seen(tracker, other).points == {"loss": [(1, 1000, 0.75)]}


def test_of_what_goes_wrong_together_a_database_keeps_nothing(database, request):
    tracker, _, _ = database
    before, made = new_run(tracker, request), ""
    with contextlib.suppress(MlflowException), tracker.together():
        tracker.write(before, tags={"state": "x"}, points=[(1, 1000, {"loss": 0.5})])
        made = tracker.make_run("contract", "made", None, 1000, {"test": request.node.name, "trial": "1"})
        tracker.write("no-such-run", tags={"state": "x"})
        pytest.fail("a run that is not there was written to")
    assert (seen(tracker, before).points, seen(tracker, before).tags) == ({}, {"test": request.node.name})
    assert made
    assert made not in tracker.find_runs("contract", {"test": request.node.name})
    tracker.write(before, points=[(1, 1000, {"loss": 0.5})])
    assert seen(tracker, before).points == {"loss": [(1, 1000, 0.5)]}


def test_others_use_the_database_while_calls_are_made_together(database, request):
    tracker, client, _ = database
    run_id = new_run(tracker, request)
    names: list[str] = []
    with tracker.together():
        tracker.write(run_id, tags={"state": "x"})
        other = threading.Thread(target=lambda: names.append(client.get_run(run_id).data.tags.get("state", "")))
        other.start()
        other.join(10.0)
    assert names == [""]
    assert seen(tracker, run_id).tags["state"] == "x"


def test_params_are_spelled_as_the_command_line_reads_them(tracker, request):
    run_id = new_run(tracker, request)
    values = {
        "optim.lr": 1e-05,
        "data.flip": True,
        "data.subset": None,
        "data.actions": ["Walking 1", "Eating"],
        "x": "",
    }
    tracker.write(run_id, values)
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
    tracker.write(run_id, {f"knob.{number}": number for number in range(250)})
    tracker.write(run_id, {"long": "x" * 7000, "joints[0]": 1, "/a//../b": 2})
    params = seen(tracker, run_id).params
    assert len(params) == 253
    assert params["long"] == "x" * 5997 + "..."
    assert (params["joints:5b:0:5d:"], params[":2f:a:2f:/:2e:./b"]) == ("1", "2")


def test_params_may_be_repeated_but_not_changed(tracker, request):
    run_id = new_run(tracker, request)
    tracker.write(run_id, {"optim.lr": 1e-05})
    tracker.write(run_id, {"optim.lr": 1e-05, "optim.clip": 1.0})
    with pytest.raises(Exception, match=r"optim\.lr"):
        tracker.write(run_id, {"optim.lr": 2e-05})
    assert seen(tracker, run_id).params == {"optim.lr": "1e-05", "optim.clip": "1.0"}


def test_a_point_logged_twice_is_there_once(tracker, request):
    run_id = new_run(tracker, request)
    points = [(epoch, 1000 + epoch, {"val/mpjpe_mm": 50.0 - epoch, "lr": 1e-05}) for epoch in range(1, 4)]
    tracker.write(run_id, points=points[:2])
    tracker.write(run_id, points=points)
    assert seen(tracker, run_id).points == {
        "val/mpjpe_mm": [(1, 1001, 49.0), (2, 1002, 48.0), (3, 1003, 47.0)],
        "lr": [(1, 1001, 1e-05), (2, 1002, 1e-05), (3, 1003, 1e-05)],
    }


def test_more_points_than_one_call_takes_arrive(tracker, request):
    run_id = new_run(tracker, request)
    tracker.write(
        run_id, points=[(epoch, epoch, {"loss": 1.0 / epoch, "lr": 0.1, "seconds": 2.0}) for epoch in range(1, 401)]
    )
    assert [len(found) for found in seen(tracker, run_id).points.values()] == [400, 400, 400]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_becomes_a_tag(tracker, request, value):
    run_id = new_run(tracker, request)
    tracker.write(run_id, points=[(3, 1000, {"loss": value, "lr": 0.1})])
    assert seen(tracker, run_id).points == {"lr": [(3, 1000, 0.1)]}
    assert seen(tracker, run_id).tags["non_finite"] == f"loss = {value} at step 3"


def test_the_last_point_that_is_not_finite_is_named_however_many_come_together(tracker, request):
    run_id = new_run(tracker, request)
    points = [(step, 1000, {"loss": math.nan, "lr": math.inf}) for step in (3, 4)]
    tracker.write(run_id, points=[*points, (5, 1000, {"loss": 0.5})])
    assert seen(tracker, run_id).tags["non_finite"] == "loss = nan at step 4, lr = inf at step 4"


def test_the_last_tag_stands_and_shows_no_password(tracker, request):
    run_id = new_run(tracker, request)
    tracker.write(run_id, tags={"state": "running", "reason": "", "long": "x" * 9000})
    tracker.write(run_id, tags={"state": "finished", "command": "launch --tracking-uri http://me:hush@host:5000 -v"})
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
        tracker.write("no-such-run", **{call: {"a": 1}})


def test_artifacts_lie_beside_the_database(database):
    tracker, _, root = database
    run_id = tracker.make_run("placed", "a run", None, 0, {"test": "placed"})
    tracker.text(run_id, "x", "config.yaml")
    assert (root / "runs" / "mlflow.db").is_file()
    assert (root / "runs" / "artifacts" / "placed" / run_id / "artifacts" / "config.yaml").is_file()


def test_a_deleted_experiment_is_told_and_restored_with_its_runs(database):
    tracker, client, _ = database
    run_id = tracker.make_run("gone", "a run", None, 0, {"test": "gone"})
    assert not tracker.restore("gone")
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(DeletedExperiment, match="MLflow experiment gone: is deleted and takes no runs"):
        tracker.make_run("gone", "a run", None, 0, {"test": "gone"})
    assert tracker.restore("gone")
    assert tracker.find_run("gone", {"test": "gone"}) == run_id
    assert not tracker.restore("never made")


def test_the_runs_of_one_sweep_are_marked_as_deleted_and_no_others(database):
    tracker, client, _ = database
    ours = [tracker.make_run("erased", name, None, 0, {"sweep_id": "a", "trial": name}) for name in "xyz"]
    other = tracker.make_run("erased", "w", None, 0, {"sweep_id": "b"})
    assert tracker.delete("erased", {"sweep_id": "a"}) == 3
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in ours} == {"deleted"}
    assert client.get_run(other).info.lifecycle_stage == "active"
    assert tracker.delete("erased", {"sweep_id": "a"}) == 0
    assert tracker.delete("never made", {"sweep_id": "a"}) == 0


def test_mlflow_holds_what_memory_holds_even_after_a_replay(tmp_path, database, monkeypatch):
    journal, memory = made_sweep(tmp_path / "s1"), MemoryTracker()
    journal.unlock()
    send(journal, memory)
    (tmp_path / "s1" / "mlflow.offset").unlink()
    for most, calls in ((1, 30), (400, 9)):
        with monkeypatch.context() as patch:
            patch.setattr("search.tracking.spool.MOST_SENT", most)
            with pytest.raises(Killed):
                send(journal, Mortal(database[0], calls))
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
