"""Writer of C3D files: predicted joints as labelled points, by the package ezc3d, which only who asks for it needs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO

import ezc3d
import numpy as np

from .motion import MM, Motion


def write_c3d(file: BinaryIO, motion: Motion) -> None:
    """Writes the joints in millimetres, y up; points of frames without a detection are marked as invalid, as the format
    has it."""
    content = ezc3d.c3d()
    points = np.ones((4, motion.skeleton.num_joints, len(motion.points)))
    points[:3] = MM * np.where(motion.is_missing[:, None, None], np.nan, motion.points).transpose(2, 1, 0)
    told = content["parameters"]["POINT"]
    told["UNITS"]["value"], told["RATE"]["value"] = ["mm"], [motion.fps]
    told["LABELS"]["value"] = list(motion.skeleton.joints)
    content.add_parameter("POINT", "X_SCREEN", ["+X"])
    content.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    content["data"]["points"] = points
    with tempfile.TemporaryDirectory() as folder:  # the package writes to paths only
        path = Path(folder) / "motion.c3d"
        content.write(str(path))
        file.write(path.read_bytes())
