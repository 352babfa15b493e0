"""A store's folder that was moved or copied, and odd names of it: where artifacts and records go."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from search.environment.store import artifact_root, default_uri, environment, resolve_uri, sqlite_path, sqlite_uri
from spaces.errors import ConfigError
from tests import ROOT

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking.mlflow_tracker import MlflowTracker  # noqa: E402
from search.tracking.moves import follow_move  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

ODD = ("my%20project", "a?b", "a#b", "two words", "it's", "größe", "100%")


def opened(root):
    """The tracker of the default store of the project at `root`."""
    uri = default_uri(root)
    return MlflowTracker(uri, artifact_root(uri, root))


def new_project(root, empty_store):
    (root / "mlruns").mkdir(parents=True)
    shutil.copy(empty_store, root / "mlruns" / "mlflow.db")
    return root


def written(tracker, name, text):
    """A new run with an artifact; returns its id."""
    run_id = tracker.make_run("graformer", name, None, 0, {"test": name})
    tracker.text(run_id, text, "config.yaml")
    return run_id


def artifact_of(tracker, run_id):
    """Where MLflow finds the artifact of a run; its client would remember the first place of the id."""
    return Path(unquote(urlsplit(tracker._client.get_run(run_id).info.artifact_uri).path), "config.yaml")


def test_the_artifacts_of_a_moved_project_follow_it(tmp_path, empty_store):
    here, there = new_project(tmp_path / "here", empty_store), tmp_path / "there"
    old = written(opened(here), "old", "old")
    here.rename(there)
    tracker = opened(there)
    new = written(tracker, "new", "new")
    assert not here.exists()
    for run_id, text in ((old, "old"), (new, "new")):
        found = artifact_of(tracker, run_id)
        assert found.is_relative_to(there)
        assert found.read_text() == text
    tracker.text(old, "again", "config.yaml")
    assert artifact_of(tracker, old).read_text() == "again"
    assert not here.exists()


def test_a_copy_and_its_original_do_not_write_to_each_other(tmp_path, empty_store):
    first, second = new_project(tmp_path / "first", empty_store), tmp_path / "second"
    run_id = written(opened(first), "a", "first")
    shutil.copytree(first, second)
    opened(second).text(run_id, "second", "config.yaml")
    assert artifact_of(opened(first), run_id).read_text() == "first"
    assert artifact_of(opened(second), run_id).read_text() == "second"


def test_only_locations_of_our_own_are_rewritten(tmp_path):
    rows = [
        (0, "Default", "file:///old/mlruns/artifacts/0"),
        (1, "graformer", "file:///old/mlruns/artifacts/graformer"),
        (2, "a b", "file:///old/mlruns/artifacts/a%20b"),
        (3, "theirs", "s3://bucket/artifacts/theirs"),
        (4, "elsewhere", "file:///data/of/mine"),
        (5, "served", "mlflow-artifacts:/5"),
        (6, "here", (tmp_path / "artifacts" / "here").as_uri()),
    ]
    database = tmp_path / "m.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT)")
        connection.execute("CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER, artifact_uri TEXT)")
        connection.executemany("INSERT INTO experiments VALUES (?, ?, ?)", rows)
        runs = [(f"r{number}", number, f"{location}/r/artifacts") for number, _, location in rows]
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?)", [*runs, ("odd", 1, "file:///some/place/else")])
    connection.close()
    assert follow_move(database, tmp_path / "artifacts") == 3
    assert follow_move(database, tmp_path / "artifacts") == 0
    with sqlite3.connect(database) as connection:
        places = dict(connection.execute("SELECT name, artifact_location FROM experiments"))
        uris = dict(connection.execute("SELECT run_uuid, artifact_uri FROM runs"))
    connection.close()
    new = (tmp_path / "artifacts").as_uri()
    moved = {"Default": f"{new}/0", "graformer": f"{new}/graformer", "a b": f"{new}/a%20b"}
    assert places == {name: location for _, name, location in rows} | moved
    assert uris["r1"] == f"{new}/graformer/r/artifacts"
    assert (uris["r3"], uris["odd"]) == ("s3://bucket/artifacts/theirs/r/artifacts", "file:///some/place/else")


def test_a_file_without_tables_has_nothing_to_move(tmp_path):
    assert follow_move(tmp_path / "new.db", tmp_path) == 0


@pytest.mark.parametrize("name", ODD)
def test_a_store_below_an_odd_folder_is_the_file_there(tmp_path, empty_store, name):
    root = new_project(tmp_path / name, empty_store)
    run_id = written(opened(root), "a", "text")
    assert artifact_of(opened(root), run_id) == root / "mlruns/artifacts/graformer" / run_id / "artifacts/config.yaml"
    with sqlite3.connect(root / "mlruns/mlflow.db") as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [(run_id,)]
    connection.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_uri_names_the_file_that_it_was_made_for(tmp_path):
    for name in ODD:
        path = tmp_path / name / "m.db"
        assert sqlite_path(sqlite_uri(path)) == path
        assert resolve_uri(sqlite_uri(path), ROOT) == sqlite_uri(path)
    assert sqlite_uri(Path("/a b/m.db")) == "sqlite:////a b/m.db"
    assert sqlite_path(resolve_uri("sqlite:////a%20b/m.db", ROOT)) == Path("/a b/m.db")


def test_a_question_mark_in_a_typed_path_is_refused_with_its_spelling():
    with pytest.raises(ConfigError, match="'\\?' in the path of the file is written %3F"):
        resolve_uri("sqlite:////tmp/a?b/m.db", ROOT)


def test_mlflow_opens_a_new_store_where_its_package_lies_below_a_percent_sign(tmp_path):
    import mlflow

    packages = tmp_path / "my%20project" / "packages"
    packages.parent.mkdir()
    packages.symlink_to(Path(mlflow.__file__).parents[1])
    code = "import sys, mlflow; from pathlib import Path; from search.tracking.mlflow_tracker import MlflowTracker; "
    code += "assert '%' in mlflow.__file__; MlflowTracker('sqlite:///' + sys.argv[1], Path(sys.argv[1]).parent)"
    paths = os.pathsep.join([str(ROOT), str(packages)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "m.db")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.db").is_file()
