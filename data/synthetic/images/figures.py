"""Renderer of capsule people before a background, in perspective, shaded so that depth can be read from the pixels.

Depth, which 2D joints leave ambiguous, shows in three ways: near limbs hide far ones, are thicker, and are brighter, by
their slope and by their distance from the camera."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ..poses.signals import Signal

Pixels = NDArray[np.uint8]

TROUSERS, SHIRT, SKIN, HAIR = range(4)
# First and second joint of H36M_17, radius in metres there, colour. Hips and shoulders close the trunk.
CAPSULES = (
    *((1, 2, 0.075, 0.050, TROUSERS), (2, 3, 0.050, 0.035, TROUSERS)),
    *((4, 5, 0.075, 0.050, TROUSERS), (5, 6, 0.050, 0.035, TROUSERS)),
    *((0, 1, 0.080, 0.075, TROUSERS), (0, 4, 0.080, 0.075, TROUSERS)),
    *((0, 7, 0.110, 0.120, SHIRT), (7, 8, 0.120, 0.090, SHIRT)),
    *((8, 11, 0.060, 0.045, SHIRT), (8, 14, 0.060, 0.045, SHIRT)),
    *((11, 12, 0.045, 0.035, SHIRT), (12, 13, 0.035, 0.025, SKIN)),
    *((14, 15, 0.045, 0.035, SHIRT), (15, 16, 0.035, 0.025, SKIN)),
    *((8, 9, 0.050, 0.060, SKIN), (9, 10, 0.100, 0.095, HAIR)),
)
FIRST, SECOND = (np.array([capsule[end] for capsule in CAPSULES]) for end in (0, 1))
RADII = np.array([capsule[2:4] for capsule in CAPSULES])
COLOURS = np.array([capsule[4] for capsule in CAPSULES])
LEFT_SLEEVE = 10  # the capsule with a stripe; nothing else tells left from right
TRUNK = (4, 1, 14, 11)  # corners of the quad between hips and shoulders
STRIPE = 0.9
PIECES = 3  # of a capsule along its length; each has a shade of its own
AROUND = np.linspace(0, 1, PIECES + 1)
AMBIENT, DIRECT = 0.55, 0.45
LIGHT = np.array((0.35, -0.55, -0.76)) / np.linalg.norm((0.35, -0.55, -0.76))  # from above the camera's right
FALL_OFF = 4.0  # brightness goes with distance to the power of -4: twice as steep as a lamp, to be seen in the noise
NOISE_LEVELS, NOISE_TILE = 4.0, 1024  # of the camera; side of the pattern of which every image takes a part
LARGEST_BLUR_PX = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """Colours [4, 3] in grey levels of trousers, shirt, skin and hair."""

    colours: Signal


def draw_look(rng: np.random.Generator) -> Look:
    """Draws a person's colours at random: any hue, but pale and of nearly one brightness, so that how bright a limb is
    shows its depth and not its identity; brighter than any background."""
    hue, strength, value = rng.random(4), rng.uniform(0.1, 0.45, 4), rng.uniform(0.66, 0.7, 4)
    hue[SKIN] = rng.uniform(0.03, 0.09)
    return Look(np.array([colorsys.hsv_to_rgb(*colour) for colour in zip(hue, strength, value, strict=True)]) * 255)


def draw_background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draws a dark gradient with rectangles and lines on it, out of focus: it is drawn at half its size."""
    size = ((width + 1) // 2, (height + 1) // 2)
    top, bottom = rng.uniform(10, 45, (2, 3))
    rows = np.linspace(top, bottom, size[1])
    image = Image.fromarray(np.broadcast_to(rows[:, None], (size[1], size[0], 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(6, 13))):
        (left, right), (upper, lower) = np.sort(rng.uniform(0, size, (2, 2)).T, axis=1).tolist()
        colour = tuple(rng.integers(5, 55, 3).tolist())
        if rng.random() < 0.6:
            pen.rectangle((left, upper, right, lower), fill=colour)
        else:
            pen.line((left, upper, right, lower), fill=colour, width=int(rng.integers(1, 4)))
    return image.resize((width, height), Image.Resampling.BILINEAR)


def draw_noise(rng: np.random.Generator) -> NDArray[np.int16]:
    """Draws a pattern of camera noise [side, side, 3], larger than an image."""
    pattern = rng.standard_normal((NOISE_TILE, NOISE_TILE, 3), np.float32) * NOISE_LEVELS
    levels: NDArray[np.int16] = np.rint(pattern).astype(np.int16)
    return levels


def noisy(image: Image.Image, pattern: NDArray[np.int16], rng: np.random.Generator) -> Image.Image:
    """Adds a random part of the noise pattern to an image."""
    top, left = rng.integers(0, NOISE_TILE - np.array((image.height, image.width)))
    levels = np.asarray(image) + pattern[top : top + image.height, left : left + image.width]
    return Image.fromarray(np.clip(levels, 0, 255, out=levels).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Figures:
    """Drawing data of n people: every capsule as PIECES quads.

    depth [n, C] metres, mean of a capsule; nodes [n, C, P + 1, 2] and radius [n, C, P + 1] pixels; colour
    [n, C, P + 1, 3] grey levels; trunk [n, 4, 2] pixels, its depth and colour."""

    depth: Signal
    nodes: Signal
    radius: Signal
    colour: Signal
    trunk: Signal
    trunk_depth: Signal
    trunk_colour: Signal


def figures(points: Signal, pixels: Signal, focal_px: float, look: Look) -> Figures:
    """Computes the drawing of people with joints at points [n, 17, 3] metres in camera axes, seen at pixels
    [n, 17, 2]."""
    lamp = _lamp(points[..., 2], points[:, :1, 2])
    ends = np.stack((points[:, FIRST], points[:, SECOND]), axis=2)
    along = ends[:, :, 1] - ends[:, :, 0]
    depth = ends[..., 0, 2, None] + along[..., 2, None] * AROUND
    shade = _shade(along)[..., None] * _lamp(depth, points[:, :1, 2, None])
    seen = pixels[:, FIRST, None] + (pixels[:, SECOND] - pixels[:, FIRST])[:, :, None] * AROUND[:, None]
    metres = RADII[:, :1] + (RADII[:, 1:] - RADII[:, :1]) * AROUND
    across = points[:, 14] - points[:, 11]  # the front of the chest stands square on the shoulders
    front = _shade(across) * lamp[:, TRUNK].mean(1)
    return Figures(
        depth=ends[..., 2].mean(-1),
        nodes=seen,
        radius=np.maximum(metres * focal_px / depth, 0.6),
        colour=_levels(shade[..., None] * look.colours[COLOURS][None, :, None]),
        trunk=pixels[:, TRUNK],
        trunk_depth=points[:, TRUNK, 2].mean(1),
        trunk_colour=_levels(front[:, None] * look.colours[SHIRT]),
    )


def _lamp(depth: Signal, root: Signal) -> Signal:
    """Returns the brightness at a depth, 1 at that of the root."""
    found: Signal = (root / depth) ** FALL_OFF
    return found


def _shade(along: Signal) -> Signal:
    """Returns the brightness [...] of the side that capsules with axes [..., 3] turn to the camera."""
    axis = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    # The camera looks along +z: what of -z is square to the axis.
    normal = axis[..., 2:] * axis
    normal[..., 2] -= 1
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    found: Signal = AMBIENT + DIRECT * np.maximum(normal @ LIGHT, 0)
    return found


def _levels(colour: Signal) -> Signal:
    return np.clip(np.rint(colour), 0, 255).astype(np.int64)


def draw_figure(image: Image.Image, drawing: Figures, at: int, blur_px: float) -> None:
    """Draws person `at` into an image, far parts first, and softens the edges."""
    pen = ImageDraw.Draw(image)
    depth = np.append(drawing.depth[at], drawing.trunk_depth[at])
    quads, discs = _outlines(drawing.nodes[at], drawing.radius[at])
    nodes, colours = drawing.nodes[at].tolist(), drawing.colour[at].tolist()
    for part in np.argsort(-depth, kind="stable").tolist():
        if part == len(CAPSULES):
            pen.polygon([tuple(corner) for corner in drawing.trunk[at].tolist()], fill=tuple(drawing.trunk_colour[at]))
            continue
        shades = [tuple(colour) for colour in colours[part]]
        pen.ellipse(discs[part][0], fill=shades[0])
        pen.ellipse(discs[part][-1], fill=shades[-1])
        for piece in range(PIECES):
            pen.polygon(quads[part][piece], fill=shades[piece])
        if part == LEFT_SLEEVE:
            dark = tuple(int(level * STRIPE) for level in shades[0])
            stripe = max(1, round(float(drawing.radius[at, part, 1])))
            pen.line((*nodes[part][0], *nodes[part][-1]), fill=dark, width=stripe)
    _soften(image, drawing.nodes[at], drawing.radius[at].max(), blur_px)


def _outlines(nodes: Signal, radius: Signal) -> tuple[list[list[list[float]]], list[list[list[float]]]]:
    """Returns the corners [C, P, 8] of the pieces and boxes [C, P + 1, 4] of the discs at their ends, as lists for
    Pillow."""
    along = nodes[:, -1] - nodes[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    side = np.stack((-along[:, 1], along[:, 0]), axis=-1)[:, None] * radius[..., None]
    one, other = nodes + side, nodes - side
    quads = np.concatenate((one[:, :-1], one[:, 1:], other[:, 1:], other[:, :-1]), axis=-1)
    discs = np.concatenate((nodes - radius[..., None], nodes + radius[..., None]), axis=-1)
    return quads.tolist(), discs.tolist()


def _soften(image: Image.Image, nodes: Signal, radius_px: float, blur_px: float) -> None:
    low, high = nodes.min((0, 1)) - radius_px - 3, nodes.max((0, 1)) + radius_px + 3
    left, top = np.maximum(low, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(high), image.size).astype(int).tolist()
    if left < right and top < bottom:
        part = image.crop((left, top, right, bottom)).filter(ImageFilter.BoxBlur(blur_px))
        image.paste(part, (left, top))
