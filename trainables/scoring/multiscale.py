"""Multi-scale test-time augmentation of hands, as Mesh Graphormer is published on FreiHAND: the mean over crops of
several sizes and rotations, aligned to the plain crop's mesh."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.images.ahead import Ahead
from data.images.mesh_crops import Boxed
from data.poses.geometry import procrustes

from ..entry import Meshes

ZOOMS = (0.7, 0.8, 0.9, 1.0, 1.1)  # factors on the side of a box
TURNS = (0.0, *(sign * step for step in range(10, 100, 10) for sign in (1.0, -1.0)))  # degrees
PLAIN = (1.0, 0.0)
RUNS = tuple((zoom, turn) for zoom in ZOOMS for turn in TURNS)  # 95, the plain one among them


def averaged(find: Callable[[Tensor], Meshes], boxed: Boxed, plain: Meshes, threads: int) -> Meshes:
    """Averages the meshes that `find` predicts from the crops uint8 [B, 1, 3, Y, X] of all RUNS.

    Joints and vertices of every run are aligned to those of `plain`, the prediction from the plain crops, by a
    similarity without reflection each, sample by sample. The plain run is one of RUNS and counts once more, as
    published, so the sum is divided by 96. The camera is that of the plain run, and so is the origin: the mean root
    joint may be off by a little. threads: make crops beside the network."""
    joints, vertices = 2 * plain.joints, 2 * plain.vertices
    for crops in _crops(boxed, threads):
        found = find(torch.from_numpy(crops))
        joints = joints + procrustes(found.joints, plain.joints)
        vertices = vertices + procrustes(found.vertices, plain.vertices)
    count = len(RUNS) + 1
    return dataclasses.replace(plain, joints=joints / count, vertices=vertices / count)


def _crops(boxed: Boxed, threads: int) -> Iterator[NDArray[np.uint8]]:
    """Yields the crops of every run but the plain one; a few are computed ahead."""
    runs = [run for run in RUNS if run != PLAIN]
    ahead: Ahead[NDArray[np.uint8]] = Ahead(threads, "multi-scale crops", threads + 1)
    for at, run in enumerate(runs):
        for coming in runs[at : at + threads + 1]:
            ahead.expect(coming, partial(boxed.crops, *coming))
        yield ahead.fetch(run, partial(boxed.crops, *run))
