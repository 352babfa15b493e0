"""Synthetic body model in the format of SMPL, 6,890 vertices and 24 parts, without anything of the licensed one.

Metres, T-pose, y up, x to the person's left, looking along z; 1.70 m high, the origin in the pelvis."""

from __future__ import annotations

import functools

import numpy as np

from ...bodies.body_model import BodyModel
from ..poses.signals import Signal
from .tubes import Index, Station, Tube, cap_faces, orthogonal, shape_tube, side_faces, stitches, tube_weights

SIDES = 26
HEIGHT = 1.70
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
STITCHES = 4  # faces from each limb to the torso
TORSO_RADII = {
    0.000: (0.100, 0.070), 0.055: (0.155, 0.100), 0.110: (0.165, 0.110), 0.240: (0.143, 0.100), 0.390: (0.150, 0.105),
    0.470: (0.156, 0.105), 0.580: (0.165, 0.098), 0.640: (0.128, 0.085), 0.670: (0.070, 0.060), 0.690: (0.055, 0.055),
    0.760: (0.055, 0.058), 0.800: (0.068, 0.075), 0.870: (0.075, 0.092), 0.940: (0.068, 0.083), 0.980: (0.040, 0.050),
    1.000: (0.012, 0.015),
}  # fmt: skip
LEG_RADII = {
    0.00: (0.065, 0.075), 0.04: (0.082, 0.088), 0.20: (0.076, 0.080), 0.42: (0.053, 0.058), 0.54: (0.052, 0.060),
    0.80: (0.034, 0.038), 0.86: (0.036, 0.044), 0.93: (0.044, 0.030), 1.00: (0.028, 0.014),
}  # fmt: skip
ARM_RADII = {
    0.00: (0.045, 0.045), 0.11: (0.055, 0.055), 0.25: (0.045, 0.047), 0.41: (0.037, 0.037), 0.52: (0.038, 0.040),
    0.80: (0.022, 0.029), 0.89: (0.017, 0.042), 1.00: (0.007, 0.018),
}  # fmt: skip
# What one standard deviation of each shape number changes; in this order.
SHAPES = ("stature", "girth", "leg", "arm", "shoulder", "hip", "trunk", "head", "taper", "belly")
SHAPE_SD = (0.04, 0.08, 0.03, 0.03, 0.05, 0.06, 0.03, 0.03, 0.08, 0.12)
# Rings of the torso beside those at joints: for regressors of joints that the parts lack.
THORAX_RING, SPINE_RING, TORSO_RING, JAW_RING, FACE_RING, HEAD_RING = 45, 24, 29, 60, 63, 66
# Sides of a ring begin at the person's left and run through the back.
NOSE, JAW = (19, 20), (18, 19, 20, 21)
LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = (21, 22), (17, 18), (25, 0, 1), (12, 13, 14)


def _leg(side: int) -> Tube:
    part = {1: (1, 4, 7, 10), -1: (2, 5, 8, 11)}[side]
    return Tube(
        owner=0,
        stations=(
            Station(place=(side * 0.080, -0.045, 0.0), rings=2),
            Station(place=(side * 0.085, -0.075, 0.0), rings=22, part=part[0]),
            Station(place=(side * 0.095, -0.465, 0.0), rings=24, part=part[1]),
            Station(place=(side * 0.095, -0.855, -0.015), rings=5, part=part[2]),
            Station(place=(side * 0.105, -0.905, 0.105), rings=4, part=part[3]),
            Station(place=(side * 0.110, -0.915, 0.165), rings=0),
        ),
        across=(1.0, 0.0, 0.0),
        radii=LEG_RADII,
        sides=SIDES,
    )


