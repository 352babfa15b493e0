"""Tracking of people through the frames of one video: pose by pose where it is clear, then over gaps by motion.

Both steps assign by the Hungarian method (Kuhn 1955). Distances are in units of the body's size, so that nothing
depends on the resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from .detectors.numbers import Points

Numbers = NDArray[np.int64]
# Body sizes that the median joint may move from one frame to the next: at least, at most, and as a multiple of what is
# usual in the video. Beyond, or where a second person is nearly as near, a track is cut and step two decides.
LEAST, MOST, USUAL_FACTOR = 0.06, 0.5, 4.0
CLEAR = 2.0  # how much farther the second nearest person must be
# Over a gap of g frames the middle of a body may be off its extrapolated place by START + GROWTH * g body sizes, at most
# FARTHEST; a gap is at most LONGEST frames. Its extrapolation uses the last frames before and the first ones after it.
START, GROWTH, FARTHEST, LONGEST = 1.0, 0.1, 4.0, 500
MOTION, EXTRAPOLATED = 12, 25  # frames
SIZES = 2.0  # how many times larger a person may become over a gap
FEWEST = 3  # joints that two detections must share to be compared


@dataclass(frozen=True, slots=True)
class Tracks:
    """Tracks of m detections. track [m]: number of the person, in order of appearance; doubtful: frames at which the
    person of that number was not clear, by person."""

    track: Numbers
    doubtful: dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class _Bodies:
    """Joints [m, J, 2] of detections, nan where there is none; middle [m, 2] and size [m] of each."""

    joints: Points
    middle: Points
    size: Points


def tracked(values: Points, frame: Numbers, step: int = 1) -> Tracks:
    """Follows the people in detections [m, J, 2 or 3], sorted by frame [m]; joints with a score of 0 or at (0, 0) are
    not compared. Frames without a person are gaps."""
    bodies = _bodies(values)
    time = (frame - frame[0]) // step
    pieces, cut = _pieces(bodies, time)
    return _linked(bodies, time, pieces, cut, frame)


def _bodies(values: Points) -> _Bodies:
    joints = values[..., :2].copy()
    gone = (joints == 0).all(-1) | ~np.isfinite(joints).all(-1)
    if values.shape[-1] > 2:
        gone |= ~(values[..., 2] > 0)
    joints[gone] = np.nan
    nobody = gone.all(1)
    joints[nobody] = 0.0  # Without any joint: a point that is near nobody, so that nothing below meets nan alone.
    middle = np.nanmedian(joints, 1)
    extent = np.nanmax(joints, 1) - np.nanmin(joints, 1)
    joints[nobody] = np.nan
    # The height of a standing, the width of a lying body; half of a body is in the image at times.
    size = np.maximum(np.hypot(extent[:, 0], extent[:, 1]), 1e-6)
    return _Bodies(joints, middle, size)


def _pieces(bodies: _Bodies, time: Numbers) -> tuple[Numbers, set[int]]:
    """Step one: returns the piece of each detection, and the detections at which a piece ends because a second person
    was nearly as near."""
    piece = np.full(len(time), -1, np.int64)
    velocity = np.zeros((len(time), 2))
    cut: set[int] = set()
    usual, count = 0.02, 0
    before: NDArray[np.int64] = np.array([], np.int64)
    last = -1
    for rows in _by_frame(time):
        now = int(time[rows[0]])
        links: list[tuple[int, int, float]] = []
        if len(before) and now == last + 1:
            far = _distances(bodies, before, rows, velocity)
            limit = min(max(LEAST, USUAL_FACTOR * usual), MOST)
            links, unclear = _clear(far, limit)
            cut.update(int(rows[at]) for at in unclear)
        for old, new, distance in links:
            a, b = int(before[old]), int(rows[new])
            piece[b] = piece[a]
            moved = _moved(bodies, a, b)
            velocity[b] = moved if not velocity[a].any() else (velocity[a] + moved) / 2
            usual += (min(distance, MOST) - usual) / 50
        for at in rows[piece[rows] < 0]:
            piece[at] = count
            count += 1
        before, last = rows, now
    return piece, cut


def _by_frame(time: Numbers) -> Iterator[NDArray[np.int64]]:
    edges = np.flatnonzero(np.diff(time)) + 1
    yield from np.split(np.arange(len(time)), edges)


def _distances(bodies: _Bodies, old: Numbers, new: Numbers, velocity: Points) -> Points:
    """Returns how far the median joint of each old body, moved on, lies from each new one, [old, new], in body sizes;
    infinite where too few joints are shared."""
    ahead = bodies.joints[old] + velocity[old][:, None]
    away = np.linalg.norm(ahead[:, None] - bodies.joints[new][None], axis=-1)
    known = np.isfinite(away)
    enough = known.sum(-1) >= min(FEWEST, away.shape[-1])
    away[~enough] = np.inf
    size = np.maximum(bodies.size[old][:, None], bodies.size[new][None])
    found: Points = np.nanmedian(away, -1) / size
    return found


def _moved(bodies: _Bodies, old: int, new: int) -> Points:
    found: Points = np.nanmedian(bodies.joints[new] - bodies.joints[old], 0)
    return np.where(np.isfinite(found), found, 0.0)


def _clear(far: Points, limit: float) -> tuple[list[tuple[int, int, float]], list[int]]:
    """Returns the pairs (old, new, distance) that are near enough and clear, and the new bodies whose pair is not."""
    if far.shape == (1, 1):
        return ([(0, 0, float(far[0, 0]))], []) if far[0, 0] <= limit else ([], [])
    links, unclear = [], []
    for old, new in zip(*linear_sum_assignment(np.minimum(far, 1e6)), strict=True):
        own = far[old, new]
        if own > limit:
            continue
        others = min(np.delete(far[old], new).min(initial=np.inf), np.delete(far[:, new], old).min(initial=np.inf))
        if others < CLEAR * max(own, LEAST / 4):
            unclear.append(int(new))
        else:
            links.append((int(old), int(new), float(own)))
    return links, unclear


def _linked(bodies: _Bodies, time: Numbers, piece: Numbers, cut: set[int], frame: Numbers) -> Tracks:
    """Step two: joins the pieces over gaps, at the least sum of distances."""
    order = np.argsort(piece, kind="stable")
    count = int(piece.max()) + 1
    edges = np.searchsorted(piece[order], np.arange(count + 1))
    rows = [order[edges[at] : edges[at + 1]] for at in range(count)]
    starts = np.array([time[own[0]] for own in rows])
    ends = np.array([time[own[-1]] for own in rows])
    motion = [(_motion(bodies, time, own[-MOTION:]), _motion(bodies, time, own[:MOTION])) for own in rows]
    pairs: list[tuple[int, int, float]] = []
    for a in range(count):
        # Pieces are numbered by their start.
        first = int(np.searchsorted(starts, ends[a], side="right"))
        last = int(np.searchsorted(starts, ends[a] + LONGEST, side="right"))
        for b in range(first, last):
            cost = _gap_cost(bodies, rows[a], rows[b], motion[a][0], motion[b][1], int(starts[b] - ends[a]))
            if cost < 1:
                pairs.append((a, b, cost))
    follows = _assigned(pairs, count)
    number = np.full(count, -1, np.int64)
    doubtful: dict[int, list[int]] = {}
    people = 0
    previous = {b: a for a, b in follows.items()}
    cost_of = {(a, b): cost for a, b, cost in pairs}
    rivals = _rivals(pairs)
    for b in range(count):
        if b in previous:
            a = previous[b]
            number[b] = number[a]
            if rivals(a, b) < CLEAR * cost_of[a, b] or int(rows[b][0]) in cut:
                doubtful.setdefault(int(number[b]), []).append(int(frame[rows[b][0]]))
        else:
            number[b] = people
            people += 1
    return Tracks(number[piece], doubtful)


def _motion(bodies: _Bodies, time: Numbers, rows: Numbers) -> Points:
    """Returns the velocity [2] of a piece over some frames, by least squares."""
    if len(rows) < 3:
        return np.zeros(2)
    t = (time[rows] - time[rows].mean()).astype(np.float64)
    found: Points = t @ bodies.middle[rows] / (t @ t)
    return found


def _gap_cost(bodies: _Bodies, old: Numbers, new: Numbers, leaving: Points, coming: Points, gap: int) -> float:
    """Returns the cost of one person before and after a gap, below 1 where it is possible."""
    a, b = int(old[-1]), int(new[0])
    size = max(bodies.size[a], bodies.size[b])
    if size > SIZES * min(bodies.size[a], bodies.size[b]):
        return np.inf
    for way in (leaving, coming):
        # Nobody goes straight on for long.
        way = way * min(gap, EXTRAPOLATED)
    ahead = bodies.middle[a] + leaving * min(gap, EXTRAPOLATED) - bodies.middle[b]
    behind = bodies.middle[b] - coming * min(gap, EXTRAPOLATED) - bodies.middle[a]
    still = bodies.middle[b] - bodies.middle[a]
    off = (np.hypot(*ahead) + np.hypot(*behind)) / 2 / size
    # A person may have stopped in a gap.
    off = min(off, np.hypot(*still) / size + 0.3)
    limit = min(START + GROWTH * (gap - 1), FARTHEST)
    shape = bodies.joints[a] - bodies.middle[a] - bodies.joints[b] + bodies.middle[b]
    away = np.linalg.norm(shape, axis=-1)
    known = np.isfinite(away)
    other = float(np.median(away[known])) / size if known.sum() >= FEWEST else 0.2
    # The shape tells people apart over a few frames, until their legs have moved on.
    return float((off + 2 * other / (1 + gap / 5)) / limit)


def _rivals(pairs: list[tuple[int, int, float]]):  # type: ignore[no-untyped-def]
    nearest: dict[tuple[str, int], list[float]] = {}
    for a, b, cost in pairs:
        nearest.setdefault(("a", a), []).append(cost)
        nearest.setdefault(("b", b), []).append(cost)

    def second(a: int, b: int) -> float:
        found = [sorted(nearest[key])[1] for key in (("a", a), ("b", b)) if len(nearest[key]) > 1]
        return min(found, default=np.inf)

    return second


def _assigned(pairs: list[tuple[int, int, float]], count: int) -> dict[int, int]:
    """Returns which piece follows which, at the least sum of costs where a piece without a successor costs 1."""
    if not pairs:
        return {}
    a, b, cost = (np.array(column) for column in zip(*pairs, strict=True))
    # Each piece may end in a place of its own at the price of 1: columns count to 2 count.
    all_rows = np.concatenate((a, np.arange(count)))
    columns = np.concatenate((b, np.arange(count) + count))
    prices = np.concatenate((cost + 1e-9, np.ones(count)))
    graph = coo_array((prices, (all_rows, columns)), shape=(count, 2 * count)).tocsr()
    first, second = min_weight_full_bipartite_matching(graph)
    return {int(one): int(other) for one, other in zip(first, second, strict=True) if other < count}
