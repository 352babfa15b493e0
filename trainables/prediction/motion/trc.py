"""Writer of TRC files (track row column, of OpenSim): predicted joints as named markers, in a table of text."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from .motion import MM, Motion


def write_trc(file: BinaryIO, motion: Motion, name: str) -> None:
    """Writes the joints in millimetres, y up; frames without a detection are empty fields. name: of the file, which the
    format repeats in its first line."""
    joints, count = motion.skeleton.joints, len(motion.points)
    rate = f"{motion.fps:g}"
    lines = (
        ("PathFileType", "4", "(X/Y/Z)", " ".join(name.split())),
        (
            *("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units"),
            *("OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"),
        ),
        (rate, rate, str(count), str(len(joints)), "mm", rate, "1", str(count)),
        ("Frame#", "Time", *(text for joint in joints for text in (joint, "", ""))),
        ("", "", *(f"{axis}{number}" for number in range(1, len(joints) + 1) for axis in "XYZ")),
        (),
    )
    file.write("".join("\t".join(line) + "\n" for line in lines).encode())
    values = np.round(MM * motion.points.reshape(count, -1), 3) + 0.0  # "-0.000" reads badly
    # A tab ends every row: without it OpenSim drops the last of the empty fields, and refuses the row.
    whole, empty = "\t%.3f" * values.shape[1], "\t" * values.shape[1]
    for at, is_missing in enumerate(motion.is_missing.tolist()):
        points = empty if is_missing else whole % tuple(values[at])
        file.write(f"{at + 1}\t{at / motion.fps:.6f}{points}\t\n".encode())
