"""A film of 2D keypoints beside their moving 3D skeleton, frame by frame into GIF or MP4, or one picture as PNG.

Drawn with Pillow at twice the size and halved, which smooths the edges; encoded as it is drawn, so that a long video
needs no more memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from data.photos import Photos
from data.skeleton import Skeleton

PANEL = 480  # pixels of a side of either panel
STRIP = 32  # pixels above and below the panels, for words
SMOOTH = 2  # drawn larger by this, then reduced
MOST_FPS = 25.0  # of the film; a faster video is thinned
MARGIN = 24  # pixels inside a panel
LIFT = math.radians(12)  # the view looks down by this angle, so that the ground is a surface and not a line
SWING, SWING_SECONDS = math.radians(35), 8.0  # the view turns to and fro: depth is seen by motion
NAME_SHOWN = 40  # last characters of a file's name
TILE = 0.5  # metres of a square of the ground

PAPER, FRAME, GROUND, WORDS, WARNING = "#ffffff", "#f3f4f6", "#c8cdd5", "#30343b", "#c02020"
LEFT, RIGHT, MIDDLE = PENS = "#1f6fd6", "#e0662a", "#4a5058"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What is shown: pose3d [n, J, 3] metres, root at zero, x right, y down, z forward; keypoints [V, n, J, 2] pixels
    of images of sizes [V, n, 2], width and height; is_filled [V, n]: frames without a detection; fps of the n frames;
    photos: the images of a single view, where there are any."""

    pose3d: NDArray[np.float32]
    keypoints: NDArray[np.float64]
    is_filled: NDArray[np.bool_]
    skeleton: Skeleton
    sizes: NDArray[np.int64]
    fps: float
    photos: Photos | None = None

    @property
    def every(self) -> int:
        """Each so-many-th frame is shown."""
        return max(1, math.ceil(self.fps / MOST_FPS))

    @property
    def told(self) -> str:
        """One line on length and rate of the film."""
        shown = -(-len(self.pose3d) // self.every)
        if len(self.pose3d) == 1:
            return "1 frame"
        thinned = f", one in {self.every}" if self.every > 1 else ""
        return f"{shown} frames{thinned}, {self.fps / self.every:g} a second"


def render(scene: Scene, file: BinaryIO, suffix: str) -> None:
    """Writes the film in the format that the suffix names, .gif or .mp4, or its first frame as .png."""
    if suffix == ".png":
        next(pictures(scene)).save(file, "png")
        return
    with av.open(file, "w", format=suffix.removeprefix(".")) as container:
        if suffix == ".mp4":
            rate = Fraction(scene.fps / scene.every).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
            stream.pix_fmt, clock = "yuv420p", 1 / rate
        else:
            # A GIF counts hundredths of a second: each frame's own time is rounded, so that errors do not add up.
            stream, clock = container.add_stream("gif", rate=100), Fraction(1, 100)
            stream.pix_fmt = "pal8"
        stream.width, stream.height, stream.thread_count = 2 * PANEL, PANEL + 2 * STRIP, 1
        stream.codec_context.time_base = clock
        colours = None if scene.photos else _colours()
        for at, picture in enumerate(pictures(scene)):
            frame = av.VideoFrame.from_image(picture) if suffix == ".mp4" else _few_colours(picture, colours)
            seconds = at * scene.every / scene.fps
            frame.pts, frame.time_base = at if suffix == ".mp4" else round(seconds * 100), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _colours() -> NDArray[np.uint8]:
    """The 256 colours [256, 3] of a GIF: every pen on every paper, and the shades that smooth edges need between.

    A palette of general colours would have to be dithered, which is ugly on plain ground and does not compress."""
    rgb = {name: np.array(ImageColor.getrgb(name)[:3]) for name in (PAPER, FRAME, GROUND, WORDS, WARNING, *PENS)}
    pairs = [(pen, paper) for pen in (*PENS, WORDS, WARNING, GROUND) for paper in (PAPER, FRAME)]
    pairs += [(PENS[0], PENS[1]), (PENS[0], PENS[2]), (PENS[1], PENS[2]), *((pen, GROUND) for pen in PENS)]
    shades = [rgb[pen] * share + rgb[paper] * (1 - share) for pen, paper in pairs for share in np.linspace(0, 1, 12)]
    kept = list(rgb.values())
    for shade in shades:
        # Pillow looks colours up in cells of 4 levels: of two shades in one cell the wrong one could be taken.
        if min(np.abs(shade - other).max() for other in kept) > 8:
            kept.append(shade)
    assert len(kept) <= 256, len(kept)
    return np.round([*kept, *kept[:1] * (256 - len(kept))]).astype(np.uint8)


def _few_colours(picture: Image.Image, colours: NDArray[np.uint8] | None) -> av.VideoFrame:
    """The picture in `colours` [256, 3]; None: in the best ones for it, as a photo needs them, and dithered."""
    palette = Image.new("P", (1, 1))
    if colours is None:
        own = picture.quantize(256, Image.Quantize.MEDIANCUT).getpalette() or []
        colours = np.array(own + [0] * (768 - len(own)), np.uint8).reshape(256, 3)
        dither = Image.Dither.FLOYDSTEINBERG
    else:
        dither = Image.Dither.NONE
    palette.putpalette(colours.tobytes())
    pixels = np.asarray(picture.quantize(palette=palette, dither=dither))
    # Alpha comes first; without it FFmpeg would write an animation of nothing.
    opaque = np.concatenate((np.full((256, 1), 255, np.uint8), colours), 1)
    indexed: Any = (pixels, opaque)  # the one format that takes two arrays; its annotation forgets it
    return av.VideoFrame.from_ndarray(indexed, format="pal8")


def pictures(scene: Scene) -> Iterator[Image.Image]:
    """The film's frames, one at a time, each 2 PANEL wide."""
    view = _View(scene)
    small = ImageFont.load_default(15 * SMOOTH)
    for at in range(0, len(scene.pose3d), scene.every):
        sheet = Image.new("RGB", (2 * PANEL * SMOOTH, (PANEL + 2 * STRIP) * SMOOTH), PAPER)
        sheet.paste(_image_panel(scene, at, small), (0, STRIP * SMOOTH))
        sheet.paste(view.panel(at), (PANEL * SMOOTH, STRIP * SMOOTH))
        _words(sheet, scene, at, small)
        yield sheet.reduce(SMOOTH)


def _words(sheet: Image.Image, scene: Scene, at: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    draw, middle = ImageDraw.Draw(sheet), STRIP * SMOOTH // 2
    low, edge, side = sheet.height - middle, MARGIN * SMOOTH, PANEL * SMOOTH
    sizes = ", ".join(dict.fromkeys(f"{width} x {height}" for width, height in scene.sizes[:, at].tolist()))
    views = f" of {len(scene.sizes)} views" if len(scene.sizes) > 1 else ""
    draw.text((edge, middle), f"2D keypoints{views}, {sizes}", WORDS, font, "lm")
    draw.text((side + edge, middle), "3D pose, half-metre squares", WORDS, font, "lm")
    seconds = at / scene.fps
    what, told = "frame", f"{seconds:.2f} s"
    if scene.photos is not None:
        what, told = "image", PurePath(scene.photos.files[at]).name[-NAME_SHOWN:]
    draw.text((edge, low), f"{what} {at} of {len(scene.pose3d)}   {told}", WORDS, font, "lm")
    blind = [str(view + 1) for view in np.flatnonzero(scene.is_filled[:, at])]
    if blind:
        where = f" in {', '.join(blind)}" if len(scene.sizes) > 1 else ""
        draw.text((side - edge, low), f"no detection{where}, filled in", WARNING, font, "rm")
    draw.text((side + edge, low), "left", LEFT, font, "lm")
    draw.text((side + edge + 40 * SMOOTH, low), "right", RIGHT, font, "lm")


def _image_panel(scene: Scene, at: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The keypoints in the frames of their images, one below the other or two by two, numbered."""
    panel = Image.new("RGB", (PANEL * SMOOTH, PANEL * SMOOTH), PAPER)
    views = len(scene.sizes)
    rows, columns = min(views, 2), -(-views // 2)
    cell = PANEL * SMOOTH // columns, PANEL * SMOOTH // rows
    for view in range(views):
        picture = _view_picture(scene, at, view, cell, font)
        panel.paste(picture, (view % columns * cell[0], view // columns * cell[1]))
    return panel


def _view_picture(
    scene: Scene, at: int, view: int, cell: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    """One view's keypoints, y down, aspect kept, its number in a corner; what lies outside the cell is cut off."""
    picture = Image.new("RGB", cell, PAPER)
    margin = MARGIN * SMOOTH * min(cell) / (PANEL * SMOOTH)
    size = scene.sizes[view, at].astype(float)
    scale = float(((np.array(cell) - 2 * margin) / size).min())
    corner = (np.array(cell) - size * scale) / 2
    draw = ImageDraw.Draw(picture)
    if scene.photos is None:
        draw.rectangle((*corner, *(corner + size * scale)), FRAME, GROUND, SMOOTH)
    else:
        width, height = np.maximum(np.rint(size * scale), 1).astype(int).tolist()
        photo = scene.photos.image(at).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture.paste(photo, tuple(np.rint(corner).astype(int).tolist()))
    if len(scene.sizes) > 1:
        draw.text(tuple(corner + 6 * SMOOTH), str(view + 1), WORDS, font, "lt")
    keypoints = scene.keypoints[view, at]
    span = float(np.ptp(keypoints, 0).max() * scale)
    # A small person gets thin limbs: at full width they would be a blot.
    joints = range(scene.skeleton.num_joints)
    _skeleton(draw, scene.skeleton, corner + keypoints * scale, joints, min(1.0, max(0.4, span / 300)))
    return picture


class _View:
    """The 3D panel: a parallel projection that turns to and fro around the person, who stands on the ground."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.size = PANEL * SMOOTH
        reach = float(np.linalg.norm(scene.pose3d[..., (0, 2)], axis=-1).max())
        tall = float(np.ptp(scene.pose3d[..., 1], axis=1).max())
        self.ground = TILE * math.ceil(max(reach, TILE) / TILE)  # half the side of the ground, whole squares
        # Every pose fits at every angle: the ground's circle in the width, height above its depth in the height.
        self.reach = max(self.ground, reach)
        deep = self.reach * math.sin(LIFT)
        room = (PANEL - 2 * MARGIN) * SMOOTH
        self.scale = min(room / (2 * self.reach), room / (max(tall, 0.1) * math.cos(LIFT) + 2 * deep))
        used = (max(tall, 0.1) * math.cos(LIFT) + 2 * deep) * self.scale
        self.base = (self.size + used) / 2 - deep * self.scale

    def panel(self, at: int) -> Image.Image:
        """The panel of frame `at`."""
        panel = Image.new("RGB", (self.size, self.size), PAPER)
        draw = ImageDraw.Draw(panel)
        # A single frame has no motion: it is seen from one side.
        turn = 1.0 if len(self.scene.pose3d) == 1 else math.sin(2 * math.pi * at / self.scene.fps / SWING_SECONDS)
        angle = SWING * turn
        self._draw_ground(draw, angle)
        pose = self.scene.pose3d[at].astype(np.float64)
        # The hip is the origin of every pose, so the lowest joint of each is put on the ground.
        pose[:, 1] -= pose[:, 1].max()
        points, depth = self._project(pose, angle)
        bones = [child for child, parent in enumerate(self.scene.skeleton.parents) if parent >= 0]
        parents = self.scene.skeleton.parents
        order = sorted(bones, key=lambda child: -(depth[child] + depth[parents[child]]))
        _skeleton(draw, self.scene.skeleton, points, order, 1.0)
        return panel

    def _draw_ground(self, draw: ImageDraw.ImageDraw, angle: float) -> None:
        """Squares within a circle: a disc has the same outline from every side."""
        for step in np.arange(-self.ground, self.ground + TILE / 2, TILE):
            half = math.sqrt(max(0.0, self.ground**2 - step**2))
            for ends in (((step, 0, -half), (step, 0, half)), ((-half, 0, step), (half, 0, step))):
                points, _ = self._project(np.array(ends), angle)
                draw.line([tuple(point) for point in points], GROUND, SMOOTH)
        turn = np.linspace(0, 2 * math.pi, 73)
        rim = self.ground * np.stack((np.cos(turn), np.zeros_like(turn), np.sin(turn)), 1)
        draw.line([tuple(point) for point in self._project(rim, angle)[0]], GROUND, SMOOTH)

    def _project(self, points: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Panel positions [J, 2] and depth [J] of points [J, 3] in metres, the ground at y = 0."""
        across = math.cos(angle) * points[:, 0] + math.sin(angle) * points[:, 2]
        depth = math.cos(angle) * points[:, 2] - math.sin(angle) * points[:, 0]
        down = points[:, 1] * math.cos(LIFT) - depth * math.sin(LIFT)
        return np.stack((self.size / 2 + across * self.scale, self.base + down * self.scale), 1), depth


def _skeleton(
    draw: ImageDraw.ImageDraw, skeleton: Skeleton, points: NDArray[np.float64], order: Iterable[int], weight: float
) -> None:
    """Bones to the joints of `order`, first to last, each with a pale rim that parts it from those behind."""
    colours = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    width = 5 * SMOOTH * weight
    for child in order:
        parent = skeleton.parents[child]
        if parent < 0:
            continue
        ends = [tuple(points[parent]), tuple(points[child])]
        draw.line(ends, PAPER, round(width + 2 * SMOOTH))
        colour = colours.get(child, MIDDLE)
        draw.line(ends, colour, round(width))
        for x, y in ends:
            draw.circle((x, y), width * 0.62, colour)
