"""Converter of FreiHAND's download to a mesh set: hands with 21 joints and MANO poses, each before four backgrounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..formats.json_text import parse_json
from ..formats.meshes.mesh_labels import label_text, with_confidence
from ..formats.meshes.mesh_tsv import Sample

Numbers = NDArray[np.float64]
SIDE = 224  # pixels of every image
CENTER, SCALE = np.array((112.0, 112.0)), 0.9  # the box of every image, as published
POSE, SHAPE = slice(0, 48), slice(48, 58)  # of the numbers of a hand; behind them its place and its size
NUMBERS = 61
VAL_SHARE = 0.1  # of the hands of the training set, the last ones; they are in no other part
LARGEST_METRES = 10  # a hand this far from the camera would not be seen
IMAGES = {"train": Path("training/rgb"), "test": Path("evaluation/rgb")}


@dataclass(frozen=True, kw_only=True, slots=True)
class FreiHand:
    """Annotations of n hands: lens [n, 3, 3] pixels, joints [n, 21, 3] metres in camera axes, mano [n, 61]. Image i of
    m shows hand i % n. `test`: images without labels."""

    root: Path
    lens: Numbers
    joints: Numbers
    mano: Numbers
    images: int
    test: int

    @property
    def hands(self) -> int:
        """The number of hands, n."""
        return len(self.joints)

    def parts(self) -> dict[str, list[int]]:
        """Returns the rows of the training images that are trained on, and of those kept back, by hand."""
        first = self.hands - max(1, round(self.hands * VAL_SHARE))
        rows = range(self.images)
        return {
            "train_part": [row for row in rows if row % self.hands < first],
            "val": [row for row in rows if row % self.hands >= first],
        }


def read_freihand(root: Path) -> FreiHand:
    """Reads the annotations and counts the images. DataError lists everything that is missing or does not fit."""
    problems: list[str] = []
    shapes = {"K": (3, 3), "xyz": (21, 3), "mano": (NUMBERS,)}
    found = {name: _numbers(root / f"training_{name}.json", shape, problems) for name, shape in shapes.items()}
    counts = {name: len(values) for name, values in found.items()}
    if not problems and len(set(counts.values())) > 1:
        told = ", ".join(f"training_{name}.json {count}" for name, count in counts.items())
        problems.append(f"numbers of hands differ: {told}; copy the files again")
    if not problems and np.abs(found["xyz"]).max() > LARGEST_METRES:
        problems.append("training_xyz.json looks like millimetres; divide it by 1000")
    images = {part: _num_images(root / folder, problems) for part, folder in IMAGES.items()}
    if not problems and (not images["train"] or images["train"] % counts["xyz"]):
        problems.append(f"{IMAGES['train']} has {images['train']} images, no multiple of {counts['xyz']} hands")
    if problems:
        raise DataError(str(root), problems)
    return FreiHand(
        root=root,
        lens=found["K"],
        joints=found["xyz"],
        mano=found["mano"],
        images=images["train"],
        test=images["test"],
    )


def _numbers(path: Path, shape: tuple[int, ...], problems: list[str]) -> Numbers:
    """Reads [n, *shape] from a JSON list of arrays; an axis of one in between is dropped."""
    try:
        content: Any = parse_json(path.read_bytes())
        values = np.array(content, np.float64)
    except OSError as error:
        problems.append(f"{path.name}: cannot be read ({error.strerror}); it comes with the training set")
        return np.zeros((0, *shape))
    except (ValueError, TypeError) as error:
        problems.append(f"{path.name}: is no list of numbers of one shape ({error}); copy it again")
        return np.zeros((0, *shape))
    if values.ndim == len(shape) + 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape[1:] != shape or not len(values) or not np.isfinite(values).all():
        problems.append(f"{path.name}: has shape {values.shape}; expected finite numbers (hands, {shape})")
        return np.zeros((0, *shape))
    return values


def _num_images(folder: Path, problems: list[str]) -> int:
    """Counts the images of a folder, which are numbered from 0 without gaps; 0 where there is no folder."""
    names = {path.name for path in folder.glob("*.jpg")} if folder.is_dir() else set()
    gaps = [number for number in range(len(names)) if image_name(number) not in names]
    if gaps:
        problems.append(f"{folder}: has {len(names)} images, but no {image_name(gaps[0])}; unpack it again")
    return len(names)


def image_name(number: int) -> str:
    """Returns the name of an image file."""
    return f"{number:08d}.jpg"


def train_samples(source: FreiHand) -> Iterator[Sample]:
    """Yields every training image with its label."""
    for number in range(source.images):
        hand = number % source.hands
        joints = source.joints[hand]
        seen = joints @ source.lens[hand].T
        pixels = seen[:, :2] / seen[:, 2:]
        label = label_text(
            center=CENTER,
            scale=SCALE,
            joints2d=with_confidence(pixels),
            joints3d=with_confidence(joints),
            pose=source.mano[hand, POSE],
            betas=source.mano[hand, SHAPE],
            has=(True, True, True),
        )
        yield _sample(source.root / IMAGES["train"], number, label)


def test_samples(source: FreiHand) -> Iterator[Sample]:
    """Yields every image of the evaluation set, whose labels are not public: dummies, as in the published tables."""
    label = label_text(
        center=CENTER,
        scale=SCALE,
        joints2d=np.zeros((21, 3)),
        joints3d=np.zeros((21, 4)),
        pose=np.zeros(48),
        betas=np.zeros(10),
        has=(False, False, True),
    )
    for number in range(source.test):
        yield _sample(source.root / IMAGES["test"], number, label)


def _sample(folder: Path, number: int, label: dict[str, Any]) -> Sample:
    name = image_name(number)
    try:
        jpeg = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(str(folder / name), [f"cannot be read: {error.strerror}"]) from None
    return Sample(key=name, jpeg=jpeg, size=(SIDE, SIDE), label=label)
