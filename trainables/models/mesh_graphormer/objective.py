"""Objective of Mesh Graphormer: its loss, and its metrics as the published protocols compute them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from data.batches.batch import Batch

from ...entry import Meshes, Scores
from ...scoring.freihand import hand_scores
from ...scoring.metrics import mpjpe_mm, p_mpjpe_mm
from .config import ObjectiveConfig
from .network import MeshPrediction


def terms(prediction: MeshPrediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Returns the loss terms: 3D joints (m^2) and projected joints, predicted directly and regressed from the mesh, and
    vertices (m)."""
    truth = prediction.truth
    assert truth is not None, "the loss needs Batch.body_pose, betas, has, joints2d and joints3d"
    both = (prediction.pose3d[:, 0], prediction.mesh_joints)
    joints3d = [joint_error(joints, truth.joints3d, truth.has3d, prediction.middle) for joints in both]
    joints2d = [image_error(project(prediction.camera, joints), truth.joints2d) for joints in both]
    # A hand has no middle level.
    shares = [objective.coarse, *([objective.middle] if len(truth.meshes) > 2 else []), objective.full]
    levels = zip(shares, prediction.meshes, truth.meshes, strict=True)
    vertices = [share * vertex_error(pred, true, truth.has_mesh) for share, pred, true in levels]
    return {
        "joints3d": objective.joints3d * torch.stack(joints3d).sum(),
        "vertices": objective.vertices * torch.stack(vertices).sum(),
        "joints2d": objective.joints2d * torch.stack(joints2d).sum(),
    }


def project(camera: Tensor, points: Tensor) -> Tensor:
    """Projects points [B, J, 3] by weak-perspective cameras [B, 3] to places [B, J, 2] in a crop, in [-1, 1]: scale (xy
    + shift)."""
    return camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:])


def centred(joints: Tensor, middle: Sequence[int]) -> Tensor:
    """Returns joints [B, J, 3] relative to the mid point of some of them."""
    return joints - joints[:, list(middle)].mean(1, keepdim=True)


def joint_error(pred: Tensor, true: Tensor, has: Tensor, middle: Sequence[int]) -> Tensor:
    """Computes the mean of confidence times squared difference of centred joints [B, J, 3] to [B, J, 4], over the
    samples that have any."""
    squares = (centred(pred, middle) - centred(true[..., :3], middle)).square() * true[..., 3:]
    return _selected(squares.mean((1, 2)), has)


def vertex_error(pred: Tensor, true: Tensor, has: Tensor) -> Tensor:
    """Computes the mean absolute difference of the coordinates of vertices [B, P, 3], over the samples that have
    any."""
    return _selected((pred - true).abs().mean((1, 2)), has)


def image_error(pred: Tensor, true: Tensor) -> Tensor:
    """Computes the mean of confidence times squared difference of points [B, J, 2] to [B, J, 3]; a sample without
    labels counts too, as published: its confidences are 0."""
    return ((pred - true[..., :2]).square() * true[..., 2:]).mean()


def _selected(errors: Tensor, has: Tensor) -> Tensor:
    """Returns the mean of errors [B] over the samples that count; 0 where none does."""
    return (errors * has).sum() / has.sum().clamp_min(1)


def poses(prediction: MeshPrediction) -> Tensor:
    """Returns [B, 1, J, 3] metres as scored: the joints of the mesh, relative to the mid point of the hips, or to the
    wrist."""
    return centred(prediction.mesh_joints, prediction.middle).unsqueeze(1)


def meshes(prediction: MeshPrediction) -> Meshes:
    """Returns the finest mesh and its joints relative to their root, with the camera adjusted."""
    root = prediction.mesh_root
    scale, shift = prediction.camera.split((1, 2), 1)
    return Meshes(
        joints=prediction.mesh_joints - root,
        vertices=prediction.meshes[-1] - root,
        camera=torch.cat((scale, shift + root[:, 0, :2]), 1),
    )


def scores(prediction: MeshPrediction, found: Meshes | None = None) -> Scores:
    """Computes the metrics of each sample with its weight: joints of the mesh, and vertices relative to their root.
    found: meshes scored instead of the predicted ones."""
    truth = prediction.truth
    assert truth is not None, "scores need Batch.body_pose, betas, has, joints2d and joints3d"
    pred = meshes(prediction) if found is None else found
    middle = prediction.middle
    joints = centred(pred.joints, middle), centred(truth.joints3d[..., :3], middle)
    vertices = pred.vertices, truth.meshes[-1]
    every = {"mpjpe_mm": (mpjpe_mm(*joints), truth.has3d), "mpvpe_mm": (mpjpe_mm(*vertices), truth.has_mesh)}
    if len(truth.meshes) == 2:
        return every | {name: (values, truth.has_mesh) for name, values in hand_scores(joints, vertices).items()}
    return {
        **every,
        "p_mpjpe_mm": (p_mpjpe_mm(*joints), truth.has3d),
        "pa_mpvpe_mm": (p_mpjpe_mm(*vertices), truth.has_mesh),
    }
