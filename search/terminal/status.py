"""Running figures of a sweep, as the panel shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class RunningTrial(NamedTuple):
    """One running trial. `epoch`: the last on record, of `epochs`; `last`, `score`: value of the objective in that
    epoch, and the trial's score (None: none yet); `rungs`: epochs at which it is compared with others; `knobs`: those
    in which it differed from the best trial when it began, as text."""

    number: int
    epoch: int
    epochs: int
    last: float | None
    score: float | None
    rungs: tuple[int, ...]
    knobs: str


class Best(NamedTuple):
    """The best trial so far, its score, and the epoch of that score, of `epochs`."""

    number: int
    score: float
    epoch: int
    epochs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Figures of a running sweep. `about`: what is searched, one line; `trials`: their number in all; `done`: how many
    have ended, `failed` of them by an error; `paused`: how many wait at a rung; `spent_s`: seconds of all sessions;
    `left_s`: as forecast (None: not known yet); `spend`: device-hours and their cost, as text; `is_single`: it is one
    run of `train`, whose only trial is of more interest than counts of trials."""

    name: str
    about: str
    objective: str
    trials: int
    done: int
    failed: int
    paused: int
    running: tuple[RunningTrial, ...]
    best: Best | None
    spent_s: float
    left_s: float | None
    spend: str
    is_single: bool = False

    @property
    def left(self) -> int:
        """Returns the number of trials that have not begun."""
        return max(0, self.trials - self.done - self.paused - len(self.running))
