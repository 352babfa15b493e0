"""Command lines that are printed for the user to copy, with the location options needed to find the same sweep
again."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from spaces.commands import command

from ..environment.store import VARIABLE, redacted
from ..environment.variables import is_job
from ..record.plan import STORAGE

PLACES = ("storage", "tracking_uri", "address")
# Verb -> the places that it must be told; it takes the others too, and does not look at them.
NEEDS = {
    "launch": PLACES,
    "resume": PLACES,
    "extend": PLACES,
    "fork": PLACES,
    "confirm": PLACES,
    "train": ("tracking_uri", "address"),
    "sync": ("storage", "tracking_uri"),
    "stop": ("storage", "tracking_uri"),
    "note": ("storage", "tracking_uri"),
    "delete": ("storage", "tracking_uri"),
    "ui": ("storage", "tracking_uri"),
    "show": ("storage",),
    "list": ("storage",),
    "export": ("storage",),
    "report": ("storage",),
    "clean": ("storage",),
    "evaluate": (),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Location options as typed on the command line; None for those left out, whose defaults apply again."""

    storage: Path | None = None
    tracking_uri: str | None = None
    address: str | None = None

    def line(self, verb: str, name: object, *more: object) -> str:
        """Formats the command `python -m search VERB NAME` with the location options that this verb needs, followed by
        further arguments."""
        return command("search", verb, name, *(part for place in NEEDS[verb] for part in self._option(place)), *more)

    def line_told(self, verb: str, name: object, *more: object) -> str:
        """Formats the command as `line` does, with the note in brackets behind it, if there is one."""
        note = self.note(verb)
        return self.line(verb, name, *more) + (f" ({note})" if note else "")

    def note(self, verb: str) -> str:
        """Returns what the user must do before such a command works, '' if nothing: a password in the tracking URI is
        not printed and must be set in the environment."""
        if not self.has_secret or "tracking_uri" not in NEEDS[verb]:
            return ""
        return f"first set {VARIABLE} to {redacted(str(self.tracking_uri))} with its password, which is not printed"

    @property
    def has_secret(self) -> bool:
        """Returns whether the tracking URI contains a password or token."""
        return self.tracking_uri is not None and redacted(self.tracking_uri) != self.tracking_uri

    def _option(self, name: str) -> tuple[object, ...]:
        value = getattr(self, name)
        if value is None or (name == "tracking_uri" and self.has_secret):
            return ()
        if name == "address":
            value = redacted(value)
        return (f"--{name.replace('_', '-')}", value)


def where_of(options: argparse.Namespace) -> Where:
    """Reads the location options from a parsed command line. In a submitted job the tracking URI comes from the
    environment, which the user's shell does not have."""
    storage = getattr(options, "storage", None)
    uri = getattr(options, "tracking_uri", None) or (os.environ.get(VARIABLE) if is_job() else None)
    return Where(
        storage=None if storage == Path(STORAGE) else storage,
        tracking_uri=uri,
        address=getattr(options, "address", None),
    )
