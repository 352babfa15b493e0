"""Left and right of recordings whose names, or whose axes, exchange them."""

from __future__ import annotations

import numpy as np

from ...poses.anatomy import FEWEST_TELLING, REVERSED, knees_bend_forwards
from ...poses.skeleton import H36M_17
from .joints import Body

AHEAD = 0.3  # cosine between foot and line of sight, from which a foot points forwards or backwards


def are_sides_exchanged(body: Body) -> bool:
    """Returns whether knees bend forwards and toes point backwards; where only one of both tells, whether it does."""
    place = {name: body.joints[:, at] for at, name in enumerate(H36M_17.joints)}
    votes = []
    share, count = knees_bend_forwards(place)
    if count >= FEWEST_TELLING:
        votes.append(share)
    across = place["LHip"] - place["RHip"]
    backwards = []
    for side, toe in body.toes.items():
        ahead = np.cross(across, place[side + "Hip"] - place[side + "Foot"])
        foot = toe - place[side + "Foot"]
        size = np.linalg.norm(ahead, axis=-1) * np.linalg.norm(foot, axis=-1)
        slope = (ahead * foot).sum(-1) / np.maximum(size, 1e-12)
        backwards.append(slope[np.abs(slope) > AHEAD] < 0)
    told = np.concatenate(backwards) if backwards else np.zeros(0, np.bool_)
    if len(told) >= FEWEST_TELLING:
        votes.append(float(told.mean()))
    return bool(votes) and min(votes) > REVERSED
