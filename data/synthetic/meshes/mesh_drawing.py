"""Renderer of synthetic bodies and hands: colours and faces."""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...bodies.painter import Index, draw_faces, normals
from ..poses.signals import Signal
from .hand_mesh import FINGERS, STITCHES
from .mesh_models import made_model

SKIN, SHIRT, TROUSERS, HAIR = range(4)
BACK, FRONT = 0.75, 1.1  # brightness of the side that a person turns away and of the one that they turn to
# What of the 24 parts wears what; the head's back has hair.
CLOTHES = np.array([TROUSERS] * 3 + [SHIRT] + [TROUSERS] * 2 + [SHIRT] + [TROUSERS] * 2 + [SHIRT] + [TROUSERS] * 2
                   + [SKIN] + [SHIRT] * 2 + [SKIN] + [SHIRT] * 2 + [SKIN] * 6)  # fmt: skip
HEAD = 15
# Hues of a glove's index, middle, little, ring finger and thumb; its palm is pale. The colour tells the fingers apart.
GLOVE_HUES = (0.00, 0.17, 0.62, 0.38, 0.83)


@dataclass(frozen=True, slots=True)
class Paint:
    """Faces [n, 4] to draw, a triangle repeating its last corner; the colour index of each [n], and its brightness
    [n]."""

    faces: Index
    wear: Index
    brightness: Signal


@functools.lru_cache(maxsize=2)
def paint_of(kind: str) -> Paint:
    """Returns the faces and colour indices of the synthetic `body` or `hand`. Triangles that only connect tubes lie
    inside, and are left out."""
    model = made_model(kind)
    ties = 4 * 4 if kind == "body" else sum(STITCHES.values())
    faces = _joined(model.faces[:-ties])
    normal = normals(model.v_template[faces])
    part = model.weights[faces].sum(1).argmax(1)
    if kind == "body":
        wear = CLOTHES[part]
        wear = np.where((part == HEAD) & (normal[:, 2] < 0.1), HAIR, wear)
        return Paint(faces, wear, BACK + (FRONT - BACK) * (normal[:, 2] + 1) / 2)
    finger_of = np.zeros(len(model.parents), np.int64)
    for number, finger in enumerate(FINGERS):
        finger_of[list(finger.ring_of)] = number + 1
    return Paint(faces, finger_of[part], BACK + (FRONT - BACK) * (1 - normal[:, 1]) / 2)


def draw_colours(rng: np.random.Generator, kind: str) -> Signal:
    """Draws colours [n, 3] at random, grey levels: skin, shirt, trousers, hair of a body; palm and fingers of a
    hand."""
    if kind == "body":
        hue, strength, value = rng.random(4), rng.uniform(0.3, 0.7, 4), rng.uniform(0.65, 0.95, 4)
        hue[SKIN], strength[SKIN], value[SKIN] = rng.uniform(0.03, 0.09), rng.uniform(0.25, 0.5), 0.95
        value[HAIR] = 0.4
    else:
        hue = np.array((rng.random(), *GLOVE_HUES)) + rng.uniform(-0.03, 0.03, 6)
        strength, value = np.append(0.15, rng.uniform(0.7, 0.9, 5)), np.full(6, rng.uniform(0.85, 1.0))
    colours = [colorsys.hsv_to_rgb(h % 1, s, v) for h, s, v in zip(hue, strength, value, strict=True)]
    return np.array(colours) * 255


def draw_mesh(image: Image.Image, points: Signal, pixels: Signal, paint: Paint, colours: Signal) -> None:
    """Draws a mesh with vertices points [P, 3] in camera axes, seen at pixels [P, 2]."""
    draw_faces(image, points, pixels, paint.faces, colours[paint.wear], paint.brightness)


def _joined(triangles: Index) -> Index:
    """Returns the faces [n, 4] of a mesh: two consecutive triangles that share a side are drawn as one quad."""
    found: list[list[int]] = []
    rest = triangles.tolist()
    at = 0
    while at < len(rest):
        first, after = rest[at], rest[at + 1] if at + 1 < len(rest) else [-1, -1, -1]
        is_pair = (first[0], first[2]) == (after[0], after[1])
        found.append([*first, after[2]] if is_pair else [*first, first[2]])
        at += 1 + is_pair
    return np.array(found)
