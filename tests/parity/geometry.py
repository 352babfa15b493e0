"""Golden data of metrics, rotations, cameras, projection, screen units and mirroring."""

import json
import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from data.poses import geometry
from data.poses.skeleton import H36M_17, H36M_32, kept_joints
from data.poses.thinning import deterministic_random
from trainables.scoring import metrics

Archive = Mapping[str, np.ndarray]

# float64 agrees up to rounding; float32 runs differ by up to 6e-6 (both limits are stated with the data).
FLOAT64, FLOAT32 = 1e-9, 2e-5

# Image heights in pixels by camera id (Human3.6M); every width is 1000.
HEIGHTS = {"54138969": 1002, "55011271": 1000, "58860488": 1000, "60457274": 1002}


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    for suffix, atol in (("f32", FLOAT32), ("f64", FLOAT64)):
        _check_metrics(archive, suffix, atol)
        _check_camera_transforms(archive, suffix, atol)
    _check_quaternions(archive)
    _check_real_cameras(archive)
    _check_projection(archive)
    _check_screen(archive)
    _check_mirror(archive)
    _check_skeleton(archive)
    _check_random(archive)


def _near(found: Tensor, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=atol)


def _tensors(archive: Archive, *names: str) -> list[Tensor]:
    return [torch.from_numpy(archive[name]) for name in names]


def _check_metrics(archive: Archive, suffix: str, atol: float) -> None:
    pred, true, weight = _tensors(archive, f"metric_pred_{suffix}", f"metric_target_{suffix}", f"metric_w_{suffix}")
    aligned_m = (geometry.procrustes(pred, true) - true).norm(dim=-1).mean(-1)
    _near(aligned_m, archive[f"p_mpjpe_per_frame_{suffix}"], atol)
    # The archive is in metres, a thousandth of what the metrics return.
    per_frame = metrics.p_mpjpe_mm(pred, true) / 1000
    _near(per_frame, archive[f"p_mpjpe_per_frame_{suffix}"], atol)
    _near(per_frame.mean(), archive[f"p_mpjpe_{suffix}"], atol)
    mpjpe = metrics.mpjpe_mm(pred, true) / 1000
    _near(mpjpe.mean(), archive[f"mpjpe_{suffix}"], atol)
    # One weight per frame holds for all its joints, so it may multiply the frame's mean.
    _near((mpjpe * weight.squeeze(-1)).mean(), archive[f"weighted_mpjpe_{suffix}"], atol)
    _near(metrics.n_mpjpe_mm(pred, true).mean() / 1000, archive[f"n_mpjpe_{suffix}"], atol)
    _near(metrics.mpjve_mm(pred, true).mean() / 1000, archive[f"mpjve_{suffix}"], atol)


def _check_camera_transforms(archive: Archive, suffix: str, atol: float) -> None:
    points, orientation, translation = _tensors(archive, f"w2c_X_{suffix}", f"w2c_R_{suffix}", f"w2c_t_{suffix}")
    found = geometry.world_to_camera(points, orientation, translation)
    _near(found, archive[f"world_to_camera_{suffix}"], atol)
    found = geometry.camera_to_world(points, orientation, translation)
    _near(found, archive[f"camera_to_world_{suffix}"], atol)


def _check_quaternions(archive: Archive) -> None:
    quaternion, vector = _tensors(archive, "quat_q", "quat_v")
    _near(geometry.rotate(quaternion, vector), archive["qrot"], FLOAT64)
    _near(geometry.conjugate(quaternion), archive["qinverse"], FLOAT64)


def _check_real_cameras(archive: Archive) -> None:
    points, intrinsics, extrinsics = _tensors(archive, "h36m_world_points", "h36m_intrinsics", "h36m_extrinsics_q_t")
    orientation, translation = extrinsics[:, None, :4], extrinsics[:, None, 4:]
    seen = geometry.world_to_camera(points, orientation, translation)
    _near(seen, archive["h36m_camera_points"], FLOAT32)
    screen = geometry.project(seen, intrinsics[:, None])
    _near(screen, archive["h36m_project_to_2d"], FLOAT32)
    linear = geometry.project_linear(seen, intrinsics[:, None])
    _near(linear, archive["h36m_project_to_2d_linear"], FLOAT32)
    exact = torch.from_numpy(archive["h36m_project_to_2d"]).double()
    names = json.loads(str(archive["h36m_camera_names"]))
    assert len(names) == len(intrinsics), names
    for camera, name in enumerate(names):
        height = HEIGHTS[name.split("/")[1]]
        _near(geometry.to_pixels(exact[camera], 1000, height), archive["h36m_pixels"][camera], FLOAT64)
        # One screen unit is 500 px.
        pixels = geometry.to_pixels(screen[camera], 1000, height)
        _near(pixels, archive["h36m_pixels"][camera], 500 * FLOAT32)


def _check_projection(archive: Archive) -> None:
    points, intrinsics = _tensors(archive, "proj_X", "proj_params")
    intrinsics = intrinsics[:, None, None]
    _near(geometry.project(points, intrinsics), archive["project_to_2d"], FLOAT64)
    _near(geometry.project_linear(points, intrinsics), archive["project_to_2d_linear"], FLOAT64)


def _check_screen(archive: Archive) -> None:
    pixels = torch.from_numpy(archive["screen_X"])
    sizes = [found for key in archive if (found := re.fullmatch(r"normalize_screen_(\d+)x(\d+)", key))]
    assert sizes, list(archive)
    for size in sizes:
        width, height = int(size[1]), int(size[2])
        # float32 in both types: the expected values were rounded to it once on their way.
        _near(geometry.to_screen(pixels, width, height), archive[size[0]], FLOAT32)
        _near(geometry.to_screen(pixels.double(), width, height), archive[size[0]], FLOAT32)
        back = geometry.to_pixels(torch.from_numpy(archive[size[0]]), width, height)
        _near(back, archive[f"image_coordinates_{width}x{height}"], FLOAT64)


def _check_mirror(archive: Archive) -> None:
    left, right = tuple(archive["kps_left"].tolist()), tuple(archive["kps_right"].tolist())
    assert (left, right) == (H36M_17.left, H36M_17.right)
    pose3d, pose2d, camera = _tensors(archive, "flip_X3", "flip_X2", "flip_cam")
    _near(geometry.mirror_points(pose3d, H36M_17.mirror), archive["flip_X3_out"], 0)
    _near(geometry.mirror_points(pose2d, H36M_17.mirror), archive["flip_X2_out"], 0)
    _near(geometry.mirror_intrinsics(camera), archive["flip_cam_out"], 0)


def _check_skeleton(archive: Archive) -> None:
    assert tuple(archive["skeleton17_parents"].tolist()) == H36M_17.parents
    assert tuple(archive["skeleton17_from32"].tolist()) == kept_joints(H36M_32, H36M_17)


def _check_random(archive: Archive) -> None:
    draws = json.loads(str(archive["deterministic_random_args"]))
    found = [deterministic_random(low, high, text) for low, high, text in draws]
    assert found == archive["deterministic_random"].tolist()
