"""The pictures that stand beside a run's best weights."""

from __future__ import annotations

import sys
from pathlib import Path

from trainables.config import TrainConfig
from trainables.pictures.validation import draw_val, has_pictures
from trainables.runs.names import BEST

from ..tracking.projection import PICTURE

REASON_CHARACTERS = 500


def draw_best(config: TrainConfig, folder: Path, who: str) -> bool:
    """Draws what the best weights in the folder of a run make of images of `val`; whether there is a picture now.

    A model without pictures has none, and says nothing. What goes wrong is told in one line and ends nothing: the run
    that would be pictured is done. `who`: the run, in that line."""
    target = folder / PICTURE
    if not has_pictures(config):
        return False
    try:
        target.unlink(missing_ok=True)  # of an earlier best epoch
        draw_val(config, folder / BEST, target)
    except (Exception, KeyboardInterrupt) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_CHARACTERS]
        print(f"the meshes of {who} were not drawn: {told}", file=sys.stderr)
        return False
    print(f"meshes of {who} on images of val: {target}", flush=True)
    return True
