"""`delete`: removes a sweep, with its copies at a URI, once the user agrees; marks its runs in MLflow as deleted."""

from __future__ import annotations

import sys

from spaces.cli import FAILED, OK
from spaces.errors import ConfigError, one_line
from spaces.files import size_below, size_text

from ..cli.upkeep.delete import DeleteRequest
from ..environment.store import artifact_root, check_tracking, redacted, resolve_uri, sqlite_path
from ..environment.variables import home
from ..executors.mirror import copies, discard_copies
from ..record.journal import FILE, Journal
from ..tracking.mlflow_tracker import MlflowTracker
from ..tracking.tracker import DeletedExperiment
from .clean import is_yes
from .retention import remove


def delete(request: DeleteRequest) -> int:
    """Removes a sweep; returns the exit code, 1 if MLflow, the checkpoint store or the disk refuses. What is recorded
    of it goes last, so that it can be deleted again then. ConfigError if there is nobody to ask, or another process
    runs the sweep; nothing is removed then."""
    uri = resolve_uri(request.where.tracking_uri, home())
    check_tracking(uri)
    journal = Journal(request.folder / FILE)
    name, size = request.folder.name, size_text(size_below(request.folder))
    print(
        f"sweep {name}: {len(journal.trials)} trials, {size} in {request.folder}, its runs in MLflow at {redacted(uri)}"
    )
    if not request.is_agreed:
        if not sys.stdin.isatty():
            raise ConfigError("delete", ["nothing was removed: there is no terminal to ask at; add --yes to remove it"])
        if not is_yes("remove all of this?"):
            print("nothing was removed", file=sys.stderr)
            return OK
    journal.lock()
    try:
        runs = _runs_deleted(journal, uri)
        if journal.sweep.checkpoints:
            there = copies(journal.sweep.checkpoints, journal.sweep.name)
            discard_copies(journal.sweep.checkpoints, journal.sweep.name, there)
        for path in sorted(request.folder.iterdir(), key=lambda path: path.name == FILE):
            remove(path)
        request.folder.rmdir()
    except Exception as error:  # of MLflow, its database's driver or server, of the store's driver, of the disk
        again = request.where.line("delete", name)
        print(
            f"sweep {name} is not deleted: {redacted(one_line(error))}; once that is mended: {again}", file=sys.stderr
        )
        return FAILED
    finally:
        journal.unlock()
    print(f"sweep {name} is removed; {runs} runs in MLflow are marked as deleted")
    return OK


def _runs_deleted(journal: Journal, uri: str) -> int:
    """Marks the runs of a sweep as deleted in the MLflow store at `uri`, and returns their number: 0 where there is no
    database, or somebody deleted the experiment."""
    database = sqlite_path(uri)
    if database is not None and not database.exists():
        return 0
    tracker = MlflowTracker(uri, artifact_root(uri, home()))
    try:
        return tracker.delete(journal.sweep.model, {"sweep_id": journal.sweep.id})
    except DeletedExperiment:
        return 0
