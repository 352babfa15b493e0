"""Detection of joints that were not found, whatever number a detector writes in their place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIXED = (0.0, -1.0)  # both coordinates of what was not found, exactly
FAR = 1.0  # sides of the image beyond its edge; no joint of a body inside is guessed there


def not_detected(
    points: Points, score: Points | None, width: int | None, height: int | None, min_score: float = 0.0
) -> tuple[NDArray[np.bool_], list[str]]:
    """Returns the mask [n, J] of joints in `points` [n, J, 2], pixels, that were not detected, and a note that counts
    them by reason ([] where all were, or are only nan).

    A joint counts as not detected when a coordinate is nan, its score [n, J] is 0 or less or below `min_score`, it lies
    at exactly (0, 0) or (-1, -1), all joints of its frame are one point, or it lies outside the image on both axes, or
    far outside on one, while most of the body lies inside. width, height: of the image, None where they are not
    known."""
    gone: Mask = np.asarray(np.isnan(points).any(-1))
    reasons: dict[str, Mask] = {}
    if score is not None:
        reasons["scored 0"] = ~(score > 0)
        if min_score > 0:
            reasons[f"scored below {min_score:g}"] = ~(score >= min_score)
    for value in FIXED:
        reasons[f"at ({value:g}, {value:g})"] = (points == value).all(-1)
    reasons["in frames whose joints are one point"] = _is_one_point(points)[:, None] & ~gone
    counts: dict[str, int] = {}
    first: Mask = gone.copy()
    for reason, mask in reasons.items():
        counts[reason] = int((mask & ~first).sum())
        first |= mask
    if width is not None and height is not None:
        stray = _is_stray(points, first, np.array((width, height), np.float64))
        counts["outside the image while the body is inside"] = int(stray.sum())
        first |= stray
    told = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    if not told:
        return first, []
    new = first & ~gone
    return first, [f"{new.sum()} joints in {np.count_nonzero(new.any(1))} frames count as not detected: {told}"]


def _is_one_point(points: Points) -> NDArray[np.bool_]:
    """Returns whether all joints of a frame are the same point, [n]; False for fewer than three joints."""
    if points.shape[1] < 3 or not len(points):
        return np.zeros(len(points), np.bool_)
    same: NDArray[np.bool_] = (points == points[:, :1]).all((1, 2))
    return same


def _is_stray(points: Points, gone: NDArray[np.bool_], size: Points) -> NDArray[np.bool_]:
    """Returns the joints [n, J] outside the image that cannot belong to a body most of whose joints are inside."""
    with np.errstate(invalid="ignore"):
        is_out = (points < 0) | (points > size)
        is_far = ((points < -FAR * size) | (points > (1 + FAR) * size)).any(-1)
    seen = ~gone & np.isfinite(points).all(-1)
    inside = (~is_out.any(-1) & seen).sum(1)
    is_body_inside = 2 * inside > seen.sum(1)
    stray: NDArray[np.bool_] = seen & is_body_inside[:, None] & (is_out.all(-1) | is_far)
    return stray
