"""Options shared by several verbs: --root and --json."""

from __future__ import annotations

import argparse
from pathlib import Path

STORE = Path("data/store")


def add_root(parser: argparse.ArgumentParser) -> None:
    """Adds --root."""
    parser.add_argument("--root", type=Path, default=STORE, metavar="DIR", help=f"folder of the sets (default {STORE})")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
