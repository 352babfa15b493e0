"""Pictures of predicted poses in the format that an ending names: a film, one picture, or a page for a browser."""

from __future__ import annotations

from typing import BinaryIO

from ..cli.outputs import PAGE
from . import skeletons
from .skeletons import Scene
from .viewer.page import Shown, write_page


def render(scene: Scene, file: BinaryIO, suffix: str, title: str) -> None:
    """Writes the scene as .gif, .mp4, .png (its first frame) or .html. title: of a page."""
    if suffix != PAGE:
        print(f"rendering {scene.told}", flush=True)
        skeletons.render(scene, file, suffix)
        return
    photos = scene.photos
    shown = Shown(
        title=title, pose3d=scene.pose3d, keypoints=scene.keypoints, is_filled=scene.is_filled, sizes=scene.sizes,
        skeleton=scene.skeleton, fps=scene.fps, names=() if photos is None else photos.files,
        photo=None if photos is None else photos.image,
    )  # fmt: skip
    write_page(file, shown)