def _arm(side: int) -> Tube:
    part = {1: (13, 16, 18, 20, 22), -1: (14, 17, 19, 21, 23)}[side]
    return Tube(
        owner=9,
        stations=(
            Station(place=(side * 0.060, 0.435, 0.0), rings=4, part=part[0]),
            Station(place=(side * 0.175, 0.440, 0.0), rings=11, part=part[1]),
            Station(place=(side * 0.430, 0.440, 0.0), rings=14, part=part[2]),
            Station(place=(side * 0.675, 0.440, 0.0), rings=3, part=part[3]),
            Station(place=(side * 0.755, 0.440, 0.0), rings=4, part=part[4]),
            Station(place=(side * 0.840, 0.440, 0.0), rings=0),
        ),
        across=(0.0, 1.0, 0.0),
        radii=ARM_RADII,
        sides=SIDES,
    )


TORSO = Tube(
    owner=0,
    stations=(
        Station(place=(0.0, -0.100, 0.0), rings=8),
        Station(place=(0.0, 0.000, 0.0), rings=10),
        Station(place=(0.0, 0.115, 0.0), rings=11, part=3),
        Station(place=(0.0, 0.245, 0.0), rings=6, part=6),
        Station(place=(0.0, 0.305, 0.0), rings=16, part=9),
        Station(place=(0.0, 0.510, 0.0), rings=8, part=12),
        Station(place=(0.0, 0.595, 0.0), rings=15, part=15),
        Station(place=(0.0, 0.775, 0.0), rings=0),
    ),
    across=(1.0, 0.0, 0.0),
    radii=TORSO_RADII,
    sides=SIDES,
)
PELVIS_RING = 8
TUBES = (TORSO, _leg(1), _leg(-1), _arm(1), _arm(-1))
FIRSTS = tuple(np.cumsum([0, *(tube.num_rings * SIDES for tube in TUBES)]).tolist())  # vertex where each tube begins


@functools.lru_cache(maxsize=1)
def made_body() -> BodyModel:
    """Builds the body; the same in every process."""
    template = _vertices(np.zeros(len(SHAPES)))
    scale = HEIGHT / np.ptp(template[:, 1])
    template = template * scale
    unit = np.eye(len(SHAPES))
    directions = orthogonal(np.stack([scale * (_vertices(one) - _vertices(-one)) / 2 for one in unit]))
    weights = np.concatenate([tube_weights(tube, len(PARENTS)) for tube in TUBES])
    return BodyModel(
        v_template=template,
        shapedirs=directions.transpose(1, 2, 0),
        posedirs=np.zeros((len(template), 3, 9 * (len(PARENTS) - 1))),
        weights=weights,
        joint_regressor=_joint_regressor(),
        parents=np.array(PARENTS, np.int64),
        faces=_faces(template),
    )


def _vertices(shape: Signal) -> Signal:
    """Returns the vertices [6890, 3] of a person with shape coefficients [10], in standard deviations, before the scale
    to HEIGHT."""
    change = dict(zip(SHAPES, 1 + shape * SHAPE_SD, strict=True))
    parts = [_tube(tube, number, change) for number, tube in enumerate(TUBES)]
    vertices: Signal = np.concatenate(parts) * change["stature"]
    return vertices


def _tube(tube: Tube, number: int, change: dict[str, float]) -> Signal:
    places = np.array([station.place for station in tube.stations])
    shares = np.linspace(0, 1, tube.num_rings)
    girth = np.full((tube.num_rings, 2), change["girth"])
    trunk = np.diff(places[:, 1], prepend=places[0, 1])
    if number == 0:
        trunk[1:6] *= change["trunk"]
        trunk[6:] *= change["head"]
        places[:, 1] = places[1, 1] - trunk[1] + np.cumsum(trunk)
        is_head = np.arange(tube.num_rings) >= tube.ring_of[15]
        girth[is_head] = change["head"]
        girth[:, 1] *= 1 + (change["belly"] - 1) * np.exp(-(((shares - 0.28) / 0.12) ** 2))
        girth[:, 0] *= 1 + (change["hip"] - 1) * np.exp(-(((shares - 0.10) / 0.10) ** 2))
        girth[:, 0] *= 1 + (change["shoulder"] - 1) * np.exp(-(((shares - 0.56) / 0.10) ** 2))
    else:
        is_leg = number < 3
        start = places[1].copy()
        first = 0 if is_leg else 1
        places[first:] = start + (places[first:] - start) * change["leg" if is_leg else "arm"]
        places[:, 0] += start[0] * (change["hip" if is_leg else "shoulder"] - 1)
        if not is_leg:  # arms hang on a trunk that is longer or shorter
            places[:, 1] += start[1] * (change["trunk"] - 1)
        girth *= (1 + (change["taper"] - 1) * (1 - 2 * shares))[:, None]
    return shape_tube(tube, list(places), girth)


