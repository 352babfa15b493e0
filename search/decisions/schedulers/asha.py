"""ASHA: asynchronous successive halving with pauses and promotions, in one bracket."""

from __future__ import annotations

from ...record.options.choices import rungs
from .halving import Halving


class Asha(Halving):
    """Scheduler `asha`: all trials compete at the same rungs. Arguments: `grace`, the first rung; `reduction`, the
    factor from rung to rung, and of how many trials one is promoted; `epochs`, below which the rungs lie; `objective`,
    the metric to minimise, or several with commas between."""

    def __init__(self, grace: int, reduction: int, epochs: int, objective: str) -> None:
        super().__init__("asha", [rungs(grace, reduction, epochs)], objective, reduction)
