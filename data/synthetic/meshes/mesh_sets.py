"""Synthetic mesh sets: rendered people and hands with labels, in the layout of MeshGraphormer's data, with the
model."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ...bodies.body_joints import labelled_joints
from ...bodies.body_model import BodyModel, MeshLevels
from ...bodies.skinning import posed
from ...formats.meshes.body_models import read_models
from ...formats.meshes.mesh_labels import label_text, with_confidence
from ...formats.meshes.mesh_tsv import Sample, write_set
from ...images.crops import BOX_MARGIN, SCALE_PX
from ..images.figures import draw_background
from ..poses.signals import Signal
from .mesh_drawing import draw_colours, draw_mesh, paint_of
from .mesh_models import write_made_models
from .mesh_poses import draw_body_pose, draw_hand_pose, draw_shape

MODELS = "models"  # folder of the model's files within that of a set
SIDE = 224  # pixels of an image
FOCAL_PX = 1000.0
FILLED = (0.62, 0.80)  # of the side of an image, by the larger side of what is drawn
SHIFT_PX = 10.0  # of its middle from that of the image
QUALITY = 90  # of the JPEG files
PIECE = 25  # people posed at a time; bounds memory
PERSON_EVERY = 40  # images of one shape and look
# Share of the images by part; people of one are in no other.
PARTS: Mapping[str, float] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})
PERSON_STREAM, POSE_STREAM = 11, 12  # of the random streams


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeSet:
    """A synthetic mesh set: its kind, and its default number of images."""

    name: str
    kind: str
    images: int


SETS: Mapping[str, MadeSet] = MappingProxyType(
    {
        made.name: made
        for made in (
            MadeSet(name="synthetic_hand", kind="hand", images=3600),
            MadeSet(name="synthetic_body", kind="body", images=3600),
        )
    }
)


def write_mesh_set(folder: Path, kind: str, seed: int, count: int) -> None:
    """Writes about `count` images with labels as train, val and test, and the model, into an empty folder. The same
    seed gives the same bytes with the same Pillow."""
    write_made_models(folder / MODELS, kind)
    model, levels = read_models(folder / MODELS, kind)
    for part, (name, share) in enumerate(PARTS.items()):
        write_set(folder, name, _samples(model, levels, kind, (seed, part), max(1, round(count * share))))


def _samples(model: BodyModel, levels: MeshLevels, kind: str, stream: tuple[int, int], count: int) -> Iterator[Sample]:
    paint = paint_of(kind)
    for first in range(0, count, PIECE):
        numbers = range(first, min(first + PIECE, count))
        people = [_person(kind, stream, number // PERSON_EVERY) for number in numbers]
        rngs = [np.random.default_rng([*stream, number, POSE_STREAM]) for number in numbers]
        pose = np.stack([draw_body_pose(rng) if kind == "body" else draw_hand_pose(rng) for rng in rngs])
        betas = np.stack([person[0] for person in people])
        vertices, skeleton = posed(model, pose, betas)
        joints = labelled_joints(model, levels, vertices, skeleton)
        for at, number in enumerate(numbers):
            points, pixels = _before_camera(vertices[at], joints[at], rngs[at])
            image = draw_background(rngs[at], SIDE, SIDE)
            draw_mesh(image, points, pixels[: len(points)], paint, people[at][1])
            file = io.BytesIO()
            image.save(file, "JPEG", quality=QUALITY)
            yield Sample(
                key=f"{number:06d}.jpg",
                jpeg=file.getvalue(),
                size=(SIDE, SIDE),
                label=_label(pixels, len(points), joints[at], pose[at], betas[at]),
            )


def _person(kind: str, stream: tuple[int, int], number: int) -> tuple[Signal, Signal]:
    """Draws shape coefficients and colours."""
    rng = np.random.default_rng([*stream, number, PERSON_STREAM])
    return draw_shape(rng), draw_colours(rng, kind)


def _before_camera(vertices: Signal, joints: Signal, rng: np.random.Generator) -> tuple[Signal, Signal]:
    """Moves vertices before the camera, metres, and projects vertices and joints to pixels [P + J, 2]."""
    low, high = vertices.min(0), vertices.max(0)
    middle, reach = (low + high) / 2, (high - low)[:2].max()
    depth = FOCAL_PX * reach / (rng.uniform(*FILLED) * SIDE)
    place = np.append(rng.uniform(-SHIFT_PX, SHIFT_PX, 2) / FOCAL_PX * depth, depth)
    points = np.concatenate((vertices, joints)) - middle + place
    pixels = points[:, :2] * (FOCAL_PX / points[:, 2:]) + SIDE / 2
    return points[: len(vertices)], pixels


def _label(pixels: Signal, num_vertices: int, joints: Signal, pose: Signal, betas: Signal) -> dict[str, Any]:
    low, high = pixels[:num_vertices].min(0), pixels[:num_vertices].max(0)
    return label_text(
        center=(low + high) / 2,
        scale=float((high - low).max()) * BOX_MARGIN / SCALE_PX,
        joints2d=with_confidence(pixels[num_vertices:]),
        joints3d=with_confidence(joints),
        pose=pose,
        betas=betas,
        has=(True, True, True),
    )
