"""Synthetic hand model in the format of MANO, 778 vertices and 16 parts, without anything of the licensed one.

A right hand in metres, its fingers along -x, the thumb towards z, the palm towards -y."""

from __future__ import annotations

import functools

import numpy as np

from ...bodies.body_model import BodyModel
from ..poses.signals import Signal
from .tubes import Index, Station, Tube, cap_faces, orthogonal, shape_tube, side_faces, stitches, tube_weights

PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # index, middle, little, ring, thumb
PALM_SIDES, FINGER_SIDES = 16, 10
# The vertices at the tips of thumb, index, middle, ring and little finger are those of the licensed hand; of the middle
# finger it has two, one in targets and one in what networks are scored with.
TIPS = {13: (745,), 1: (317,), 4: (444, 445), 10: (556,), 7: (673,)}
STITCHES = {1: 1, 4: 1, 7: 1, 10: 1, 13: 2}  # first part of a finger -> faces that tie it to the palm; six in all
MEAN_CURL = 0.25  # radians at every finger joint: the pose that a hand's zero stands for
SHAPES = ("size", "girth", "fingers", "thumb", "width", "palm", "thickness", "taper", "ends", "spread")
SHAPE_SD = (0.05, 0.08, 0.05, 0.05, 0.05, 0.04, 0.07, 0.08, 0.04, 0.10)
FINGER_RADII = {0.0: 0.0085, 0.25: 0.0085, 0.55: 0.0078, 0.80: 0.0068, 0.93: 0.0050, 1.0: 0.0020}
Place = tuple[float, float, float]

PALM = Tube(
    owner=0,
    stations=(
        Station(place=(0.108, 0.0, 0.0), rings=1),
        Station(place=(0.095, 0.0, 0.0), rings=9),
        Station(place=(0.000, 0.0, 0.0), rings=0),
    ),
    across=(0.0, 0.0, 1.0),
    radii={0.0: (0.024, 0.015), 0.10: (0.029, 0.017), 0.5: (0.040, 0.015), 0.9: (0.044, 0.012), 1.0: (0.040, 0.008)},
    sides=PALM_SIDES,
)
WRIST_RING = 1
POLES = ((0.112, 0.0, 0.0), (-0.004, 0.0, 0.0))


def _finger(first_part: int, start: Place, joints: tuple[Place, Place, Place], tip: Place) -> Tube:
    return Tube(
        owner=0,
        stations=(
            Station(place=start, rings=2),
            Station(place=joints[0], rings=4, part=first_part),
            Station(place=joints[1], rings=3, part=first_part + 1),
            Station(place=joints[2], rings=2, part=first_part + 2),
            Station(place=tip, rings=0),
        ),
        across=(0.0, 1.0, 0.0),
        radii={share: (radius, radius) for share, radius in FINGER_RADII.items()},
        sides=FINGER_SIDES,
    )


FINGERS = (
    _finger(1, (0.020, 0.0, 0.026), ((0.005, 0.0, 0.028), (-0.030, 0.0, 0.033), (-0.053, 0.0, 0.035)),
            (-0.077, 0.0, 0.037)),
    _finger(4, (0.015, 0.0, 0.006), ((0.000, 0.0, 0.006), (-0.036, 0.0, 0.007), (-0.062, 0.0, 0.008)),
            (-0.088, 0.0, 0.008)),
    _finger(7, (0.030, 0.0, -0.032), ((0.016, 0.0, -0.035), (-0.009, 0.0, -0.043), (-0.027, 0.0, -0.048)),
            (-0.047, 0.0, -0.053)),
    _finger(10, (0.020, 0.0, -0.015), ((0.005, 0.0, -0.016), (-0.028, 0.0, -0.019), (-0.052, 0.0, -0.021)),
            (-0.076, 0.0, -0.023)),
    _finger(13, (0.085, -0.004, 0.016), ((0.073, -0.006, 0.028), (0.046, -0.010, 0.052), (0.022, -0.012, 0.068)),
            (0.000, -0.013, 0.082)),
)  # fmt: skip
THUMB = FINGERS[4]
PALM_VERTICES = PALM.num_rings * PALM_SIDES + len(POLES)
FINGER_VERTICES = FINGERS[0].num_rings * FINGER_SIDES
NUM_VERTICES = PALM_VERTICES + len(FINGERS) * FINGER_VERTICES


@functools.lru_cache(maxsize=1)
def made_hand() -> BodyModel:
    """Builds the hand; the same in every process."""
    order = _order()
    place_of = np.argsort(order)
    unit = np.eye(len(SHAPES))
    directions = orthogonal(np.stack([(_vertices(one) - _vertices(-one)) / 2 for one in unit]))
    template = _vertices(np.zeros(len(SHAPES)))
    palm_weights = np.zeros((PALM_VERTICES, len(PARENTS)))
    palm_weights[:, 0] = 1
    weights = np.concatenate((palm_weights, *(tube_weights(finger, len(PARENTS)) for finger in FINGERS)))
    return BodyModel(
        v_template=template[order],
        shapedirs=directions.transpose(1, 2, 0)[order],
        posedirs=np.zeros((len(template), 3, 9 * (len(PARENTS) - 1))),
        weights=weights[order],
        joint_regressor=_joint_regressor()[:, order],
        parents=np.array(PARENTS, np.int64),
        faces=place_of[_faces(template)],
        hands_mean=_mean_pose(),
    )


