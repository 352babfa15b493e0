"""Command-line options of `delete` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ...record.journal import FILE, is_held
from ..command import Where, where_of
from ..places import add_tracking_uri, find_sweep
from ..storage import add_storage, check_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteRequest:
    """Validated request of `delete`: removes the sweep in `folder`. `is_agreed`: nobody is asked."""

    folder: Path
    is_agreed: bool
    where: Where


def add_delete_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `delete`: NAME, --yes, location."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--yes", action="store_true", help="remove it without asking")
    add_storage(parser)
    add_tracking_uri(parser)


def check_delete(options: argparse.Namespace) -> DeleteRequest:
    """Validates the options of `delete`. ConfigError for an unknown or running sweep, and for a link to one."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "delete", is_needed=True)
    problems = ["is being run by another process; wait for it or stop it"] if is_held(folder / FILE) else []
    if folder.is_symlink():
        problems.append(f"{folder} is a link; delete {folder.resolve().name}, or remove the link")
    if problems:
        raise ConfigError(f"sweep '{options.name}'", problems)
    return DeleteRequest(folder=folder.resolve(), is_agreed=options.yes, where=where_of(options))
