"""Attempts at trials, as the conductor hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a trial: the trial's number, the attempt's number from 1, the full config to train, the last
    recorded epoch to continue after (0: from the start), the number of parts into which a batch is split beyond the
    config's, the ids of the shorter configs whose training state it continues, and the costs to measure and report
    before the first epoch."""

    trial: int
    attempt: int
    config: dict[str, Any]
    after_epoch: int
    parts: int = 1
    former: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
