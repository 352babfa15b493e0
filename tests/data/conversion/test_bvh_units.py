"""Units of the numbers in a BVH."""

import numpy as np
import pytest

from data.conversion.motion.bvh import move, read_bvh
from tests.made.recordings.walker import bvh


def in_radians(text):
    """A BVH whose angles, but not its places, are in radians."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("Frame Time"))
    rows = np.array([line.split() for line in lines[start + 1 :]], float)
    rows[:, 3:] = np.radians(rows[:, 3:])
    return "\n".join([*lines[: start + 1], *(" ".join(f"{x:.6f}" for x in row) for row in rows)])


@pytest.mark.parametrize(("text", "is_told"), [(bvh(), False), (in_radians(bvh()), True)])
def test_angles_that_may_be_radians_are_told(tmp_path, text, is_told):
    (tmp_path / "a.bvh").write_text(text)
    notes = move(read_bvh(tmp_path / "a.bvh")).notes
    assert any("BVH counts degrees; if these are radians, everybody is stiff here" in note for note in notes) == is_told
