"""FreiHAND's official evaluation metrics: errors after an alignment that may reflect, AUC, and F-scores of meshes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .metrics import MM

NORM_EPS = 1e-8  # on the Frobenius norm of a centred pose, as published
FARTHEST, THRESHOLDS = 0.05, 100  # metres; evenly spaced from 0, both ends among them
PAIRS = 2**24  # distances of a chunk of meshes; bounds the memory, not the result


def aligned(pred: Tensor, true: Tensor) -> Tensor:
    """Aligns pred [..., J, 3] to true [..., J, 3] by the best scale, orthogonal map and translation.

    Unlike `data.poses.geometry.procrustes` it admits reflections, as the published evaluator does."""
    pred_centre, true_centre = pred.mean(-2, keepdim=True), true.mean(-2, keepdim=True)
    pred_0, true_0 = pred - pred_centre, true - true_centre
    pred_size, true_size = (torch.linalg.matrix_norm(x, keepdim=True) + NORM_EPS for x in (pred_0, true_0))
    # One pose that is not finite would make the decomposition of the whole batch raise.
    correlation = torch.nan_to_num((true_0 / true_size).mT @ (pred_0 / pred_size), nan=0.0, posinf=0.0, neginf=0.0)
    left, strength, right = torch.linalg.svd(correlation)
    turned = pred_0 / pred_size @ (left @ right).mT
    fitted: Tensor = turned * strength.sum(-1)[..., None, None] * true_size + true_centre
    return fitted


def thresholds(like: Tensor) -> Tensor:
    """Returns the 100 thresholds of the PCK curve, metres."""
    return torch.linspace(0, FARTHEST, THRESHOLDS, dtype=torch.float64).to(like)


def auc_50mm(pred: Tensor, true: Tensor) -> Tensor:
    """Computes the area [...] under the PCK curve, over thresholds up to 50 mm, of joints [..., J, 3] metres."""
    return _areas((pred - true).norm(dim=-1)).mean(-1)


def _areas(errors: Tensor) -> Tensor:
    """Returns the area under the step at each error, by trapezoids: 1 for an error of 0, 0 beyond the last
    threshold."""
    reached = torch.searchsorted(thresholds(errors), errors.contiguous())
    steps = THRESHOLDS - 1
    half = ((reached > 0) & (reached <= steps)).to(errors) / 2  # the trapezoid that rises to the threshold reached
    return ((steps - reached).clamp_min(0) + half) / steps


class FScore(NamedTuple):
    """F-score [...] with its two shares, named as in the published evaluator: f, their harmonic mean; precision, the
    share of true points near pred; recall, the share of predicted points near true."""

    f: Tensor
    precision: Tensor
    recall: Tensor


def f_scores(pred: Tensor, true: Tensor, *distances: float) -> list[FScore]:
    """Computes F-scores of meshes [N, P, 3] metres at each of the distances in metres: points with a nearest neighbour
    closer than that are near."""
    size = max(1, PAIRS // (pred.shape[-2] * true.shape[-2]))
    parts = [_nearest(*part) for part in zip(pred.split(size), true.split(size), strict=True)]
    to_pred, to_true = (torch.cat(sides) for sides in zip(*parts, strict=True))
    found = []
    for distance in distances:
        precision, recall = ((nearest < distance).to(pred).mean(-1) for nearest in (to_pred, to_true))
        both = precision + recall
        found.append(FScore(2 * precision * recall / both.where(both > 0, 1.0), precision, recall))
    return found


def _nearest(pred: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the distance of each true point to the nearest of pred, and of each predicted point to the nearest of
    true."""
    between = torch.cdist(true, pred, compute_mode="donot_use_mm_for_euclid_dist")
    return between.amin(-1), between.amin(-2)


class Summary(NamedTuple):
    """Statistics that the evaluator prints of errors [N, J]: in metres, of each joint over all images, then over
    joints; curve [100]: the share within each threshold."""

    mean_m: float
    median_m: float
    auc: float
    curve: Tensor


def summary(pred: Tensor, true: Tensor) -> Summary:
    """Computes the summary of predictions [N, J, 3] in metres."""
    errors = (pred - true).norm(dim=-1)
    # numpy's median, of an even number the middle of both; torch's own takes the lower one.
    median = errors.quantile(0.5, dim=0).mean()
    curve = (errors.unsqueeze(-1) <= thresholds(errors)).to(errors).mean((0, 1))
    return Summary(float(errors.mean()), float(median), float(_areas(errors).mean()), curve)


def hand_scores(joints: tuple[Tensor, Tensor], vertices: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Computes the published metrics [N] of (pred, true) joints [N, 21, 3] and vertices [N, 778, 3] in metres, each
    aligned separately: errors in millimetres, areas and F-scores in 0 to 1."""
    near = aligned(*joints), joints[1]
    mesh = aligned(*vertices), vertices[1]
    fine, rough = f_scores(*mesh, 0.005, 0.015)
    return {
        "p_mpjpe_mm": (near[0] - near[1]).norm(dim=-1).mean(-1) * MM,
        "pa_mpvpe_mm": (mesh[0] - mesh[1]).norm(dim=-1).mean(-1) * MM,
        "auc_50mm": auc_50mm(*near),
        "mesh_auc_50mm": auc_50mm(*mesh),
        "pa_f_5mm": fine.f,
        "pa_f_15mm": rough.f,
    }
