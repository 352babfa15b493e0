"""Command-line options of `doctor` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ...environment.store import resolve_uri
from ...environment.variables import home
from ..command import Where, where_of
from ..places import add_json, add_places
from ..storage import add_storage, uri_problems


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorRequest:
    """Validated request of `doctor`. `address`: cluster to check, 'local' to start a Ray on this machine, None for no
    Ray; `checkpoints`: fsspec URI or ''."""

    storage: Path
    data_root: Path
    where: Where
    address: str | None
    checkpoints: str
    as_json: bool


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `doctor`: --ray, --data-root, --storage, --tracking-uri, --address, --json."""
    parser.add_argument("--ray", action="store_true", help="also start a Ray on this machine and run a task on it")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", default=Path("data/store"), help="folder of the data files"
    )
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_doctor(options: argparse.Namespace) -> DoctorRequest:
    """Validates the options of `doctor`. ConfigError for an invalid --tracking-uri or --storage; an invalid environment
    variable is reported as a finding instead."""
    if options.tracking_uri:
        resolve_uri(options.tracking_uri, home())
    if problems := uri_problems(options.checkpoints):
        raise ConfigError("doctor", problems)
    if options.ray and options.address:
        raise ConfigError("doctor", [f"--ray starts a Ray and --address {options.address} joins one; give one of them"])
    return DoctorRequest(
        storage=options.storage.resolve(),
        data_root=options.data_root.resolve(),
        where=where_of(options),
        checkpoints=options.checkpoints or "",
        address="local" if options.ray else options.address,
        as_json=options.as_json,
    )
