"""Command-line options shared by several verbs (--tracking-uri, --address, --json), and the lookup of a sweep by
name."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError, did_you_mean, shown

from ..record.journal import Journal, has_begun, is_vacant, leads_out, sweeps
from ..terminal.modes import MODES, QUIET
from .command import Where


def add_places(parser: argparse.ArgumentParser) -> None:
    """Adds the options --tracking-uri and --address."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store or server (default MLFLOW_TRACKING_URI, else sqlite:///mlruns/mlflow.db)",
    )
    parser.add_argument(
        "--address", metavar="ADDR", help="a running Ray cluster (default: a Ray of our own on this machine)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the table as JSON")


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Adds the options --progress and --quiet, which set `progress`: one of MODES, None for the default."""
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--progress",
        choices=MODES,
        help="what the terminal shows: a panel that is redrawn, lines, or only the result (default live; where that is "
        "not possible, as in a pipe, lines)",
    )
    given.add_argument("--quiet", dest="progress", action="store_const", const=QUIET, help="short for --progress quiet")


def collect(problems: list[str], make: Any) -> Any:
    try:
        return make()
    except ConfigError as error:
        problems += error.problems_in("launch")
        return None


def is_new_name(name: str) -> bool:
    """Returns whether a new sweep may have this name."""
    return re.fullmatch(r"\w[\w.-]{0,99}", name) is not None


def folder_problems(folder: Path, name: str, where: Where) -> list[str]:
    """Checks that a new sweep `name` can be created in `folder`: the name is valid, the folder vacant, its parent
    writable. Returns one message per problem. `where`: options as typed, for the printed remedy."""
    if not is_new_name(name):
        return [
            f"--name {shown(repr(name))}: use letters, digits, '-', '_' and '.', at most 100, a letter or digit first"
        ]
    if os.path.islink(folder):
        return [f"--name {name}: {folder} is a link; choose another name, or remove it"]
    # Path.exists raises where a folder above may not be entered; os.path.exists says no.
    if os.path.exists(folder) and not is_vacant(folder):
        remedy = f"choose another, or go on with it: {where.line_told('resume', name)}"
        return [f"--name {name}: a sweep of this name exists in {folder.parent}; {remedy}"]
    above = folder.parent
    while not os.path.exists(above):
        above = above.parent
    if not above.is_dir():
        return [f"--storage {folder.parent}: {above} is a file; give a folder"]
    try:
        # Rights do not say it all (a read-only disk, /proc): a file without a name is made and is gone.
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        return [f"--storage {folder.parent}: {above} cannot be written ({error.strerror}); give another folder"]
    return []


def find_sweep(storage: Path, name: str) -> Path:
    """Returns the folder of the sweep `name` under `storage`. ConfigError suggests the nearest name, and refuses one
    that is no name of a folder in there or leads out of it."""
    # `train` takes any folder, so that its name may have blanks.
    if name in ("", ".", "..") or not re.fullmatch(r"[^/\x00-\x1f\x7f]+", name):
        raise ConfigError(f"sweep {shown(repr(name))}", ["give the name of a folder in --storage, without '/'"])
    folder = storage / name
    if leads_out(folder):
        raise ConfigError(
            f"sweep '{name}'", [f"{folder} is a link out of {storage}; give --storage {folder.resolve().parent}"]
        )
    if not has_begun(folder):
        known = [found.name for found in sweeps(storage)]
        found = f"no such sweep in {storage}{did_you_mean(name, known)}"
        raise ConfigError(f"sweep '{name}'", [f"{found}; sweeps here: {', '.join(known) or 'none'}"])
    return folder


def trial_problems(text: str, journal: Journal) -> list[str]:
    """Checks that --trial names a trial of the sweep by its number; returns a message if not, else []."""
    if text in {str(number) for number in journal.trials}:
        return []
    here = f"0 to {len(journal.trials) - 1}" if journal.trials else "none"
    return [f"--trial {text}: no such trial; trials here: {here}"]


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    default = "MLFLOW_TRACKING_URI, else sqlite:///mlruns/mlflow.db"
    parser.add_argument("--tracking-uri", metavar="URI", help=f"MLflow store or server (default {default})")
