"""Writer of the submission file of FreiHAND's evaluation: joints and vertices of every test image, in its order."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

IMAGES = 3960  # of FreiHAND's evaluation set
DIGITS = 6  # behind the point, of metres: a thousandth of a millimetre
PUBLISHED_EPOCH = 200  # of weights that do not tell theirs: the published ones, which were trained for so many
MEMBER = "pred.json"
DATED = (1980, 1, 1, 0, 0, 0)  # as early as an archive can say: equal predictions make equal files


def submission_path(out: Path, facts: Mapping[str, Any], *, multiscale: bool) -> Path:
    """Returns the path beside `out`, under the published name. facts: those of the weights."""
    runs = "multisc" if multiscale else "sc10_rot0"
    return out.parent / f"ckpt{facts.get('epoch', PUBLISHED_EPOCH)}-{runs}-pred.zip"


def write_submission(file: BinaryIO, joints: NDArray[np.float32], vertices: NDArray[np.float32]) -> None:
    """Writes [list of joints [21, 3], list of vertices [778, 3]] as JSON in an archive, from [n, 21, 3] and [n, 778, 3]
    metres from the wrist, rounded to DIGITS; only one sample at a time is held as text."""
    member = zipfile.ZipInfo(MEMBER, DATED)
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(file, "w") as archive, archive.open(member, "w", force_zip64=True) as text:
        text.write(b"[")
        for place, points in enumerate((joints, vertices)):
            text.write(b"[" if place == 0 else b",[")
            for at, sample in enumerate(points):
                numbers = json.dumps(np.round(sample.astype(np.float64), DIGITS).tolist(), separators=(",", ":"))
                text.write(f"{',' if at else ''}{numbers}".encode())
            text.write(b"]")
        text.write(b"]")
