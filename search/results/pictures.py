"""Pictures of a run's best weights, drawn after training."""

from __future__ import annotations

import sys
from pathlib import Path

from spaces.errors import one_line
from trainables.config import TrainConfig
from trainables.pictures.validation import draw_val, has_pictures
from trainables.runs.names import BEST

from ..tracking.projection import PICTURE


def draw_best(config: TrainConfig, folder: Path, who: str) -> bool:
    """Draws the predictions of a run's best weights on validation images, into the run's folder; returns whether a
    picture was drawn.

    Returns False without a message for a model that has no pictures. An error is printed in one line and not raised,
    because the run itself is complete. `who`: name of the run in messages."""
    target = folder / PICTURE
    if not has_pictures(config):
        return False
    try:
        target.unlink(missing_ok=True)  # of an earlier best epoch
        draw_val(config, folder / BEST, target)
    except (Exception, KeyboardInterrupt) as error:
        told = one_line(error)
        print(f"the meshes of {who} were not drawn: {told}", file=sys.stderr)
        return False
    print(f"meshes of {who} on images of val: {target}", flush=True)
    return True
