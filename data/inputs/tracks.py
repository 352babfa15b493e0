"""Tracking of people through the frames of one video: pose by pose where that is clear, then over gaps, short ones
first, by place, way, shape and size.

Both steps assign by the Hungarian method (Kuhn 1955). Distances are in units of the body's size, so that nothing
depends on the resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from .detectors.numbers import Points

Numbers = NDArray[np.int64]
# Body sizes that the median joint may move from one frame to the next: at least, at most, and as a multiple of what is
# usual in the video. Beyond, or where a second person is nearly as near, a piece ends and step two decides.
LEAST, MOST, USUAL_FACTOR = 0.06, 0.5, 4.0
CLEAR = 3.0  # how much farther the second nearest person must be
# Step two: gaps in frames, of one round after the other; what is joined in one tells more in the next.
GAPS = (2, 5, 12, 30, 80, 200, 500)
MEMORY = 25  # frames of a piece, before and behind a gap, that tell where it goes and what it looks like
# Standard deviations, in body sizes, of what differs over a gap of g frames: a part that is always there, and one that
# grows with g. `look` is the pose at the gap, `shape` that of the frames around it, `way` the velocity.
PLACE, LOOK, SHAPE, WAY = (0.025, 0.004), (0.03, 0.003), (0.035, 0.001), (0.005, 0.0001)
WAY_OF_SHORT = 0.03  # of the velocity of a piece of one frame; less by its length
SIZE = 0.08  # of the logarithm of the size
# Over a short gap what differs counts for at most MOST_SIGMAS: a person may turn round within a frame, as long as
# the place, REACH body sizes and so many more a frame, leaves no doubt.
SHORT_GAP, MOST_SIGMAS, REACH = 50, 5.0, (0.5, 0.03, 1.5)
MISSED, MOST_MISSED = 0.3, 15.0  # cost of a frame without the person, and of all of a gap
FARTHEST = 80.0  # a cost, half a sum of squares as in a negative log likelihood, beyond which it is someone else
LIKELY = 7.0
RIVALS = 50
SURE = 4.0  # by how much the next best cost must be larger for a join before the last round
CHUNK = 4096  # detections at a time
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


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a piece: place [2] and velocity [2] of the middle, by least squares; pose [J, 2] of the last frame and
    shape [J, 2] of the last ones, from the middle; size; number of frames it is made from."""

    place: Points
    way: Points
    pose: Points
    shape: Points
    size: float
    frames: int


def tracked(values: Points, frame: Numbers, step: int = 1) -> Tracks:
    """Follows the people in detections [m, J, 2 or 3], sorted by frame [m]; joints with a score of 0 or at (0, 0) are
    not compared. Frames without a person are gaps."""
    bodies = _bodies(values)
    time = (frame - frame[0]) // step
    piece = _pieces(bodies, time)
    return _joined(bodies, time, piece, frame)


def _bodies(values: Points) -> _Bodies:
    joints = values[..., :2].copy()
    gone = (joints == 0).all(-1) | ~np.isfinite(joints).all(-1)
    if values.shape[-1] > 2:
        gone |= ~(values[..., 2] > 0)
    joints[gone] = np.nan
    nobody = gone.all(1)
    # Without any joint: a point that is near nobody, so that nothing below meets nan alone.
    joints[nobody] = 0.0
    middle = np.nanmean(joints, 1)
    extent = np.nanmax(joints, 1) - np.nanmin(joints, 1)
    joints[nobody] = np.nan
    return _Bodies(joints, middle, np.maximum(np.hypot(extent[:, 0], extent[:, 1]), 1e-6))


def _pieces(bodies: _Bodies, time: Numbers) -> Numbers:
    """Step one: returns the piece of each detection. Pieces run over consecutive frames and are numbered by their
    start."""
    piece = np.full(len(time), -1, np.int64)
    velocity = np.zeros((len(time), 2))
    moved, alone = _from_one_to_the_next(bodies)
    usual, count = LEAST / USUAL_FACTOR, 0
    before: Numbers = np.array([], np.int64)
    last = -1
    for rows in _by_frame(time):
        now = int(time[rows[0]])
        if len(before) and now == last + 1:
            limit = min(max(LEAST, USUAL_FACTOR * usual), MOST)
            if len(before) == len(rows) == 1 and alone[rows[0]] <= limit:
                links = [(0, 0, float(alone[rows[0]]))]
            else:
                links = _clear(_distances(bodies, before, rows, velocity), limit)
            for old, new, distance in links:
                a, b = int(before[old]), int(rows[new])
                piece[b] = piece[a]
                way = moved[b] if b == a + 1 else _median(bodies.joints[b] - bodies.joints[a], 0)
                velocity[b] = (velocity[a] + way) / 2 if velocity[a].any() else way
                usual += (distance - usual) / 50
        for at in rows[piece[rows] < 0]:
            piece[at] = count
            count += 1
        before, last = rows, now
    return piece


