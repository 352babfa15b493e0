"""Command-line options of `sync` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ...environment.store import artifact_root, check_tracking, resolve_uri
from ...environment.variables import home
from ...record.journal import FILE
from ..command import Where, where_of
from ..places import add_tracking_uri, find_sweep
from ..storage import add_storage, check_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncRequest:
    """Validated request of `sync`. `journal`: journal of the sweep; `uri`: resolved tracking URI; `artifacts`: artifact
    folder of a database; `restore`: restore a deleted experiment first."""

    journal: Path
    uri: str
    artifacts: Path
    where: Where
    restore: bool


def add_sync_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `sync`: NAME, --restore, --storage, --tracking-uri."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--restore", action="store_true", help="first restore the experiment if it was deleted")
    add_storage(parser)
    add_tracking_uri(parser)


def check_sync(options: argparse.Namespace) -> SyncRequest:
    """Validates the options of `sync`. ConfigError for an unknown sweep, an invalid tracking URI, or a sqlite store
    that cannot be written."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "sync")
    uri = resolve_uri(options.tracking_uri, home())
    check_tracking(uri)
    return SyncRequest(
        journal=folder.resolve() / FILE,
        uri=uri,
        artifacts=artifact_root(uri, home()),
        where=where_of(options),
        restore=options.restore,
    )
