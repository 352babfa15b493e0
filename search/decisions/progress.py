"""Lines that tell the progress of a sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ..record.records import GPU_MEMORY, LOST, PROCESS, EpochRow
from ..record.trial import EPOCHS, Trial

MOST_LOSSES = 3  # attempts at a trial that the machine cuts short without a new epoch between them


def epochs_of(trial: Trial) -> int:
    """Returns the number of epochs of a trial, which may be a searched knob."""
    return int(trial.knob(EPOCHS))


def start_text(trial: Trial, recipe: str) -> str:
    """Formats the start of an attempt, which is on record: the values of its knobs, and whose state it takes over.
    `recipe`: the one that is trial 0, '' where that is none."""
    again = f" again, after epoch {trial.last_epoch}" if trial.attempts > 1 else ""
    turn = trial.turns[-1] if trial.turns and trial.turns[-1].epoch == trial.last_epoch else None
    again += "" if turn is None else f" of trial {turn.donor}"
    is_recipe = trial.number == 0 and recipe and not trial.turns
    what = f"recipe {recipe}" if is_recipe else point_text(trial.knobs_at(trial.last_epoch + 1))
    return f"trial {trial.number} starts{again}: {what}" if what else f"trial {trial.number} starts{again}"


def epoch_line(trial: Trial, row: EpochRow, objective: str, best: Trial | None) -> str:
    """Formats a completed epoch. `best`: the sweep's best trial, None while there is no score."""
    value = row.metrics.get(objective, math.nan)
    leader = "" if best is None else f" (sweep's best {best.score(objective):.2f}, trial {best.number})"
    cost = f"{row.seconds:.1f} s"
    return f"trial {trial.number} epoch {row.epoch}/{epochs_of(trial)}: {objective} {value:.2f}, {cost}{leader}"


def end_text(trial: Trial, objective: str) -> str:
    """Formats the end of a trial, or of an attempt at it, which is on record: its best score, and the last line of the
    reason."""
    score = trial.score(objective)
    shown = "" if score is None else f", best {score:.2f} at epoch {trial.best_epoch(objective)}"
    detail = f": {trial.reason.strip().splitlines()[-1]}" if trial.reason.strip() else ""
    return f"trial {trial.number} {trial.state} after epoch {trial.last_epoch}{shown}{detail}"


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


def given_up_text(trial: Trial) -> str:
    """Formats why a lost trial is not tried again: it has ended its process, or filled the GPU, too often; '' if it
    is."""
    is_to_blame = trial.state == LOST and trial.cause in (PROCESS, GPU_MEMORY) and trial.losses >= MOST_LOSSES
    return f"given up after {trial.losses} lost attempts: {trial.reason}" if is_to_blame else ""
