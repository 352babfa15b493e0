"""Stores that cannot be written: refused before anything starts."""

import contextlib
import os
import sqlite3

import pytest

from search.environment import store
from search.environment.store import check_tracking, store_problems
from spaces.errors import ConfigError


def test_a_store_that_can_be_written_has_no_problems(tmp_path):
    assert store_problems("http://there:5000") == []
    assert store_problems(f"sqlite:///{tmp_path}/new/folder/m.db") == []
    (tmp_path / "empty.db").touch()
    assert store_problems(f"sqlite:///{tmp_path}/empty.db") == []
    assert os.listdir(tmp_path) == ["empty.db"]


def test_a_store_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("this is no database, and longer than its header of a hundred bytes is" * 3)
    (tmp_path / "file").touch()
    for name, fault in (
        ("folder.db", "is no file; give --tracking-uri the path of one"),
        ("text.db", "cannot be read (file is not a database); restore it from a backup"),
        ("file/m.db", "cannot be written (Not a directory)"),
    ):
        (problem,) = store_problems(f"sqlite:///{tmp_path}/{name}")
        assert problem.startswith(f"{tmp_path}/{name} {fault}")
        with pytest.raises(ConfigError, match="MLflow's store"):
            check_tracking(f"sqlite:///{tmp_path}/{name}")


def test_a_folder_that_takes_no_files_is_refused(tmp_path):
    (problem,) = store_problems("sqlite:////proc/nowhere/m.db")
    assert problem.startswith("/proc/nowhere/m.db cannot be written (")


def test_a_database_that_may_only_be_read_is_refused(tmp_path, monkeypatch):
    database = tmp_path / "m.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    plain = sqlite3.connect
    # Rights do not bind who runs tests as root.
    monkeypatch.setattr(
        store.sqlite3, "connect", lambda path, **options: plain(f"file:{path}?mode=ro", uri=True, **options)
    )
    (problem,) = store_problems(f"sqlite:///{database}")
    assert problem == (
        f"{database} cannot be written (attempt to write a readonly database); change its rights, or give another "
        "--tracking-uri"
    )


def test_a_locked_database_is_waited_for_and_not_refused(tmp_path):
    database = tmp_path / "m.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("CREATE TABLE experiments (name TEXT)")
        other.execute("BEGIN EXCLUSIVE")
        assert store_problems(f"sqlite:///{database}") == []
