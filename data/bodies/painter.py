"""Mesh rendering with Pillow: back-face culling, painter's algorithm (far faces first), shading by slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Index = NDArray[np.int64]
Numbers = NDArray[np.float64]

AMBIENT, DIRECT = 0.35, 0.65
LIGHT = np.array((0.35, -0.55, -0.76)) / np.linalg.norm((0.35, -0.55, -0.76))  # from above the camera's right


def draw_faces(
    image: Image.Image, points: Numbers, pixels: Numbers, faces: Index, colours: Numbers, brightness: Numbers | float
) -> None:
    """Draws faces [n, 3 or 4], counterclockwise from outside, of vertices points [P, 3] in camera axes that are seen at
    pixels [P, 2]; colours [n, 3] in grey levels, where the light falls square, times brightness [n]."""
    faces = faces[:, (0, 1, 2, -1)]
    ends = pixels[faces]
    one, other = ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]
    # Counterclockwise from outside is clockwise in pixels, whose y goes down: the cross product then points away.
    seen = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0
    ends, corners = ends[seen], points[faces[seen]]
    order = np.argsort(-corners[..., 2].sum(-1), kind="stable")
    shade = (AMBIENT + DIRECT * np.maximum(normals(corners) @ LIGHT, 0)) * np.broadcast_to(brightness, len(faces))[seen]
    levels = np.clip(colours[seen] * shade[:, None], 0, 255).astype(np.int64)
    inks: Index = levels[:, 0] | levels[:, 1] << 8 | levels[:, 2] << 16
    pen = ImageDraw.Draw(image)
    for outline, ink in zip(ends[order].reshape(-1, 8).tolist(), inks[order].tolist(), strict=True):
        pen.polygon(outline, fill=ink)


def normals(corners: Numbers) -> Numbers:
    """Returns unit normals [n, 3] of faces with corners [n, 4, 3]; a triangle repeats its last corner."""
    found = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    found /= np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
    return found
