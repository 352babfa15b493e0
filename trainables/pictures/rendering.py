"""Pictures of predicted poses in the format that an ending names: a film, one picture, or a page for a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

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
    shown = Shown(
        title=title, pose3d=scene.pose3d, keypoints=scene.keypoints, is_filled=scene.is_filled, sizes=scene.sizes,
        skeleton=scene.skeleton, fps=scene.fps, names=scene.names,
        photo=_photo_of(scene),
    )  # fmt: skip
    write_page(file, shown)


def _photo_of(scene: Scene) -> Callable[[int], Image.Image] | None:
    """Returns the images of a single view; None where there are several, whose keypoints lie beside each other."""
    photo = scene.photo
    if photo is None or len(scene.sizes) > 1:
        return None

    def of_frame(at: int) -> Image.Image:
        image = photo(0, at)
        assert image is not None, at
        return image

    return of_frame
