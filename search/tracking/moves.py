"""Artifact locations of a sqlite store whose folder was moved or copied."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

WAIT_S = 20.0  # for another program that writes, as long as MLflow itself waits


def follow_move(database: Path, artifact_root: Path) -> int:
    """Rewrites the artifact locations in the sqlite store at `database` to `artifact_root`, where a move or a copy of
    its folder left others, and returns the number of experiments changed.

    MLflow stores absolute locations, so a moved project would write to its old place and find no artifact. Changed are
    experiments whose location is a folder named `artifacts` and in it their name or number, as ours are, with their
    runs. Raises sqlite3.Error if the store cannot be read or written."""
    root = artifact_root.resolve().as_uri()
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT_S, isolation_level=None)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return 0
        moved = _moved(connection, root)
        if not moved:
            return 0
        with _transaction(connection):
            # Another process may have been faster.
            moved = _moved(connection, root)
            for experiment_id, old, new in moved:
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment_id)
                )
                connection.execute(
                    "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                    "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                    (new, len(old) + 1, experiment_id, len(old) + 1, f"{old}/"),
                )
    return len(moved)


def _moved(connection: sqlite3.Connection, root: str) -> list[tuple[int, str, str]]:
    """Lists the experiments whose artifacts belong to `root` and are located elsewhere: (id, old location, new one)."""
    found = []
    for experiment_id, name, location in connection.execute(
        "SELECT experiment_id, name, artifact_location FROM experiments"
    ):
        parts = (location or "").rsplit("/", 2)
        is_ours = len(parts) == 3 and parts[0].startswith("file:") and parts[1] == "artifacts"
        if not is_ours or parts[2] not in (_as_part(name), str(experiment_id)):
            continue
        new = f"{root}/{parts[2]}"
        if new != location:
            found.append((experiment_id, location, new))
    return found


def _as_part(name: str) -> str:
    """Quotes a name as `Path.as_uri` does."""
    return Path("/", name).as_uri().removeprefix("file:///")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
