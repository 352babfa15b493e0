"""Options of `check`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .places import add_json

FORMATS = ("h36m", "humaneva", "3dhp", "h36m-images", "tsv")


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Adds FORMAT, DIR, --set, --json."""
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help=f"layout: {', '.join(FORMATS)}")
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder of the files")
    parser.add_argument("--set", metavar="NAME", help="one set, by the name in its files (default: all in the folder)")
    add_json(parser)
