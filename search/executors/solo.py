"""Solo executor: a trial as a Tune function trainable on one device; later trials reuse the process."""

from __future__ import annotations

from typing import Any

from ray import tune

from trainables.devices.device import pick_device
from trainables.devices.team import Team

from .attempt import run_attempt
from .faults import losses_reported


def train_trial(task: dict[str, Any]) -> None:
    """Trains one attempt in this process. `task` as in `run_attempt`."""
    with losses_reported(task["trial"], tune.report):
        run_attempt(task, pick_device(), Team(), tune.report)
