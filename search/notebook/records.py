"""Records that callbacks and `Sweep.best` hand out: plain values, copies of what the journal holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRecord:
    """A completed epoch of a trial. `metrics`: name -> validation value."""

    trial: int
    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRecord:
    """End of a trial. `state`: 'finished', 'pruned', 'diverged', 'failed' or 'stopped'; `score`: value of the objective
    at its best epoch (None: it has none)."""

    trial: int
    state: str
    score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """A trial with a score. `number`: in the sweep; `score`: value of the objective at `best_epoch`; `epochs`: last
    recorded epoch; `knobs`: dotted path -> value of the searched knobs; `metrics`: name -> value at the best epoch;
    `config`: the complete config as a nested mapping, which `export` writes."""

    number: int
    state: str
    score: float
    best_epoch: int
    epochs: int
    config_id: str
    knobs: dict[str, Any]
    metrics: dict[str, float]
    config: dict[str, Any]
