"""Training states that trials take over from others in population-based training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spaces.errors import InputError
from spaces.files import write_text
from spaces.schema import config_id, dump
from trainables.config import config_from
from trainables.runs.names import CONFIG, LATEST
from trainables.weights.checkpoint import load_state, save_state

from ..record.journal import trial_folder
from ..record.trial import Trial


def take_over(folder: Path, tell: Callable[[str], None], heir: Trial, donor: Trial, config: dict[str, Any]) -> bool:
    """Gives `heir` the training state of `donor`, with the full nested config `config`; its own best weights, their
    score and the history of its epochs stay. `folder`: the sweep's. Says why and returns False if either state cannot
    be read here; OSError if the new one cannot be written. Doing it again changes nothing."""
    own, others = (trial_folder(folder, trial.number) for trial in (heir, donor))
    try:
        before, state = load_state(own / LATEST), load_state(others / LATEST)
    except InputError as error:
        tell(f"trial {heir.number} keeps its own state, as that of trial {donor.number} cannot be taken over: {error}")
        return False
    if state["epoch"] != heir.last_epoch:
        found = f"which is of epoch {state['epoch']}, not {heir.last_epoch}"
        tell(f"trial {heir.number} keeps its own state, and does not take over that of trial {donor.number}, {found}")
        return False
    made = config_from(config, f"trial {heir.number}")
    kept = {name: before[name] for name in ("best_epoch", "best_score", "history")}
    save_state(own / LATEST, state | kept | {"config_id": config_id(made), "config": dump(made)})
    write_text(own / CONFIG, dump(made))
    return True
