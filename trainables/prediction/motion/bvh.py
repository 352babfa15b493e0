"""Writer of Biovision files (.bvh): the hierarchy of a fitted rig and its rotations, in centimetres and degrees."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .fitting import Fitted

Numbers = NDArray[np.float64]

# The file tells no unit; animation software counts in centimetres.
CM = 100.0
PLACES = "Xposition Yposition Zposition"
ROTATIONS = "Zrotation Xrotation Yrotation"  # carried out from the last to the first; the order that most files have
LEVEL = 1e-7  # cosine of the middle angle, below which the outer two turn about one axis
ROWS = 4096  # formatted at a time


def write_bvh(file: BinaryIO, found: Fitted) -> None:
    """Writes the motion with y up; 1 to 6 decimals, so that joints are where they were fitted within 0.01 mm."""
    file.write(_hierarchy(found).encode())
    count = len(found.root)
    file.write(f"MOTION\nFrames: {count}\nFrame Time: {1 / found.fps:.9g}\n".encode())
    angles = np.degrees(np.unwrap(euler_zxy(found.turns), axis=0)).reshape(count, -1)
    values = np.concatenate((CM * found.root, angles), axis=1)
    for first in range(0, count, ROWS):
        # Rounded first, and zero added: "-0.0000" reads badly.
        np.savetxt(file, np.round(values[first : first + ROWS], 4) + 0.0, "%.4f")


def euler_zxy(matrices: Numbers) -> Numbers:
    """Computes angles [..., 3] z, x, y in radians of rotations [..., 3, 3] = Rz Rx Ry; y is 0 where x is a right
    angle."""
    x = np.arcsin(np.clip(matrices[..., 2, 1], -1, 1))
    is_level = np.hypot(matrices[..., 2, 0], matrices[..., 2, 2]) < LEVEL
    z = np.where(
        is_level,
        np.arctan2(matrices[..., 1, 0], matrices[..., 0, 0]),
        np.arctan2(-matrices[..., 0, 1], matrices[..., 1, 1]),
    )
    y = np.where(is_level, 0.0, np.arctan2(-matrices[..., 2, 0], matrices[..., 2, 2]))
    return np.stack((z, x, y), axis=-1)


def _hierarchy(found: Fitted) -> str:
    nodes, lines = found.rig.nodes, ["HIERARCHY"]

    def add(at: int, depth: int) -> None:
        pad, node = "\t" * depth, nodes[at]
        lines.append(f"{pad}{'JOINT' if at else 'ROOT'} {node.name}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}\tOFFSET {_text(found.offsets[at])}")
        lines.append(f"{pad}\tCHANNELS {f'6 {PLACES}' if not at else '3'} {ROTATIONS}")
        children = [child for child, other in enumerate(nodes) if other.parent == at]
        for child in children:
            add(child, depth + 1)
        if not children:
            lines.extend((f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_text(found.tips[at])}", f"{pad}\t}}"))
        lines.append(f"{pad}}}")

    add(0, 0)
    return "\n".join(lines) + "\n"


def _text(metres: Numbers) -> str:
    return " ".join(f"{value:.4f}" for value in np.round(CM * metres, 4) + 0.0)
