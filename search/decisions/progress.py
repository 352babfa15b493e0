"""Lines that tell the progress of a sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ..record.records import EpochRow
from ..record.trial import EPOCHS, Trial


def epochs_of(trial: Trial) -> int:
    """Returns the number of epochs of a trial, which may be a searched knob."""
    return int(trial.knob(EPOCHS))


def start_text(trial: Trial, attempt: int, recipe: str) -> str:
    """Formats the start of an attempt at a trial. `recipe`: that of trial 0, '' if trial 0 is a point like others."""
    again = f" again, after epoch {trial.last_epoch}" if attempt > 1 else ""
    what = f"recipe {recipe}" if recipe and trial.number == 0 else point_text(trial.point)
    return f"trial {trial.number} starts{again}: {what}"


def epoch_line(trial: Trial, row: EpochRow, objective: str, best: Trial | None) -> str:
    """Formats a completed epoch. `best`: the sweep's best trial, None while there is no score."""
    value = row.metrics.get(objective, math.nan)
    leader = "" if best is None else f" (sweep's best {best.score(objective):.2f}, trial {best.number})"
    cost = f"{row.seconds:.1f} s"
    return f"trial {trial.number} epoch {row.epoch}/{epochs_of(trial)}: {objective} {value:.2f}, {cost}{leader}"


def end_text(trial: Trial, objective: str) -> str:
    """Formats the end of a trial, or of an attempt at it, with its best score."""
    score = trial.score(objective)
    shown = "" if score is None else f", best {score:.2f} at epoch {trial.best_epoch(objective)}"
    return f"trial {trial.number} {trial.state} after epoch {trial.last_epoch}{shown}"


def now_text(started: float) -> str:
    """Formats the time since `started` (`time.monotonic()` seconds) as minutes:seconds, the prefix of progress
    lines."""
    seconds = int(time.monotonic() - started)
    return f"{seconds // 60:3d}:{seconds % 60:02d}"


def point_text(point: Mapping[str, Any]) -> str:
    """Formats a point as `lr=0.001 width=96`: the last part of each path, and its value."""
    shown = {path.split(".", 1)[1]: value for path, value in point.items()}
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown.items()
    )
