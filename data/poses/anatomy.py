"""Anatomy of poses: knees that bend one way only, which tells left from right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

FLEXED = np.sin(np.radians(30))  # of the knee; a straight leg has no side, and one that bends back bends less
SIDEWAYS = 0.5  # cosine between the axis of a knee and the line of the hips, below which a frame tells nothing
FEWEST_TELLING = 10  # frames with a knee that tells
REVERSED = 0.8  # share of them in which the knees bend forwards, from which left and right are exchanged


def knees_bend_forwards(place: Mapping[str, Points]) -> tuple[float, int]:
    """Returns the share of knees that bend the way no knee does, and the number of knees over frames that could tell.

    `place`: LHip, LKnee, LFoot, RHip, RKnee, RFoot -> positions [n, 3] in any unit and right-handed axes. Exchanged
    names of left and right look like that, and so do mirrored axes."""
    across = place["LHip"] - place["RHip"]
    votes = []
    for side in "LR":
        thigh, shin = place[side + "Knee"] - place[side + "Hip"], place[side + "Foot"] - place[side + "Knee"]
        axis = np.cross(thigh, shin)
        bent = np.linalg.norm(axis, axis=-1)
        slope = (axis * across).sum(-1) / np.maximum(bent * np.linalg.norm(across, axis=-1), 1e-12)
        is_flexed = bent > FLEXED * np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        votes.append(slope[is_flexed & (np.abs(slope) > SIDEWAYS)])
    told = np.concatenate(votes)
    return (float((told < 0).mean()) if len(told) else 0.0), len(told)


def are_sides_exchanged(place: Mapping[str, Points]) -> bool:
    """Returns whether the knees of a clip say that its left is the right."""
    share, count = knees_bend_forwards(place)
    return count >= FEWEST_TELLING and share > REVERSED
