"""Reader of images with a bounding box around the person or hand in each, for mesh networks: a single image, a list of
images, or a mesh set, of whose labels only the boxes are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..config import HANDS
from ..errors import DataError
from ..formats.json_text import read_json
from ..formats.meshes.mesh_rows import picture_of
from ..formats.meshes.mesh_tsv import MeshSet
from ..images.crops import BOX_MARGIN, SCALE_PX
from ..images.mesh_crops import Boxed
from .keypoints import DEFAULT_FPS, Told, frame_rate
from .photos import Entry, listed, listed_entries, opened

Numbers = NDArray[np.float64]
Box = tuple[float, float, float, float]  # x, y, width, height in pixels

FORMS = (
    "one image, the .yaml of a mesh set, JSON {images: [{file, box: [x, y, width, height]}, ...]}, or COCO: {images: "
    "[{id, file_name}, ...], annotations: [{image_id, bbox}, ...]}, or a list of {file or image_id, bbox}"
)
SHOWN = 80  # characters of a faulty box
FARTHEST = 1_000_000  # pixels; a box that begins or ends beyond is a slip
LARGEST = 2.0  # of a box to its image, by the larger sides; a crop is cut at full size, and that takes its memory


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshImages:
    """n bounding boxes in images that the file `path` names.

    names: files relative to it, or keys of a set; hands: one of HANDS for each box, None where the file does not tell;
    center [n, 2] pixels and scale [n], the side in units of 200 pixels; sizes [n, 2]: width and height of the images;
    fps: frame rate of a film of them; picture(at): the image, RGB."""

    path: Path
    names: tuple[str, ...]
    hands: tuple[str | None, ...]
    center: Numbers
    scale: Numbers
    sizes: NDArray[np.int64]
    fps: float
    picture: Callable[[int], Image.Image]

    @property
    def boxes(self) -> Numbers:
        """Boxes [n, 3] in pixels: middle x and y, and side."""
        return np.column_stack((self.center, SCALE_PX * self.scale))

    def boxed(self, rows: Sequence[int]) -> Boxed:
        """Decodes some of the images."""
        at = list(rows)
        return Boxed(images=tuple(self.picture(row) for row in at), center=self.center[at], scale=self.scale[at])


def read_mesh_images(path: Path, kind: str, told: Told) -> MeshImages:
    """Reads the boxes in `path`; kind: of the network, `body` or `hand`. DataError with all problems. Every image is
    decoded once, to validate it."""
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _set(path, kind, told)
    return _list(path, told) if suffix == ".json" else _single(path, told)


def _single(path: Path, told: Told) -> MeshImages:
    try:
        size = opened(path).size
    except DataError as error:
        raise DataError(str(path), [f"{problem}; allowed: {FORMS}" for problem in error.problems]) from None
    return _images(path, [path.name], [_whole(size)], [size], told.fps)


def _set(path: Path, kind: str, told: Told) -> MeshImages:
    mesh_set = MeshSet(path, kind)
    boxes: list[tuple[Numbers, float]] = []
    sizes: list[tuple[int, int]] = []
    problems: list[str] = []
    for number in range(len(mesh_set)):
        for look in (lambda at: boxes.append(mesh_set.box(at)), lambda at: sizes.append(picture_of(mesh_set, at).size)):
            try:
                look(number)
            except DataError as error:
                problems += [f"{error.where}: {problem}" for problem in error.problems]
    if problems:
        raise DataError(str(path), problems)
    names = [mesh_set.key(number) for number in range(len(mesh_set))]
    return _images(path, names, boxes, sizes, told.fps, lambda at: picture_of(mesh_set, at))


def _list(path: Path, told: Told) -> MeshImages:
    tree = read_json(path, f"is no JSON; allowed: {FORMS}")
    problems: list[str] = []
    entries = _boxed_entries(listed_entries(path, tree, FORMS, problems))
    fps = frame_rate(told, tree if isinstance(tree, dict) else {}, problems)
    known: dict[str, tuple[int, int]] = {}
    faults: dict[str, list[str]] = {}
    for file in dict.fromkeys(entry.file for entry in entries):
        try:
            known[file] = opened(path.parent / file).size
        except DataError as error:
            for problem in error.problems:
                faults.setdefault(problem, []).append(file)
    problems += [f"{listed(files)}: {problem}" for problem, files in faults.items()]
    boxes = []
    hands = [entry.content.get("hand", tree.get("hand") if isinstance(tree, dict) else None) for entry in entries]
    for entry, hand in zip(entries, hands, strict=True):
        if hand not in (*HANDS, None):
            problems.append(f"{entry.place}: hand is {repr(hand)[:SHOWN]}; allowed: {', '.join(HANDS)}")
        size = known.get(entry.file)
        if isinstance(found := _box(_value(entry), size), str):
            problems.append(f"{entry.place}: {found}")
        elif size is not None:
            boxes.append(_whole(size) if found is None else _margined(found))
    if problems:
        raise DataError(str(path), problems)
    names = [entry.file for entry in entries]
    return _images(path, names, boxes, [known[name] for name in names], fps, hands=hands)


def _boxed_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the entries that are a box each. An image without a box of its own counts as a whole-image box, unless
    results name it."""
    told_of = {entry.file for entry in entries if entry.is_result}
    return [entry for entry in entries if entry.is_result or _value(entry) is not None or entry.file not in told_of]


def _value(entry: Entry) -> Any:
    """Returns the raw value of an entry's box."""
    return entry.content.get("box", entry.content.get("bbox"))


def _box(value: Any, size: tuple[int, int] | None) -> Box | str | None:
    """Parses the box in a value: the box, the fault as text in an image of this size, or None for none. size: None
    where the image is missing."""
    if value is None:
        return None
    found = f"box is {repr(value)[:SHOWN]}"
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 4 or any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        return f"{found}; expected [x, y, width, height] in pixels"
    if any(not abs(one) <= FARTHEST for one in numbers):
        return f"{found}; all four must be finite, and none beyond {FARTHEST:,} pixels"
    x, y, width, height = (float(one) for one in numbers)
    if not (width > 0 and height > 0):
        return f"{found} and has no area: width and height are above 0"
    if size is None:
        return x, y, width, height
    if not (x < size[0] and y < size[1] and x + width > 0 and y + height > 0):
        return f"{found} and lies outside of the image of {size[0]} x {size[1]}"
    if max(width, height) > LARGEST * max(size):
        return f"{found} and more than {LARGEST:g} times as large as the image of {size[0]} x {size[1]}"
    return x, y, width, height


def _margined(box: Box) -> tuple[Numbers, float]:
    x, y, width, height = box
    return np.array((x + width / 2, y + height / 2)), BOX_MARGIN * max(width, height) / SCALE_PX


def _whole(size: tuple[int, int]) -> tuple[Numbers, float]:
    """Returns the square around the whole image."""
    return np.array(size) / 2, max(size) / SCALE_PX


def _images(
    path: Path,
    names: Sequence[str],
    boxes: Sequence[tuple[Numbers, float]],
    sizes: Sequence[tuple[int, int]],
    fps: float | None,
    picture: Callable[[int], Image.Image] | None = None,
    hands: Sequence[str | None] | None = None,
) -> MeshImages:
    return MeshImages(
        path=path,
        names=tuple(names),
        hands=tuple(hands or [None] * len(names)),
        center=np.stack([center for center, _ in boxes]).astype(np.float64),
        scale=np.array([scale for _, scale in boxes], np.float64),
        sizes=np.array(sizes, np.int64),
        fps=fps or DEFAULT_FPS,
        picture=picture or (lambda at: opened(path.parent / names[at])),
    )
