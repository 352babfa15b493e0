"""Formats complete, shell-quoted command lines that are printed for the user to copy."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .console import visible

# Packages that requirements.txt leaves out, with their versions: ezc3d has no wheel for Linux on ARM, and only who
# lets `predict` find the 2D poses needs onnxruntime.
OPTIONAL: Mapping[str, str] = MappingProxyType({"ezc3d": "1.7.2", "onnxruntime": "1.32.0"})


def command(package: str, verb: str, *words: object) -> str:
    """Formats the command `python -m PACKAGE VERB ...` with these arguments; None is omitted.

    A path that begins with '-' is written as './-...', so that it is not parsed as an option."""
    texts = [f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words
             if word is not None]  # fmt: skip
    return shell_line("python", "-m", package, *verb.split(), *texts)


def synth_line(root: Path | str) -> str:
    """Formats the command that writes the synthetic data sets to the folder `root`."""
    return command("data", "synth", "--root", root)


def package_need(package: str) -> str:
    """Says that one of OPTIONAL is not installed, with the command that installs it."""
    line = shell_line(sys.executable, "-m", "pip", "install", f"{package}=={OPTIONAL[package]}")
    return f"needs the package {package}, which is not installed; run {line}"


def shell_line(*words: str) -> str:
    """Quotes the arguments for the shell and joins them. The last one is escaped instead of quoted: a closing quote at
    the end of a line looks as if it belonged to the surrounding sentence. Control characters are written as bash reads
    them in $'...'."""
    *front, last = [_quoted(word) for word in words]
    if words[-1] and last.endswith("'") and visible(words[-1]) == words[-1]:
        last = re.sub(r"([^\w@%+=:,./-])", r"\\\1", words[-1])
    return " ".join([*front, last])


def _quoted(word: str) -> str:
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + visible(re.sub(r"(['\\])", r"\\\1", word)) + "'"
