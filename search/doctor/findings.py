"""Findings of `doctor`: their type, their text, and helpers that the checks share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spaces.console import visible

from ..environment.store import redacted
from ..environment.variables import ROOT

INSTALL = "make .venv/.ready, or .venv/bin/python -m pip install -r requirements.txt"
State = Literal["ok", "warning", "broken"]
SIGNS: Mapping[State, str] = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. `found`: what was found; `remedy`: what the user should do, '' for nothing."""

    subject: str
    state: State
    found: str
    remedy: str = ""


def finding_text(finding: Finding) -> str:
    line = f"{SIGNS[finding.state]}  {visible(finding.subject)}: {visible(finding.found)}"
    return f"{line}\n         -> {visible(finding.remedy)}" if finding.remedy else line


def public_version(version: str) -> str:
    """Removes the local part of a version: 2.13.0+cpu -> 2.13.0."""
    return version.partition("+")[0]


def device_findings(subject: str, torch: Mapping[str, Any]) -> Iterator[Finding]:
    names = []
    for row in torch["devices"]:
        names.append(f"{row['device']} ({row['name']}, {row['memory_gib']:.0f} GiB)")
        if not row["is_right"]:
            yield Finding(subject, "broken", f"{row['device']} multiplies wrongly", "take it out of service")
    built = "without CUDA" if torch["cuda"] is None else f"for CUDA {torch['cuda']}"
    found = f"{', '.join(names)}; torch {torch['torch']} {built}"
    if len(names) == 1 and shutil.which("nvidia-smi"):
        remedy = "look at nvidia-smi and CUDA_VISIBLE_DEVICES; the CPU build of torch sees no GPU"
        yield Finding(subject, "warning", f"{found}, but this machine has NVIDIA's tools", remedy)
        return
    yield Finding(subject, "ok", found)


def run_line(line: list[str], limit_s: float, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    try:
        return subprocess.run(
            line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(line, 1, "", f"no answer in {limit_s:g} s")


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the last line that a failed program printed (stderr, else stdout), usually its error; its exit code if it
    printed nothing."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return redacted(lines[-1])[:300] if lines else f"exit code {done.returncode}"
