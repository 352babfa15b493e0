"""Option `--set knob=value`, which every verb with a config takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from spaces.errors import ConfigError


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """Adds --set knob=value, repeatable."""
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="change one knob, e.g. optim.lr=3e-4",
    )


def read_changes(changes: Iterable[str]) -> dict[str, str]:
    """Returns knob -> text of every --set; ConfigError for those without '='."""
    pairs = [change.partition("=") for change in changes]
    bad = [f"'{knob}' has no '='; write --set KNOB=VALUE" for knob, equals, _ in pairs if not equals]
    if bad:
        raise ConfigError("--set", bad)
    return {knob.strip(): value.strip() for knob, _, value in pairs}
