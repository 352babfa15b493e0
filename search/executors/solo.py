"""Solo executor: a trial as a Tune function trainable on one device; later trials reuse the process. Imports no torch,
which the process that starts trials does not need."""

from __future__ import annotations

from typing import Any

from spaces.loading import named


def train_trial(task: dict[str, Any]) -> None:
    """Trains one attempt in this process. `task` as in `run_attempt`."""
    named("search.executors.alone:train_here")(task)
