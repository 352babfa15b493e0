"""Location of a sweep or run: its folder and its MLflow store, and the spool that sends its records."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spaces.console import visible
from spaces.loading import named

from ..cli.command import Where
from ..environment.store import artifact_root, check_tracking, redacted, resolve_uri
from ..environment.variables import home
from ..tracking.spool import Spool
from ..tracking.sync import TRACKER, unsent_lines
from ..tracking.tracker import Tracker

DRAIN_S = 60.0  # how long the end of a sweep waits for MLflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Location of a sweep or run: `folder`, absolute, with its journal; `tracking_uri`, resolved; `artifact_root`,
    folder of the artifacts of a database; `where`: the options as the user typed them, for printed commands."""

    folder: Path
    tracking_uri: str
    artifact_root: Path
    where: Where

    def line(self, verb: str, *words: object) -> str:
        """Formats the command `python -m search VERB NAME` for this sweep or run, with further arguments."""
        return self.where.line(verb, self.folder.name, *words)


def spool_of(journal: Path, objective: str, place: Place) -> Spool:
    """Builds the spool that sends the journal at `journal` to the MLflow store of `place`."""

    def tracker() -> Tracker:
        made: Tracker = named(TRACKER)(place.tracking_uri, place.artifact_root)
        return made

    return Spool(journal, tracker, objective, place.tracking_uri)


def settle(spool: Spool, place: Place) -> list[str]:
    """Waits up to DRAIN_S seconds for the unsent records and stops the spool. Returns the lines that say what MLflow
    has not accepted, why, and what sends it."""
    spool.stop(DRAIN_S)
    return unsent_of(spool, place)


def unsent_of(spool: Spool, place: Place) -> list[str]:
    """Formats the lines that say what MLflow has not accepted so far, why, and what sends it; [] if it has all."""
    lines = [f"MLflow: {problem}" for problem in spool.problems]
    if unsent := spool.pending():
        why = f" ({spool.trouble})" if spool.trouble else ""
        lines.append(f"MLflow at {redacted(place.tracking_uri)} has not taken {unsent} records{why}; they are kept")
        lines += unsent_lines(spool, place.where, place.folder.name)
    return lines


def tell_all(lines: Iterable[str]) -> None:
    """Prints the lines on stderr."""
    for line in lines:
        print(visible(line), file=sys.stderr)


def tell_note(place: Place, verb: str) -> None:
    """Prints on stderr what the user must do before a printed command of this verb works, if anything."""
    if note := place.where.note(verb):
        print(note, file=sys.stderr)


def place_of(folder: Path, where: Where) -> Place:
    """Resolves the location of a sweep or run from its folder and the typed options. ConfigError for an invalid
    tracking URI, or a sqlite store that cannot be written."""
    uri = resolve_uri(where.tracking_uri, home())
    check_tracking(uri)
    return Place(folder=folder, tracking_uri=uri, artifact_root=artifact_root(uri, home()), where=where)