def _from_one_to_the_next(bodies: _Bodies) -> tuple[Points, Points]:
    """Returns, of each detection, the median displacement [m, 2] of the joints of the one before it, and their median
    distance [m] in body sizes."""
    moved, away = np.zeros((len(bodies.size), 2)), np.full(len(bodies.size), np.inf)
    for first in range(1, len(bodies.size), CHUNK):
        here = slice(first, min(first + CHUNK, len(bodies.size)))
        step = bodies.joints[here] - bodies.joints[here.start - 1 : here.stop - 1]
        moved[here] = _median(step, 1)
        size = np.maximum(bodies.size[here], bodies.size[here.start - 1 : here.stop - 1])
        away[here] = _median(np.linalg.norm(step, axis=-1), 1, np.inf) / size
    return moved, away


def _median(values: Points, axis: int, otherwise: float = 0.0) -> Points:
    """Returns the median over an axis of what is finite, `otherwise` where that is less than FEWEST. numpy's own takes
    ten times as long where something is nan."""
    ordered = np.sort(values, axis)
    count = np.isfinite(values).sum(axis)
    middle = np.stack(((count - 1) // 2, count // 2), axis).clip(0)
    found: Points = np.take_along_axis(ordered, middle, axis).mean(axis)
    return np.where(count >= min(FEWEST, values.shape[axis]), found, otherwise)


def _by_frame(time: Numbers) -> Iterator[Numbers]:
    yield from np.split(np.arange(len(time)), np.flatnonzero(np.diff(time)) + 1)


def _distances(bodies: _Bodies, old: Numbers, new: Numbers, velocity: Points) -> Points:
    """Returns how far the median joint of each old body, moved on, lies from each new one, [old, new], in body sizes;
    infinite where too few joints are shared."""
    ahead = bodies.joints[old] + velocity[old][:, None]
    away = np.linalg.norm(ahead[:, None] - bodies.joints[new][None], axis=-1)
    size = np.maximum(bodies.size[old][:, None], bodies.size[new][None])
    found: Points = _median(away, -1, np.inf) / size
    return found


def _clear(far: Points, limit: float) -> list[tuple[int, int, float]]:
    """Returns the pairs (old, new, distance) that are near enough, and no second one nearly as near."""
    found = []
    for old, new in zip(*linear_sum_assignment(np.minimum(far, 1e6)), strict=True):
        own = float(far[old, new])
        if own > limit:
            continue
        rivals = np.concatenate((far[old], far[:, new]))
        rivals[[new, len(far[old]) + old]] = np.inf
        if rivals.min() >= CLEAR * own:
            found.append((int(old), int(new), own))
    return found


def _joined(bodies: _Bodies, time: Numbers, piece: Numbers, frame: Numbers) -> Tracks:
    """Step two: joins the pieces over gaps."""
    order = np.argsort(piece, kind="stable")
    edges = np.flatnonzero(np.diff(piece[order])) + 1
    pieces = dict(enumerate(np.split(order, edges)))
    doubts: dict[int, list[int]] = {}
    for gap in GAPS:
        pieces = _round(bodies, time, pieces, gap, frame, doubts)
    track = np.empty(len(time), np.int64)
    for number, at in enumerate(sorted(pieces, key=lambda at: int(pieces[at][0]))):
        track[pieces[at]] = number
    by_person: dict[int, list[int]] = {}
    for row, frames in doubts.items():
        by_person.setdefault(int(track[row]), []).extend(frames)
    return Tracks(track, {person: sorted(frames) for person, frames in by_person.items()})


def _round(
    bodies: _Bodies, time: Numbers, pieces: Mapping[int, Numbers], longest: int, frame: Numbers,
    doubts: dict[int, list[int]],
) -> dict[int, Numbers]:  # fmt: skip
    """Returns the pieces, by number, joined over gaps up to `longest` frames."""
    names = sorted(pieces, key=lambda at: int(time[pieces[at][0]]))
    starts = np.array([time[pieces[name][0]] for name in names])
    ends = np.array([time[pieces[name][-1]] for name in names])
    pairs: list[tuple[int, int, float]] = []
    heads: dict[int, _End] = {}
    tails: dict[int, _End] = {}
    for a, name in enumerate(names):
        first, last = np.searchsorted(starts, (ends[a] + 1, ends[a] + max(longest, RIVALS) + 1))
        for b in range(int(first), int(last)):
            if a not in tails:
                tails[a] = _end(bodies, time, pieces[name][-MEMORY:], ends[a])
            if b not in heads:
                heads[b] = _end(bodies, time, pieces[names[b]][:MEMORY], starts[b])
            cost = _cost(tails[a], heads[b], int(starts[b] - ends[a]))
            if cost < FARTHEST:
                pairs.append((a, b, cost))
    joined = dict(pieces)
    chosen = _assigned(pairs, len(names))
    seconds = _seconds(chosen, pairs, starts, ends)
    cost_of = {(a, b): cost for a, b, cost in pairs}
    home = {a: a for a in range(len(names))}
    for a, b in sorted(chosen.items()):
        is_sure = seconds[a] > cost_of[a, b] + SURE
        is_near = starts[b] - ends[a] <= longest and cost_of[a, b] < LIKELY
        if not (is_sure and is_near) and longest < GAPS[-1]:
            continue
        one = home[a]
        rows = joined.pop(names[b])
        joined[names[one]] = np.concatenate((joined[names[one]], rows))
        home[b] = one
        if not is_sure:
            doubts.setdefault(int(rows[0]), []).append(int(frame[rows[0]]))
    return joined


def _end(bodies: _Bodies, time: Numbers, rows: Numbers, at: int) -> _End:
    t = (time[rows] - at).astype(np.float64)
    middle = bodies.middle[rows]
    off = t - t.mean()
    way = off @ middle / (off @ off) if len(rows) > 2 else np.zeros(2)
    place = middle.mean(0) - t.mean() * way
    edge = int(rows[np.abs(t).argmin()])
    relative = bodies.joints[rows] - middle[:, None]
    seen = np.isfinite(relative).all(-1, keepdims=True)
    count = seen.sum(0)
    shape = np.where(count > 0, np.where(seen, relative, 0).sum(0) / np.maximum(count, 1), np.nan)
    return _End(
        place, way, bodies.joints[edge] - bodies.middle[edge], shape, float(np.median(bodies.size[rows])), len(rows)
    )


def _cost(old: _End, new: _End, gap: int) -> float:
    """Returns half the sum of squares of what differs between two pieces, each over its standard deviation."""
    size = max(old.size, new.size)
    ahead = (old.way * old.frames + new.way * new.frames) / (old.frames + new.frames)
    moved = new.place - old.place
    # Who stops in a gap is no one else.
    off = min(np.hypot(*(moved - gap * way)) for way in (ahead, ahead / 2))
    short = WAY_OF_SHORT / min(old.frames, new.frames)
    deviations = (
        (off / size, _grown(PLACE, gap) + short * min(gap, 5)),
        (_between(old.pose, new.pose) / size, _grown(LOOK, gap)),
        (_between(old.shape, new.shape) / size, _grown(SHAPE, gap)),
        (np.hypot(*(old.way - new.way)) / size, _grown(WAY, gap) + short),
        (abs(np.log(old.size / new.size)), SIZE),
    )
    sigmas = [float(value / deviation) for value, deviation in deviations]
    is_near = off / size < min(REACH[0] + REACH[1] * gap, REACH[2])
    if is_near and gap <= SHORT_GAP and old.size < 2 * new.size < 4 * old.size:
        sigmas = [min(one, MOST_SIGMAS) for one in sigmas]
    return sum(one * one for one in sigmas) / 2 + min(MISSED * (gap - 1), MOST_MISSED)


def _grown(deviation: tuple[float, float], gap: int) -> float:
    return deviation[0] + deviation[1] * gap


def _between(one: Points, other: Points) -> float:
    """Returns the median distance of joints, that of a doubtful pair where too few are shared."""
    return float(_median(np.linalg.norm(one - other, axis=-1), 0))


def _seconds(
    chosen: Mapping[int, int], pairs: list[tuple[int, int, float]], starts: Numbers, ends: Numbers
) -> dict[int, float]:
    """Returns the best cost of another join for each one chosen, by its first piece: with a piece at the same time as
    the one joined, which cannot be the same person's."""
    chosen_before = {b: a for a, b in chosen.items()}
    found = dict.fromkeys(chosen, np.inf)
    for a, b, cost in pairs:
        for first, other, own in ((a, b, chosen.get(a)), (chosen_before.get(b), a, chosen_before.get(b))):
            if first is None or own is None or own == other:
                continue
            if starts[own] <= ends[other] and starts[other] <= ends[own]:
                found[first] = min(found[first], cost)
    return found


def _assigned(pairs: list[tuple[int, int, float]], count: int) -> dict[int, int]:
    """Returns which piece follows which, at the least sum of costs; a piece without a successor costs FARTHEST."""
    if not pairs:
        return {}
    a, b, cost = (np.array(column) for column in zip(*pairs, strict=True))
    # Each piece may end in a place of its own: the columns from `count` on.
    rows = np.concatenate((a, np.arange(count)))
    columns = np.concatenate((b, np.arange(count) + count))
    prices = np.concatenate((cost + 1e-9, np.full(count, FARTHEST)))
    graph = coo_array((prices, (rows, columns)), shape=(count, 2 * count)).tocsr()
    first, second = min_weight_full_bipartite_matching(graph)
    return {int(one): int(other) for one, other in zip(first, second, strict=True) if other < count}