def _faces(vertices: Signal) -> Index:
    found = []
    for tube, first in zip(TUBES, FIRSTS[:-1], strict=True):
        last = first + (tube.num_rings - 1) * SIDES
        found += [
            side_faces(first, tube.num_rings, SIDES),
            cap_faces(first, SIDES, is_end=False),
            cap_faces(last, SIDES, is_end=True),
        ]
    torso = np.arange(FIRSTS[1])
    found += [stitches(vertices, first + np.arange(SIDES), torso, STITCHES) for first in FIRSTS[1:-1]]
    return np.concatenate(found)


def ring(tube: int, number: int) -> Index:
    """Returns the vertices [26] of a ring."""
    vertices: Index = FIRSTS[tube] + number * SIDES + np.arange(SIDES)
    return vertices


def _joint_rings() -> dict[int, Index]:
    """Returns part -> the ring at its joint."""
    found = {0: ring(0, PELVIS_RING)}
    for number, tube in enumerate(TUBES):
        found |= {part: ring(number, at) for part, at in tube.ring_of.items()}
    return found


def _means(rows: list[Index]) -> Signal:
    """Returns a regressor [rows, 6890] to the mean of each row's vertices."""
    found = np.zeros((len(rows), FIRSTS[-1]))
    for at, vertices in enumerate(rows):
        found[at, vertices] = 1 / len(vertices)
    return found


def _joint_regressor() -> Signal:
    rings = _joint_rings()
    return _means([rings[part] for part in range(len(PARENTS))])


def h36m_regressor() -> Signal:
    """Returns the regressor [17, 6890] of Pelvis, R_Hip, R_Knee, R_Ankle, L_Hip, L_Knee, L_Ankle, Torso, Neck, Nose,
    Head, L_Shoulder, L_Elbow, L_Wrist, R_Shoulder, R_Elbow, R_Wrist."""
    rings = _joint_rings()
    parts = [rings[part] for part in (0, 2, 5, 8, 1, 4, 7)]
    head = [ring(0, TORSO_RING), rings[12], _face(FACE_RING, NOSE), ring(0, TORSO.num_rings - 1)]
    return _means([*parts, *head, *(rings[part] for part in (16, 18, 20, 17, 19, 21))])


def extra_regressor() -> Signal:
    """Returns the regressor [14, 6890] of Nose, R_Eye, L_Eye, R_Ear, L_Ear, R_Hip, L_Hip, Neck, Top_of_Head, Pelvis,
    Thorax, Spine, Jaw, Head."""
    rings = _joint_rings()
    face = [_face(FACE_RING, NOSE)]
    face += [_face(HEAD_RING, sides) for sides in (RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR)]
    trunk = [rings[2], rings[1], rings[12], ring(0, TORSO.num_rings - 1), rings[0], ring(0, THORAX_RING)]
    return _means([*face, *trunk, ring(0, SPINE_RING), _face(JAW_RING, JAW), ring(0, HEAD_RING)])


def _face(ring_number: int, sides: tuple[int, ...]) -> Index:
    """Returns some vertices of a ring of the torso."""
    return ring(0, ring_number)[list(sides)]
