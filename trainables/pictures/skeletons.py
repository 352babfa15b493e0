"""Films of 2D keypoints beside their rotating 3D skeleton, frame by frame into GIF or MP4, or one picture as PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from data.poses.skeleton import Skeleton

from .films import length_of, step_of, write_film
from .sheets import (
    FRAME,
    GROUND,
    LEFT,
    MARGIN,
    MIDDLE,
    PANEL,
    PAPER,
    RIGHT,
    SMOOTH,
    WARNING,
    WORDS,
    Sheet,
    blank_panel,
    drawn_colours,
    small_font,
)

LIFT = math.radians(12)  # the view looks down by this angle, so that the ground is a surface and not a line
SWING, SWING_SECONDS = math.radians(35), 8.0  # the view turns to and fro: depth is seen by motion
NAME_SHOWN = 40  # last characters of a file's name
TILE = 0.5  # metres of a square of the ground


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """Content of a film: pose3d [n, J, 3] metres, root at zero, x right, y down, z forward; keypoints [V, n, J, 2]
    pixels of images of sizes [V, n, 2], width and height; is_filled [V, n]: frames without a detection; fps of the n
    frames; names of images, empty for frames of a video; photo(view, at): the image of a frame, asked for in order,
    None for a frame without one."""

    pose3d: NDArray[np.float32]
    keypoints: NDArray[np.float64]
    is_filled: NDArray[np.bool_]
    skeleton: Skeleton
    sizes: NDArray[np.int64]
    fps: float
    names: Sequence[str] = ()
    photo: Callable[[int, int], Image.Image | None] | None = None

    @property
    def every(self) -> int:
        """The frame step: every so-many-th frame is shown."""
        return step_of(self.fps)

    @property
    def told(self) -> str:
        """One line on length and rate of the film."""
        return length_of(len(self.pose3d), self.fps)


def render(scene: Scene, file: BinaryIO, suffix: str) -> None:
    """Writes the film in the format that the suffix names, .gif or .mp4, or its first frame as .png."""
    colours = None if scene.photo else drawn_colours()
    write_film(pictures(scene), scene.fps, file, suffix, every=scene.every, colours=colours)


def pictures(scene: Scene) -> Iterator[Image.Image]:
    """Yields the film's frames, one at a time, each 2 PANEL wide."""
    view = _View(scene)
    for at in range(0, len(scene.pose3d), scene.every):
        sheet = Sheet(_image_panel(scene, at), view.panel(at))
        _words(sheet, scene, at)
        yield sheet.picture()


def _words(sheet: Sheet, scene: Scene, at: int) -> None:
    sizes = ", ".join(dict.fromkeys(f"{width} x {height}" for width, height in scene.sizes[:, at].tolist()))
    views = f" of {len(scene.sizes)} views" if len(scene.sizes) > 1 else ""
    sheet.say(f"2D keypoints{views}, {sizes}", 0, "above")
    sheet.say("3D pose, half-metre squares", 1, "above")
    seconds = at / scene.fps
    what, told = "frame", f"{seconds:.2f} s"
    if scene.names:
        what, told = "image", PurePath(scene.names[at]).name[-NAME_SHOWN:]
    sheet.say(f"{what} {at} of {len(scene.pose3d)}   {told}", 0, "below")
    blind = [str(view + 1) for view in np.flatnonzero(scene.is_filled[:, at])]
    if blind:
        where = f" in {', '.join(blind)}" if len(scene.sizes) > 1 else ""
        sheet.say(f"no detection{where}, filled in", 0, "below", WARNING, at_end=True)
    sheet.say("left", 1, "below", LEFT)
    sheet.say("right", 1, "below", RIGHT, indent=40)


def _image_panel(scene: Scene, at: int) -> Image.Image:
    """Draws the keypoints in the frames of their images, one below the other or two by two, numbered."""
    panel = blank_panel()
    views = len(scene.sizes)
    rows, columns = min(views, 2), -(-views // 2)
    cell = panel.width // columns, panel.height // rows
    for view in range(views):
        picture = _view_picture(scene, at, view, cell)
        panel.paste(picture, (view % columns * cell[0], view // columns * cell[1]))
    return panel


def _view_picture(scene: Scene, at: int, view: int, cell: tuple[int, int]) -> Image.Image:
    """Draws one view's keypoints, y down, aspect kept, its number in a corner; parts outside the cell are clipped."""
    picture = Image.new("RGB", cell, PAPER)
    margin = MARGIN * SMOOTH * min(cell) / (PANEL * SMOOTH)
    size = scene.sizes[view, at].astype(float)
    scale = float(((np.array(cell) - 2 * margin) / size).min())
    corner = (np.array(cell) - size * scale) / 2
    draw = ImageDraw.Draw(picture)
    photo = None if scene.photo is None else scene.photo(view, at)
    if photo is None:
        draw.rectangle((*corner, *(corner + size * scale)), FRAME, GROUND, SMOOTH)
    else:
        width, height = np.maximum(np.rint(size * scale), 1).astype(int).tolist()
        small = photo.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture.paste(small, tuple(np.rint(corner).astype(int).tolist()))
    if len(scene.sizes) > 1:
        draw.text(tuple(corner + 6 * SMOOTH), str(view + 1), WORDS, small_font(), "lt")
    keypoints = scene.keypoints[view, at]
    span = float(np.ptp(keypoints, 0).max() * scale)
    # A small person gets thin limbs: at full width they would be a blot.
    joints = range(scene.skeleton.num_joints)
    _skeleton(draw, scene.skeleton, corner + keypoints * scale, joints, min(1.0, max(0.4, span / 300)))
    return picture


class _View:
    """3D panel: a parallel projection that swings around the person, who stands on the ground."""

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
        """Draws the panel of frame `at`."""
        panel = blank_panel()
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
        """Draws squares within a circle: a disc has the same outline from every side."""
        for step in np.arange(-self.ground, self.ground + TILE / 2, TILE):
            half = math.sqrt(max(0.0, self.ground**2 - step**2))
            for ends in (((step, 0, -half), (step, 0, half)), ((-half, 0, step), (half, 0, step))):
                points, _ = self._project(np.array(ends), angle)
                draw.line([tuple(point) for point in points], GROUND, SMOOTH)
        turn = np.linspace(0, 2 * math.pi, 73)
        rim = self.ground * np.stack((np.cos(turn), np.zeros_like(turn), np.sin(turn)), 1)
        draw.line([tuple(point) for point in self._project(rim, angle)[0]], GROUND, SMOOTH)

    def _project(self, points: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Projects points [J, 3] in metres, the ground at y = 0, to panel positions [J, 2] and depth [J]."""
        across = math.cos(angle) * points[:, 0] + math.sin(angle) * points[:, 2]
        depth = math.cos(angle) * points[:, 2] - math.sin(angle) * points[:, 0]
        down = points[:, 1] * math.cos(LIFT) - depth * math.sin(LIFT)
        return np.stack((self.size / 2 + across * self.scale, self.base + down * self.scale), 1), depth


def _skeleton(
    draw: ImageDraw.ImageDraw, skeleton: Skeleton, points: NDArray[np.float64], order: Iterable[int], weight: float
) -> None:
    """Draws bones to the joints of `order`, first to last, each with a pale rim that separates it from those behind."""
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
