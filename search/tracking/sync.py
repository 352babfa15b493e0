"""`sync`: sends the records that an unreachable MLflow missed, in the foreground."""

from __future__ import annotations

import sys

from spaces.cli import FAILED, OK
from spaces.errors import one_line
from spaces.loading import named

from ..cli.command import Where
from ..cli.results.sync import SyncRequest
from ..environment.store import redacted
from ..record.journal import Journal
from .spool import Spool
from .spool import sync as send

TRACKER = "search.tracking.mlflow_tracker:MlflowTracker"  # by name: with MLflow it takes seconds to load


def sync(request: SyncRequest) -> int:
    """Sends a sweep's unsent records to MLflow; returns the exit code: 1 if records remain, 0 otherwise."""
    journal = Journal(request.journal)
    objective, name = journal.sweep.objective, request.journal.parent.name
    if request.restore:
        try:
            if named(TRACKER)(request.uri, request.artifacts).restore(journal.sweep.model):
                print(f"restored experiment {journal.sweep.model} in MLflow at {redacted(request.uri)}", flush=True)
        except Exception as error:  # of MLflow, its database's driver or its server
            again = request.where.line("sync", name, "--restore")
            print(f"MLflow does not restore it: {redacted(one_line(error))}; once it does: {again}", file=sys.stderr)
            return FAILED
    spool = send(request.journal, lambda: named(TRACKER)(request.uri, request.artifacts), objective, request.uri)
    kept = spool.pending()
    print(f"sweep {journal.sweep.name}: {spool.sent} records sent to MLflow at {redacted(request.uri)}, {kept} kept")
    for problem in spool.problems:
        print(f"MLflow: {problem}", file=sys.stderr)
    if kept:
        print(f"MLflow does not take the rest: {spool.trouble}", file=sys.stderr)
        print("\n".join(unsent_lines(spool, request.where, name)), file=sys.stderr)
        return FAILED
    return OK


def unsent_lines(spool: Spool, where: Where, name: str) -> list[str]:
    """Formats the command that sends what MLflow has not taken of the sweep or run `name`, and restores its experiment
    if that is why; a second line says what must be done before, if anything."""
    if spool.is_deleted:
        line = f"to restore the experiment and send them: {where.line('sync', name, '--restore')}"
    else:
        line = f"once it does, send them: {where.line('sync', name)}"
    note = where.note("sync")
    return [note, line] if note else [line]
