"""Training of the solo executor, in the process of a trial."""

from __future__ import annotations

from typing import Any

from ray import tune

from trainables.devices.device import pick_device
from trainables.devices.team import Team

from .attempt import run_attempt
from .faults import losses_reported


def train_here(task: dict[str, Any]) -> None:
    """Trains one attempt in this process. `task` as in `run_attempt`."""
    with losses_reported(task["trial"], tune.report):
        run_attempt(task, pick_device(), Team(), tune.report)
