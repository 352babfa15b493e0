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


def start_text(trial: Trial, what: str) -> str:
    """Formats the start of an attempt, which is on record, and whose state it takes over. `what`: as of
    `choice_text`."""
    again = f" again, after epoch {trial.last_epoch}" if trial.attempts > 1 else ""
    turn = trial.turns[-1] if trial.turns and trial.turns[-1].epoch == trial.last_epoch else None
    again += "" if turn is None else f" of trial {turn.donor}"
    return f"trial {trial.number} starts{again}: {what}" if what else f"trial {trial.number} starts{again}"


def choice_text(trial: Trial, recipe: str, rival: Trial | None) -> str:
    """Formats what a trial trains next: the knobs in which it differs from `rival`, the sweep's best trial, or trial 0
    while there is no score (None: it is trial 0 itself). `recipe`: the one that is trial 0, '' where that is none."""
    if trial.number == 0 and recipe and not trial.turns:
        return f"recipe {recipe}"
    return "the sweep's best" if rival is trial else _difference(trial, rival)


def _difference(trial: Trial, rival: Trial | None) -> str:
    """Formats the knobs of the next epoch of a trial that differ from those of the last epoch of another one (None: all
    of them)."""
    knobs = trial.knobs_at(trial.last_epoch + 1)
    if rival is None:
        return point_text(knobs)
    others = rival.knobs_at(max(rival.last_epoch, 1))
    # What a point lacks has the recipe's value.
    own = {path: knobs.get(path, trial.knob(path)) for path in {**knobs, **others}}
    found = {path: value for path, value in own.items() if value != others.get(path, rival.knob(path))}
    is_partly = len(found) < len(own)
    return ", else ".join(filter(None, (point_text(found), f"as trial {rival.number}" if is_partly else "")))


def epoch_line(trial: Trial, row: EpochRow, objective: str, best: Trial | None) -> str:
    """Formats a completed epoch. `best`: the sweep's best trial, None while there is no score."""
    value = row.metrics.get(objective, math.nan)
    count = f"epoch {row.epoch}/{epochs_of(trial)}"
    return f"trial {trial.number} {count}: {objective} {value:.2f}, {row.seconds:.1f} s{_leader(best, objective)}"


def end_text(trial: Trial, objective: str, best: Trial | None) -> str:
    """Formats the end of a trial, or of an attempt at it, which is on record: its best score, that of the sweep, whose
    best trial is `best`, and the last line of the reason."""
    score = trial.score(objective)
    shown = "" if score is None else f", best {score:.2f} at epoch {trial.best_epoch(objective)}"
    if score is not None:
        shown += " (the sweep's best)" if best is trial else _leader(best, objective)
    detail = f": {trial.reason.strip().splitlines()[-1]}" if trial.reason.strip() else ""
    return f"trial {trial.number} {trial.state} after epoch {trial.last_epoch}{shown}{detail}"


def _leader(best: Trial | None, objective: str) -> str:
    return "" if best is None else f" (sweep's best {best.score(objective):.2f}, trial {best.number})"


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