def _order() -> Index:
    """Returns the permutation of the built vertices that puts fingertips at MANO's tip indices."""
    order = np.arange(NUM_VERTICES)
    for number, finger in enumerate(FINGERS):
        last_ring = PALM_VERTICES + (number + 1) * FINGER_VERTICES - FINGER_SIDES
        for at, target in enumerate(TIPS[min(finger.ring_of)]):
            order[[last_ring + at, target]] = order[[target, last_ring + at]]
    return order


def flexion_axes() -> Signal:
    """Returns unit axes [15, 3] about which parts 1 to 15 bend towards the palm."""
    axes = np.zeros((len(PARENTS) - 1, 3))
    for finger in FINGERS:
        ends = np.array([station.place for station in finger.stations])
        bones = np.diff(ends[1:], axis=0)
        # The palm lies at -y; the thumb closes towards the little finger as well.
        towards = np.array((0.0, -1.0, -1.2) if finger is THUMB else (0.0, -1.0, 0.0))
        turned = np.cross(bones, towards)
        axes[min(finger.ring_of) - 1 :][:3] = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    return axes


def _mean_pose() -> Signal:
    pose: Signal = (flexion_axes() * MEAN_CURL).reshape(-1)
    return pose


def _vertices(shape: Signal) -> Signal:
    """Returns the vertices [778, 3] of a hand with shape coefficients [10], in standard deviations, in build order."""
    change = dict(zip(SHAPES, 1 + shape * SHAPE_SD, strict=True))
    stretch = np.array((change["palm"], change["thickness"], change["width"]))
    wrist = np.array(PALM.stations[1].place)
    girth = np.broadcast_to(np.array((change["width"], change["thickness"])), (PALM.num_rings, 2))
    places = [wrist + (np.array(station.place) - wrist) * stretch for station in PALM.stations]
    poles = wrist + (np.array(POLES) - wrist) * stretch
    parts = [shape_tube(PALM, places, girth), poles]
    for finger in FINGERS:
        ends = np.array([station.place for station in finger.stations])
        steps = np.diff(ends, axis=0)
        start = wrist + (ends[0] - wrist) * stretch
        start[2] *= change["spread"]
        steps[1:] *= change["thumb" if finger is THUMB else "fingers"]
        steps[3:] *= change["ends"]
        thick = change["girth"] * (1 + (change["taper"] - 1) * (1 - 2 * np.linspace(0, 1, finger.num_rings)))
        places = list(start + np.concatenate((np.zeros((1, 3)), np.cumsum(steps, axis=0))))
        parts.append(shape_tube(finger, places, np.stack((thick, thick), axis=-1)))
    vertices: Signal = wrist + (np.concatenate(parts) - wrist) * change["size"]
    return vertices


def _faces(vertices: Signal) -> Index:
    last, first_pole = (PALM.num_rings - 1) * PALM_SIDES, PALM.num_rings * PALM_SIDES
    here = np.arange(PALM_SIDES)
    after = (here + 1) % PALM_SIDES
    found = [
        side_faces(0, PALM.num_rings, PALM_SIDES),
        np.stack((np.full_like(here, first_pole), after, here), axis=-1),
        np.stack((np.full_like(here, first_pole + 1), last + here, last + after), axis=-1),
    ]
    palm = np.arange(PALM_VERTICES)
    ties = []
    for number, finger in enumerate(FINGERS):
        first = PALM_VERTICES + number * FINGER_VERTICES
        end = first + FINGER_VERTICES - FINGER_SIDES
        found += [
            side_faces(first, finger.num_rings, FINGER_SIDES),
            cap_faces(first, FINGER_SIDES, is_end=False),
            cap_faces(end, FINGER_SIDES, is_end=True),
        ]
        ties.append(stitches(vertices, first + np.arange(FINGER_SIDES), palm, STITCHES[min(finger.ring_of)]))
    return np.concatenate(found + ties)


def _joint_regressor() -> Signal:
    """Returns the joint regressor [16, 778]: means over the rings at the joints."""
    found = np.zeros((len(PARENTS), NUM_VERTICES))
    found[0, WRIST_RING * PALM_SIDES + np.arange(PALM_SIDES)] = 1 / PALM_SIDES
    for number, finger in enumerate(FINGERS):
        first = PALM_VERTICES + number * FINGER_VERTICES
        for part, ring in finger.ring_of.items():
            found[part, first + ring * FINGER_SIDES + np.arange(FINGER_SIDES)] = 1 / FINGER_SIDES
    return found
