"""Pictures of a mesh: rendered over its image, and from the side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from data.bodies.painter import Index, Numbers, draw_faces

from .sheets import FRAME, GROUND, MARGIN, PANEL, SMOOTH, WARNING, WORDS, Sheet, blank_panel, small_font

Box = tuple[float, float, float]

TINT = np.array((142.0, 188.0, 252.0))  # of a mesh where the light falls square: a pale LEFT
COVER = 0.75  # how much of the image a mesh hides
SMALL = 0.5  # of the longer side of an image; around a box below, only a part of the image is shown
AROUND = 1.5  # sides of such a box
SPECK = 0.1  # of a box; below, or upside down, a mesh may not be found in its image, and this is told
BARS = ((1.0, "1 m"), (0.5, "50 cm"), (0.2, "20 cm"), (0.1, "10 cm"), (0.05, "5 cm"), (0.02, "2 cm"), (0.01, "1 cm"))
BAR_SHARE = 0.3  # of a panel's width, at most


def mesh_picture(
    image: Image.Image,
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    camera: NDArray[np.floating],
    box: Box,
    title: str = "",
) -> Image.Image:
    """Renders a mesh over its image at the left, the rest of the image unchanged, and from the camera's right at the
    right.

    image in RGB; vertices [P, 3] metres from the root, x right, y down, z forward; faces [F, 3], counterclockwise from
    outside; camera [3]: scale s and shift x, y, which put a vertex at s (xy + shift) in the box, whose sides are at -1
    and 1; box: centre x, centre y and side in pixels of the image; title: caption below."""
    points, outlines = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    region = _region(image.size, box)
    over = _over(image, region, points, outlines, np.asarray(camera, np.float64), box)
    sheet = Sheet(over, _from_side(points, outlines))
    width, height = image.size
    part = "" if region == (0, 0, width, height) else f"{region[2] - region[0]} x {region[3] - region[1]} of "
    sheet.say(f"mesh over the image, {part}{width} x {height}", 0, "above")
    sheet.say("from the side, the camera at the left", 1, "above")
    sheet.say(title, 0, "below")
    share = float(np.ptp(points[:, :2], axis=0).max() * camera[0] / 2)
    if share < SPECK:
        turned = " upside down" if share < 0 else ""
        sheet.say(f"camera scale {camera[0]:.2f}: {abs(share):.0%} of the box{turned}", 1, "below", WARNING)
    return sheet.picture()


def _region(size: tuple[int, int], box: Box) -> tuple[int, int, int, int]:
    """Returns the part of an image that is shown: left, upper, right, lower. All of it, unless the box is small in
    it."""
    x, y, side = box
    whole = (0, 0, *size)
    if side >= SMALL * max(size):
        return whole
    shown = max(1, round(AROUND * side))
    left, upper = round(x - shown / 2), round(y - shown / 2)
    right, lower = min(size[0], left + shown), min(size[1], upper + shown)
    left, upper = max(0, left), max(0, upper)
    return (left, upper, right, lower) if left < right and upper < lower else whole


def _over(
    image: Image.Image, region: tuple[int, int, int, int], points: Numbers, faces: Index, camera: Numbers, box: Box
) -> Image.Image:
    panel = blank_panel()
    size = np.array((region[2] - region[0], region[3] - region[1]))
    scale = (PANEL - 2 * MARGIN) * SMOOTH / float(size.max())
    corner = np.rint((panel.width - size * scale) / 2)
    width, height = np.maximum(np.rint(size * scale), 1).astype(int).tolist()
    photo = image.resize((width, height), Image.Resampling.BILINEAR, region, reducing_gap=2.0)
    panel.paste(photo, tuple(corner.astype(int).tolist()))
    pixels = np.array(box[:2]) + camera[0] * (points[:, :2] + camera[1:]) * (box[2] / 2)
    drawn = panel.copy()
    _draw(drawn, points, (pixels - region[:2]) * scale + corner, faces)
    return Image.blend(panel, drawn, COVER)


def _from_side(points: Numbers, faces: Index) -> Image.Image:
    """Renders the mesh as seen from the camera's right: the camera's side is at the left."""
    panel = blank_panel()
    rim, room = MARGIN * SMOOTH, (PANEL - 2 * MARGIN) * SMOOTH
    pen = ImageDraw.Draw(panel)
    pen.rectangle((rim, rim, rim + room, rim + room), FRAME, GROUND, SMOOTH)
    turned = np.stack((points[:, 2], points[:, 1], -points[:, 0]), 1)
    turned -= (turned.min(0) + turned.max(0)) / 2
    # By the distance from the middle, not by what is seen: a film's mesh must not change in size when it turns.
    reach = float(np.linalg.norm(turned, axis=1).max())
    scale = (room / 2 - rim) / max(reach, 1e-6)
    _draw(panel, turned, turned[:, :2] * scale + panel.width / 2, faces)
    _draw_bar(pen, scale, rim + room)
    return panel


def _draw(panel: Image.Image, points: Numbers, pixels: Numbers, faces: Index) -> None:
    draw_faces(panel, points, pixels, faces, np.broadcast_to(TINT, (len(faces), 3)), 1.0)


def _draw_bar(pen: ImageDraw.ImageDraw, scale: float, edge: int) -> None:
    """Draws a scale bar of a round length at `scale` pixels a metre, in the lower right corner at `edge`."""
    most = BAR_SHARE * PANEL * SMOOTH
    metres, name = next(((metres, name) for metres, name in BARS if metres * scale <= most), BARS[-1])
    right, y = edge - 10 * SMOOTH, edge - 12 * SMOOTH
    pen.line((right - metres * scale, y, right, y), WORDS, 2 * SMOOTH)
    pen.text((right, y - 4 * SMOOTH), name, WORDS, small_font(), "rb")
