"""Command lines that are printed to be typed: quoted for the shell, and complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path


def command(package: str, verb: str, *words: object) -> str:
    """The line `python -m PACKAGE VERB ...` that gives these words to the verb; None is left out.

    A path that begins with '-' is written so that it is no option."""
    texts = [f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words
             if word is not None]  # fmt: skip
    return shell_line("python", "-m", package, *verb.split(), *texts)


def synth_line(root: Path | str) -> str:
    """The command that writes the embedded data sets to a folder."""
    return command("data", "synth", "--root", root)


def shell_line(*words: str) -> str:
    """The words as the shell reads them. The last is not put in quotes but escaped: a line that ends in a quote looks
    as if the quote belonged to the sentence around it."""
    *front, last = [shlex.quote(word) for word in words]
    if last.endswith("'") and re.fullmatch(r"[^\x00-\x1f]+", words[-1]):
        last = re.sub(r"([^\w@%+=:,./-])", r"\\\1", words[-1])
    return " ".join([*front, last])
