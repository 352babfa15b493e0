"""Sweeps over the tiny set as a user starts them: commands, run in the repository."""

import subprocess
import sys
from pathlib import Path

from small import TINY

from search.journal import FILE, Journal

ROOT = Path(__file__).parents[1]
LINE = [sys.executable, "-m", "search"]


def tracking(home, uri=None):
    """One MLflow database for all sweeps of a home: making one takes seconds."""
    return ["--tracking-uri", uri or f"sqlite:///{home}/mlflow.db"]


def places(home, uri=None):
    """Where sweeps and runs of a home are kept."""
    return ["--storage", str(home / "sweeps"), *tracking(home, uri)]


def launch(home, name, *more, uri=None):
    """The line that starts a sweep over the tiny set in home/store."""
    values = {key: value for key, value in TINY.items() if key not in ("data.name", "loop.epochs")}
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    base = ["launch", "graformer", "--recipe", "small", "--data", "tiny", "--data-root", str(home / "store")]
    return [*LINE, *base, "--name", name, *places(home, uri), *settings, *more]


def run(line):
    """Its output and exit code."""
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def journal_of(home, name):
    """The books of a sweep."""
    return Journal(home / "sweeps" / name / FILE)
