"""A trial as a Tune function trainable on one device; its process is reused by later trials."""

from __future__ import annotations

from typing import Any

from ray import tune

from trainables.devices.device import pick_device
from trainables.devices.team import Team

from .attempt import run_attempt


def train_trial(task: dict[str, Any]) -> None:
    """Trains one attempt in this process."""
    run_attempt(task, pick_device(), Team(), tune.report)
