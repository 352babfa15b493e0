"""Provenance of a sweep or run: code revision, package versions, data fingerprint, machine, command."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..environment.store import redacted
from ..environment.variables import ROOT
from .records import Facts

PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "safetensors", "PyYAML")


def facts_of_run(data: dict[str, Any], words: Sequence[str] | None = None) -> Facts:
    """Collects the provenance of the present process, which `export` prints and MLflow stores as tags. `data`:
    provenance of the data, with its fingerprint; `words`: verb and arguments (None: those of this process). Passwords
    in the command line are redacted."""
    return Facts(
        revision=code_revision(),
        versions={"python": platform.python_version(), **_versions()},
        data=data,
        machine=platform.node(),
        command=" ".join(["python -m search", *map(redacted, sys.argv[1:] if words is None else words)]),
        user=_user(),
    )


def _user() -> str:
    """Returns the login name of the user; '' for one that the system does not name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def code_revision() -> str:
    """Returns the git commit of this checkout, with '+changes' if files differ from it; 'unknown' outside git. A
    submitted job, which runs from a copy, takes it from the variable POSESWEEP_REVISION."""
    if told := os.environ.get("POSESWEEP_REVISION"):
        return told
    commit = _git("rev-parse", "HEAD")
    return commit + ("+changes" if _git("status", "--porcelain") else "") if commit else "unknown"


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
