"""Command-line options of `note` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ..command import Where, where_of
from ..places import add_tracking_uri, find_sweep
from ..storage import add_storage, check_uri

MOST_CHARACTERS = 2000  # of a remark; MLflow takes 8,000 for all of a sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteRequest:
    """Validated request of `note`: puts the remark `text` on the record of the sweep in `folder`."""

    folder: Path
    text: str
    where: Where


def add_note_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `note`: NAME, TEXT, location."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("text", metavar="TEXT", help="the remark, in quotes")
    add_storage(parser)
    add_tracking_uri(parser)


def check_note(options: argparse.Namespace) -> NoteRequest:
    """Validates the options of `note`. ConfigError for an unknown sweep and for a text that is empty or too long."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "note")
    text = options.text.strip()
    if not text:
        raise ConfigError("note", ["the text is empty; write the remark in quotes"])
    if len(text) > MOST_CHARACTERS:
        raise ConfigError("note", [f"the text has {len(text)} characters; at most {MOST_CHARACTERS}"])
    return NoteRequest(folder=folder.resolve(), text=text, where=where_of(options))
