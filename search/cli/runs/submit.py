"""Command-line options of `submit` and their validation. Imports no torch and no Ray, so that errors are instant."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from data.config import DataConfig
from spaces.errors import ConfigError
from spaces.space import find_space

from ...environment.store import resolve_uri
from ...environment.variables import home
from .launch import add_launch_options, check_launch

ADDRESS = "http://127.0.0.1:8265"  # Ray's own default for its dashboard
SPACE = "submitted.yaml"  # a space of the user's own, in the copy that is sent
OWN = ("verb", "space", "changes", "address", "tracking_uri", "no_wait", "python")


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitRequest:
    """Validated request of `submit`: a sweep to run as a Ray job. `is_named`: the user chose the name, so it is kept or
    refused; `words`: its `launch` command without interpreter;
    `space`: space file to send along, None for a built-in one; `data`: the data settings, before paths were made
    absolute; `is_here`: the cluster is on this machine; `python`: interpreter on the cluster; `waits`: follow the job's
    log."""

    name: str
    is_named: bool
    model: str
    words: tuple[str, ...]
    space: Path | None
    data: DataConfig
    address: str
    is_here: bool
    python: str
    tracking_uri: str
    storage: Path
    waits: bool

    def renamed(self, name: str) -> Self:
        """Returns the request of the same sweep under another name."""
        old, new = (f"--name={one}" for one in (self.name, name))
        return replace(self, name=name, words=tuple(new if word == old else word for word in self.words))


def add_submit_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `submit`: those of `launch`, --python and --no-wait; --address is the URL of the cluster's
    dashboard."""
    add_launch_options(parser)
    for action in parser._actions:
        if action.dest == "address":
            action.help = f"dashboard of the cluster (default RAY_API_SERVER_ADDRESS, else {ADDRESS})"
            action.metavar = "URL"
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="interpreter on the cluster (default: this one where the cluster is on this machine, else python)",
    )
    parser.add_argument("--no-wait", action="store_true", help="return once the job is there, without its log")


def check_submit(options: argparse.Namespace) -> SubmitRequest:
    """Validates the options of `submit`; paths become absolute, as the job runs from a copy of the repository
    elsewhere. ConfigError lists every problem."""
    problems = []
    address = (options.address or os.environ.get("RAY_API_SERVER_ADDRESS") or ADDRESS).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append(f"--address {address}: give the cluster's dashboard, e.g. {ADDRESS}")
    try:
        tracking_uri = resolve_uri(options.tracking_uri, home())
    except ConfigError as error:
        problems += error.problems_in("submit")
    try:
        sweep = check_launch(options)
    except ConfigError as error:
        problems += error.problems_in("launch")
    if problems:
        raise ConfigError("submit", problems)
    assert sweep.plan is not None, "a launch without a plan"
    found = find_space(options.space)
    own_space = None if found.stem == options.space else found
    settled = argparse.Namespace(**vars(options))
    settled.name, settled.storage = sweep.name, sweep.folder.parent
    settled.data_root = str(Path(sweep.plan.base.data.root).resolve())
    settled.enqueue = [str(Path(config).resolve()) for config in options.enqueue]
    settled.changes = [change for change in options.changes if not change.startswith("data.root=")]
    settled.space = SPACE if own_space else options.space
    is_here = parts.hostname is not None and _is_here(parts.hostname)
    return SubmitRequest(
        name=sweep.name,
        is_named=sweep.is_named,
        model=sweep.plan.space.model,
        words=("-m", "search", "launch", *launch_words(settled), "--address=auto"),
        space=own_space,
        data=sweep.plan.base.data,
        address=address,
        is_here=is_here,
        python=options.python or (sys.executable if is_here else "python"),
        tracking_uri=tracking_uri,
        storage=settled.storage,
        waits=not options.no_wait,
    )


def launch_words(options: argparse.Namespace) -> list[str]:
    """Formats options as arguments of `launch` that parse to the same options, without address and tracking URI."""
    words = [options.space]
    for name, value in vars(options).items():
        if name in OWN or value is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        else:
            words += [f"{flag}={one}" for one in (value if isinstance(value, list) else [value])]
    words += [f"--set={change}" for change in options.changes]
    parser = argparse.ArgumentParser()
    add_launch_options(parser)
    read = vars(parser.parse_args(words))
    lost = [name for name, value in vars(options).items() if name not in OWN and read.get(name) != value]
    assert not lost, f"these options of launch do not survive on a command line: {lost}"
    return words


def _is_here(host: str) -> bool:
    """Returns whether an address belongs to this machine: whether a socket can be bound to it."""
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False
