"""Options of `describe`."""

from __future__ import annotations

import argparse

from .places import add_json, add_root


def add_describe_options(parser: argparse.ArgumentParser) -> None:
    """Adds --root, --data, --json."""
    add_root(parser)
    parser.add_argument("--data", metavar="NAME", help="one split or set (default: all in the folder)")
    add_json(parser)
