"""Where a sweep or run keeps its journal, and how its records reach MLflow."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..environment.store import artifact_root, redacted, resolve_uri
from ..environment.variables import home
from ..tracking.mlflow_tracker import MlflowTracker
from ..tracking.spool import Spool

DRAIN_S = 60.0  # how long the end of a sweep waits for MLflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a sweep keeps its journal and whom it tells: absolute paths and a resolved tracking URI."""

    folder: Path
    tracking_uri: str
    artifact_root: Path
    address: str | None


def spool_of(journal: Path, objective: str, place: Place) -> Spool:
    """The sender of a journal to the store of `place`."""
    return Spool(journal, lambda: MlflowTracker(place.tracking_uri, place.artifact_root), objective, place.tracking_uri)


def settle(spool: Spool, place: Place) -> None:
    """Waits a while for MLflow to take what is left, and says what it did not take."""
    spool.stop(DRAIN_S)
    if unsent := spool.pending():
        where = f"MLflow at {redacted(place.tracking_uri)}"
        print(f"{where} has not taken {unsent} records; they are kept: run the same again", file=sys.stderr)
    for problem in spool.problems:
        print(f"MLflow: {problem}", file=sys.stderr)


def place_of(folder: Path, tracking_uri: str | None, address: str | None) -> Place:
    """Where a sweep or run keeps its journal, and whom it tells."""
    uri = resolve_uri(tracking_uri, home())
    return Place(folder=folder, tracking_uri=uri, artifact_root=artifact_root(uri, home()), address=address)
