"""Golden data of Mesh Graphormer's losses and scores, and of FreiHAND's evaluator."""

import numpy as np
import torch
from torch import Tensor

from data.poses.geometry import procrustes
from tests.parity.images import FLOAT64, TYPES, Archive, hyper_of, near, tensor
from trainables.models.mesh_graphormer import objective
from trainables.models.mesh_graphormer.mesh import HIPS, OF_UNION
from trainables.scoring import freihand, metrics


def check_losses(archive: Archive) -> None:
    """Losses and scores of bodies and hands."""
    hyper = hyper_of(archive)
    for suffix, dtype in TYPES:
        given = {name: tensor(archive, f"in/{name}", dtype) for name in archive_names(archive)}
        for name, found in body_losses(given, hyper["body_weights"]).items():
            near(found, archive, f"out/{name}", suffix)
    weights = hyper["hand_weights"]
    has, mesh = given["has_smpl"], given["hand_pred_joints21_from_mesh"]
    joints = given["hand_pred_joints21"], mesh
    true = given["hand_gt_joints21_root_relative"]
    true = torch.cat((true, torch.ones_like(true[..., :1])), -1)
    found = {
        "hand_loss_3d": sum(objective.joint_error(x, true, has, (0,)) for x in joints),
        "hand_loss_vertices": _vertices(given, has, weights, ("sub", "full")),
        "hand_loss_2d": _seen(given, joints, given["hand_gt_joints21_xy_conf"]),
    }
    total = zip(found.values(), (weights["joints"], weights["vertices"], weights["vertices"]), strict=True)
    for name, value in {**found, "hand_total": sum(value * weight for value, weight in total)}.items():
        near(value, archive, f"out/{name}", "f64")
    aligned = procrustes(given["pred_vertices"], given["gt_vertices"])
    near(aligned, archive, "out/pa_aligned_vertices", "f64")
    near(metrics.mpjpe_mm(aligned, given["gt_vertices"]) / metrics.MM, archive, "out/pa_mpvpe", "f64")
    true = given["gt_joints24_xyz_conf"][:, list(OF_UNION)]
    joints = given["pred_joints14_from_mesh"], true[..., :3]
    near(metrics.p_mpjpe_mm(*joints) / metrics.MM, archive, "out/pa_mpjpe", "f64")


def body_losses(given: dict[str, Tensor], weights: dict[str, float]) -> dict[str, Tensor]:
    """Every term and error that the archive names for a body."""
    direct, mesh = given["pred_joints14"], given["pred_joints14_from_mesh"]
    true, seen = (given[f"gt_joints24_{kind}_conf"][:, list(OF_UNION)] for kind in ("xyz", "xy"))
    has3d, has_smpl = given["has_3d_joints"], given["has_smpl"]
    found = {
        "proj_joints": objective.project(given["camera_s_tx_ty"], direct),
        "loss_3d_direct": objective.joint_error(direct, true, has3d, HIPS),
        "loss_3d_from_mesh": objective.joint_error(mesh, true, has3d, HIPS),
        "loss_vertices": _vertices(given, has_smpl, weights, ("sub2", "sub", "full")),
        "loss_2d": _seen(given, (direct, mesh), seen),
    }
    total = weights["joints"] * (found["loss_3d_direct"] + found["loss_3d_from_mesh"])
    total = total + weights["vertices"] * (found["loss_vertices"] + found["loss_2d"])
    joints = objective.centred(mesh, HIPS), objective.centred(true[..., :3], HIPS)
    meshes = given["pred_vertices"], given["gt_vertices"]
    return {
        **found,
        "total_body": total,
        "mpjpe": metrics.mpjpe_mm(*joints)[has3d > 0] / metrics.MM,
        "mpve": metrics.mpjpe_mm(*meshes)[has_smpl > 0] / metrics.MM,
    }


def _vertices(given: dict[str, Tensor], has: Tensor, weights: dict[str, float], levels: tuple[str, ...]) -> Tensor:
    total = torch.zeros((), dtype=has.dtype)
    for level in levels:
        name = "vertices" if level == "full" else f"vertices_{level}"
        total = total + weights[level] * objective.vertex_error(given[f"pred_{name}"], given[f"gt_{name}"], has)
    return total


def _seen(given: dict[str, Tensor], joints: tuple[Tensor, ...], true: Tensor) -> Tensor:
    points = [objective.project(given["camera_s_tx_ty"], x) for x in joints]
    return torch.stack([objective.image_error(x, true) for x in points]).sum()


def check_freihand(archive: Archive) -> None:
    """The scores of FreiHAND's evaluator."""
    given = {name: tensor(archive, f"in/{name}", torch.float64) for name in archive_names(archive)}
    for name, kind in (("xyz", "xyz"), ("verts", "mesh")):
        pred, true = given[f"pred_{name}"], given[f"gt_{name}"]
        fitted = freihand.aligned(pred, true)
        close(fitted, archive[f"out/{name}_aligned"])
        for points, infix in ((pred, ""), (fitted, "_al")):
            found = freihand.summary(points, true)
            close(found.mean_m, archive[f"out/{kind}{infix}_mean_m"])
            close(found.median_m, archive[f"out/{kind}{infix}_median_m"])
            close(found.auc, archive[f"out/{kind}{infix}_auc"])
            close(found.curve, archive[f"out/{kind}{infix}_pck_curve"])
            close(freihand.auc_50mm(points, true).mean(), archive[f"out/{kind}{infix}_auc"])
    both = hyper_of(archive)["f_thresholds_m"]
    plain = freihand.f_scores(given["pred_verts"], given["gt_verts"], *both)
    close(torch.stack([score.f for score in plain], 1), archive["out/f_unaligned_5_15"])
    fits = freihand.f_scores(fitted, given["gt_verts"], *both)
    for field in ("f", "precision", "recall"):
        close(torch.stack([getattr(score, field) for score in fits], 1), archive[f"out/{field}_aligned_5_15"])


def archive_names(archive: Archive) -> list[str]:
    """The inputs of an archive."""
    return [name.removeprefix("in/") for name in archive if name.startswith("in/")]


def close(found: Tensor | float, stored: np.ndarray) -> None:
    """Asserts equality within what float64 is stated to hold."""
    np.testing.assert_allclose(np.asarray(found), stored, rtol=0, atol=FLOAT64)
