"""Where a sweep or run keeps its journal, and how its records reach MLflow."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..cli.command import Where
from ..environment.store import artifact_root, redacted, resolve_uri
from ..environment.variables import home
from ..tracking.mlflow_tracker import MlflowTracker
from ..tracking.spool import Spool

DRAIN_S = 60.0  # how long the end of a sweep waits for MLflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a sweep keeps its journal and whom it tells: absolute paths and a resolved tracking URI; `where`: as the
    user typed it."""

    folder: Path
    tracking_uri: str
    artifact_root: Path
    where: Where

    def line(self, verb: str, *words: object) -> str:
        """The command that does something more with this sweep or run, by its name."""
        return self.where.line(verb, self.folder.name, *words)


def spool_of(journal: Path, objective: str, place: Place) -> Spool:
    """The sender of a journal to the store of `place`."""
    return Spool(journal, lambda: MlflowTracker(place.tracking_uri, place.artifact_root), objective, place.tracking_uri)


def settle(spool: Spool, place: Place) -> None:
    """Waits a while for MLflow to take what is left, and says what it did not take."""
    spool.stop(DRAIN_S)
    if unsent := spool.pending():
        why = f" ({spool.trouble})" if spool.trouble else ""
        print(
            f"MLflow at {redacted(place.tracking_uri)} has not taken {unsent} records{why}; they are kept; "
            f"to send them: {place.line('sync')}",
            file=sys.stderr,
        )
        tell_note(place, "sync")
    for problem in spool.problems:
        print(f"MLflow: {problem}", file=sys.stderr)


def tell_note(place: Place, verb: str) -> None:
    """Says what must be done before a printed command works, where there is anything."""
    if note := place.where.note(verb):
        print(note, file=sys.stderr)


def place_of(folder: Path, where: Where) -> Place:
    """Where a sweep or run keeps its journal, and whom it tells."""
    uri = resolve_uri(where.tracking_uri, home())
    return Place(folder=folder, tracking_uri=uri, artifact_root=artifact_root(uri, home()), where=where)
