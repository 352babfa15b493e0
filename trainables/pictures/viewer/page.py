"""Writer of the page: predictions as compact numbers, with the style and script that show them, in one HTML file."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from string import Template
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.poses.skeleton import Skeleton

from ..films import step_of

HERE = Path(__file__).parent
MM = 1000.0  # in a metre; poses are written in whole millimetres
TENTHS = 10  # of a millimetre, in which meshes are written: a hand is small
SHARE = 10_000  # keypoints are written in so many parts of the longer side of their image
MOST_MESH = 4_000_000  # bytes of all meshes; a longer film of them is thinned
MOST_PHOTOS, PHOTO_SIDE, PHOTO_QUALITY = 64, 480, 75  # images that are shown, pixels of the longer side, of JPEG


@dataclass(frozen=True, kw_only=True, slots=True)
class Surfaces:
    """Meshes of n images: vertices [n, P, 3] metres, x right, y down, z forward; faces of each, of which many share
    one."""

    vertices: NDArray[np.float32]
    faces: Sequence[NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """Content of a page: pose3d [n, J, 3] metres, root at zero, x right, y down, z forward; keypoints [V, n, J, 2]
    pixels of images of sizes [V, n, 2], width and height; is_filled [V, n]: frames without a detection; fps of the n
    frames; names of images, empty for frames of a video; photo(at): the image of a frame; surfaces: drawn in place of
    the bones."""

    title: str
    pose3d: NDArray[np.float32]
    keypoints: NDArray[np.floating]
    is_filled: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    skeleton: Skeleton
    fps: float
    names: Sequence[str] = ()
    photo: Callable[[int], Image.Image] | None = None
    surfaces: Surfaces | None = None


def write_page(file: BinaryIO, shown: Shown) -> None:
    """Writes the page. It loads nothing: its own policy forbids that."""
    text = Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(shown.title),
        facts=html.escape(facts_of(shown)),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        # A name of a file must not end the element.
        data=json.dumps(numbers_of(shown), separators=(",", ":")).replace("<", "\\u003c"),
    )
    file.write(text.encode())


def facts_of(shown: Shown) -> str:
    """Describes what is shown, in one line."""
    count, every = len(shown.pose3d), page_step(shown)
    what = "image" if shown.names else "frame"
    facts = [f"{count:,} {what}{'s' if count > 1 else ''}", f"{shown.skeleton.num_joints} joints"]
    if shown.surfaces is not None:
        facts.append(f"{shown.surfaces.vertices.shape[1]:,} vertices")
    if count > 1:
        facts.append(f"{shown.fps:g} a second")
    return ", ".join(facts) + (f"; one {what} in {every} is shown" if every > 1 else "")


def page_step(shown: Shown) -> int:
    """Returns the step of the frames that a page holds: 1, but for meshes, whose numbers are many."""
    if shown.surfaces is None:
        return 1
    size = shown.surfaces.vertices.size * 2
    return max(step_of(shown.fps), -(-size // MOST_MESH))


def numbers_of(shown: Shown) -> dict[str, Any]:
    """Returns the content of the page as JSON: arrays are base64 of 16 bits, low byte first, frame by frame."""
    rows = np.arange(0, len(shown.pose3d), page_step(shown))
    skeleton, sizes = shown.skeleton, shown.sizes[:, rows]
    sides = {**dict.fromkeys(skeleton.left, "left"), **dict.fromkeys(skeleton.right, "right")}
    unit = SHARE / sizes.max(-1)[..., None, None]
    views = [
        {
            "points": _packed(points),
            "sizes": np.unique(size, axis=0).tolist() if len(np.unique(size, axis=0)) == 1 else size.tolist(),
            "filled": _runs(filled),
        }
        for points, size, filled in zip(shown.keypoints[:, rows] * unit, sizes, shown.is_filled[:, rows], strict=True)
    ]
    return {
        "count": len(rows),
        "total": len(shown.pose3d),
        "every": page_step(shown),
        "fps": shown.fps,
        "bones": [list(edge) for edge in skeleton.edges],
        "sides": [sides.get(joint, "middle") for joint in range(skeleton.num_joints)],
        "pose": _packed(MM * shown.pose3d[rows]),
        "share": SHARE,
        "views": views,
        "names": [PurePath(shown.names[row]).name for row in rows.tolist()] if shown.names else [],
        "photos": _photos(shown, rows),
        "mesh": _meshes(shown.surfaces, rows) if shown.surfaces else None,
    }


def _meshes(surfaces: Surfaces, rows: NDArray[np.int64]) -> dict[str, Any]:
    kinds: dict[int, int] = {}  # faces by identity, in the order of their first mesh
    own = [kinds.setdefault(id(surfaces.faces[row]), len(kinds)) for row in rows]
    faces = [next(faces for faces in surfaces.faces if id(faces) == kind) for kind in kinds]
    return {
        "size": surfaces.vertices.shape[1],
        "tenths": TENTHS,
        "points": _packed(TENTHS * MM * surfaces.vertices[rows]),
        "faces": [base64.b64encode(one.astype("<u2").tobytes()).decode() for one in faces],
        "kinds": own,
    }


def _photos(shown: Shown, rows: NDArray[np.int64]) -> list[str]:
    """Returns the images as JPEG of PHOTO_SIDE pixels, in data addresses; none where they are too many."""
    if shown.photo is None or len(rows) > MOST_PHOTOS:
        return []
    found = []
    for row in rows.tolist():
        picture, file = shown.photo(row), io.BytesIO()
        picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        picture.save(file, "jpeg", quality=PHOTO_QUALITY)
        found.append(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")
    return found


def _packed(numbers: NDArray[np.floating]) -> str:
    """Returns rounded numbers of 16 bits as base64; what is farther out is put at the end of the range."""
    limits = np.iinfo(np.int16)
    whole = np.rint(numbers).clip(limits.min, limits.max).astype("<i2")
    return base64.b64encode(whole.tobytes()).decode()


def _runs(flags: NDArray[np.bool_]) -> list[list[int]]:
    """Returns first and last of every run of true flags [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [[int(first), int(after) - 1] for first, after in edges.reshape(-1, 2)]
