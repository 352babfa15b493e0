"""Initialisation of the last layers of a fresh network at the template mesh, for training in few steps."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from data.bodies.body_model import BodyModel, MeshLevels
from data.bodies.coarsening import between
from data.images.crops import BOX_MARGIN

from .mesh import coarser


@torch.no_grad()
def interpolate(steps: list[nn.Linear], body: BodyModel, levels: MeshLevels) -> None:
    """Initialises the upsampling layers, from the coarsest level, to interpolate every vertex between the three of the
    coarser level that are nearest to it in the template."""
    points = coarser(torch.from_numpy(body.v_template), [torch.from_numpy(kept) for kept in levels.down])
    for step, (coarse, fine) in zip(steps, pairwise(points), strict=True):
        nearest, shares = between(fine.numpy(), coarse.numpy())
        step.weight.zero_().scatter_(1, torch.from_numpy(nearest), torch.from_numpy(shares).to(step.weight))
        nn.init.zeros_(step.bias)


@torch.no_grad()
def look_at(camera: nn.Linear, template: Tensor) -> None:
    """Initialises the bias of the camera's last layer to the scale at which boxes show the template, points [T, 3]
    metres: from 0 the camera would need many steps."""
    extent = (template.amax(0) - template.amin(0)).amax()
    camera.bias.zero_()[0] = 2 / (BOX_MARGIN * extent)
