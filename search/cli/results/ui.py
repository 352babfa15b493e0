"""Command-line options of `ui` and their validation. Imports no torch, Ray or MLflow."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import ipaddress
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError
from spaces.errors import ConfigError, shown

from ...environment.store import artifact_root, resolve_uri, sqlite_path
from ...environment.variables import LOOPBACK, home, pins
from ...record.journal import FILE, sweeps
from ...record.lines import read_rows
from ...record.records import SweepRow
from ..command import where_of
from ..places import add_tracking_uri, find_sweep
from ..storage import add_storage, refuse_uri

UI_PORT = 5000  # mlflow's own default
OPTUNA_PORT = 8080  # that of Optuna's dashboard
DASHBOARD = "optuna-dashboard"
STUDY = "optuna.log"  # in the folder of a sweep: a journal storage of Optuna's
LATEST = 5  # sweeps whose links are printed where none is named


class SweepName(NamedTuple):
    """Sweep whose link is printed. `model`: names its experiment in MLflow; `name`, `id`: tags of its runs."""

    model: str
    name: str
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UiRequest:
    """Validated request of `ui`. `uri`: resolved tracking URI; `artifacts`: artifact folder of a database; `host`,
    `port`: address to listen on; `is_shared`: other machines may write runs; `names`: further host names by which
    browsers and sweeps may call it; `sweeps`: those whose links are printed, the named one or the latest; `journal`:
    that of the sweep to show in Optuna's dashboard (None: MLflow's UI)."""

    uri: str
    artifacts: Path
    host: str
    port: int
    is_shared: bool
    names: tuple[str, ...] = ()
    sweeps: tuple[SweepName, ...] = ()
    journal: Path | None = None

    @property
    def is_private(self) -> bool:
        """Returns whether only this machine reaches the server."""
        return is_loopback(self.host)


def add_ui_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `ui`: NAME, --optuna, --port, --storage, --tracking-uri, --serve, --host, --allowed-host."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help=f"the sweep whose links are printed (default: the {LATEST} latest)"
    )
    parser.add_argument("--optuna", action="store_true", help="Optuna's dashboard over the sweep NAME, on loopback")
    parser.add_argument(
        "--port", metavar="N", help=f"port to listen on (default {UI_PORT}, with --optuna {OPTUNA_PORT})"
    )
    parser.add_argument("--serve", action="store_true", help="a server that sweeps of other machines may write to")
    parser.add_argument(
        "--host", metavar="IP", help=f"with --serve: address to listen on (default {LOOPBACK}); it asks no passwords"
    )
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a host name by which it may be called, besides localhost and --host; may be given again",
    )
    add_storage(parser)
    add_tracking_uri(parser)


def check_ui(options: argparse.Namespace) -> UiRequest:
    """Validates the options of `ui`. ConfigError for an unknown sweep, if there is no store, or the port is invalid or
    in use; DataError if the journal of the named sweep is damaged."""
    refuse_uri(options, "ui")
    uri = resolve_uri(options.tracking_uri, home())
    problems, found = [], ()  # type: list[str], tuple[SweepName, ...]
    try:
        found = _sweeps(options.storage, options.name)
    except ConfigError as error:
        problems += error.problems_in("ui")
    if options.host is not None and not options.serve:
        problems.append(f"--host {options.host} is for --serve; without it only this machine may look")
    problems += _optuna_problems(options) if options.optuna else []
    database = None if options.optuna else sqlite_path(uri)
    if database is not None and database.exists() and not database.is_file():
        problems.append(f"{database} is no file; give --tracking-uri the path of a store")
    elif database is not None and not database.is_file() and not options.serve:
        remedy = f"the first sweep makes it: {where_of(options).line('launch', 'graformer', '--recipe', 'small')}"
        problems.append(f"there is no store at {database} yet; {remedy}")
    for name in options.allowed_host:
        if not re.fullmatch(r"(?!-)[A-Za-z0-9_.-]{1,253}", name):
            problems.append(f"--allowed-host {shown(repr(name))}: give one host name, without port, scheme and '*'")
    host = options.host or LOOPBACK
    typed = options.port or str(OPTUNA_PORT if options.optuna else UI_PORT)
    port = int(typed) if typed.isdecimal() and len(typed) <= 5 else 0
    if not 1 <= port <= 65535:
        problems.append(f"--port {typed}: give a number from 1 to 65535")
    elif fault := _port_fault(host, port):
        problems.append(fault)
    if problems:
        raise ConfigError("ui", problems)
    return UiRequest(
        uri=uri,
        artifacts=artifact_root(uri, home()),
        host=host,
        port=port,
        is_shared=options.serve,
        names=tuple(dict.fromkeys(options.allowed_host)),
        sweeps=found,
        journal=(options.storage / options.name / FILE).resolve() if options.optuna else None,
    )


def _optuna_problems(options: argparse.Namespace) -> list[str]:
    """Checks what --optuna needs: a sweep, loopback, and the package; returns one message per problem."""
    problems = []
    if options.name is None:
        problems.append("--optuna shows one sweep: give its NAME")
    if options.serve:
        problems.append("--serve is for MLflow; --optuna is for this machine alone")
    if importlib.util.find_spec(DASHBOARD.replace("-", "_")) is None:
        install = f"{sys.executable} -m pip install {DASHBOARD}=={pins()[DASHBOARD]}"
        problems.append(f"--optuna needs the package {DASHBOARD}; install it: {install}")
    return problems


def _sweeps(storage: Path, name: str | None) -> tuple[SweepName, ...]:
    """Reads the names of the sweep `name` under a storage folder, or (None) of the latest ones, the newest first; of
    these damaged ones are left out."""
    if name is not None:
        return (_sweep_at(find_sweep(storage, name)),)
    found: list[SweepName] = []
    for folder in reversed(sweeps(storage)):
        with contextlib.suppress(DataError):
            found.append(_sweep_at(folder))
        if len(found) == LATEST:
            break
    return tuple(found)


def _sweep_at(folder: Path) -> SweepName:
    first = next(read_rows(folder / FILE))[0]
    if not isinstance(first, SweepRow):
        raise DataError(str(folder / FILE), ["does not begin with the record of a sweep; restore it from a backup"])
    return SweepName(first.model, first.name, first.id)


def is_loopback(host: str) -> bool:
    """Returns whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port_fault(host: str, port: int) -> str:
    """Checks that a server can listen on host and port; returns a message that names the next free port, or '' if it
    can."""
    if _is_free(host, port):
        return ""
    for other in range(port + 1, min(port + 200, 65536)):
        if _is_free(host, other):
            return f"--port {port} is in use on {host}; the next free one: --port {other}"
    return f"--host {host}: this machine cannot listen there; give one of its own addresses"


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are just closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
