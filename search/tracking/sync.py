"""`sync`: sends the records that an unreachable MLflow missed, in the foreground."""

from __future__ import annotations

import sys

from spaces.cli import FAILED, OK

from ..cli.sync import SyncRequest
from ..environment.store import redacted
from ..record.journal import Journal
from .mlflow_tracker import MlflowTracker
from .spool import sync as send


def sync(request: SyncRequest) -> int:
    """Sends a sweep's unsent records to MLflow; returns the exit code: 1 if records remain, 0 otherwise."""
    journal = Journal(request.journal)
    objective = journal.sweep.objective
    spool = send(request.journal, lambda: MlflowTracker(request.uri, request.artifacts), objective, request.uri)
    kept = spool.pending()
    print(f"sweep {journal.sweep.name}: {spool.sent} records sent to MLflow at {redacted(request.uri)}, {kept} kept")
    for problem in spool.problems:
        print(f"MLflow: {problem}", file=sys.stderr)
    if kept:
        again = request.where.line("sync", request.journal.parent.name)
        print(f"MLflow does not take the rest: {spool.trouble}; once it does: {again}", file=sys.stderr)
        if note := request.where.note("sync"):
            print(note, file=sys.stderr)
        return FAILED
    return OK
