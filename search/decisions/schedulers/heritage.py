"""Training states that trials take over from others, in population-based training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...record.records import PAUSED
from ...record.trial import Trial, config_with
from .protocol import Heritage, Scheduler


def taken_over(
    scheduler: Scheduler,
    trial: Trial,
    trials: Mapping[int, Trial],
    adopt: Callable[[Trial, Trial, dict[str, Any]], bool],
) -> Heritage | None:
    """Hands a trial that goes on the training state that it takes over, before that is on record; returns what it takes
    over, None if nothing. `trials`: those of the sweep by number; `adopt`: as of `Conductor`."""
    found = scheduler.heritage_of(trial.number) if trial.state == PAUSED else None
    if found is None:
        return None
    config = config_with(trial.config, found.knobs)
    return found if adopt(trial, trials[found.donor], config) else None
