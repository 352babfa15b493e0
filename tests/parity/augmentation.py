"""Golden data of MeshGraphormer's augmentation: crops turned, tinted, mirrored, and the labels with them."""

import json
from collections.abc import Mapping

import numpy as np
from PIL import Image

from data.images.mesh_crops import Change, crop_image, crop_matrices, moved_joints2d, turned_joints3d, turned_pose
from data.poses.skeleton import BODY_24

Archive = Mapping[str, np.ndarray]

FLOAT32 = 1e-6  # of values that the archive holds in float32
FLOAT64 = 1e-9
GREY_LEVELS, SHARE = 2, 0.99  # of the crops, as the archive asks


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    y, x = np.mgrid[:300, :400]
    waves = (np.sin(x / 30), np.cos(y / 25), np.sin((x + y) / 40))
    image = Image.fromarray(np.stack([np.rint(127 + 100 * wave) for wave in waves], -1).astype(np.uint8))
    cases = json.loads(str(archive["hyper"]))["cases"]
    for number, case in enumerate(cases):
        _check_image(archive[f"out/image_{number}"], image, case)
    together = Change(
        turn=np.array([case["rot"] for case in cases], float),
        zoom=np.ones(len(cases)),
        gain=np.array([case["pixel_noise"] for case in cases]),
        mirrored=np.array([case["flip"] == 1 for case in cases]),
    )
    center, scale = (np.array([case[key] for case in cases], float) for key in ("center", "scale"))
    joints2d, joints3d, pose = (
        np.stack([archive[f"in/{name}"]] * len(cases)) for name in ("joints2d_xy_conf", "joints3d_xyz_conf", "pose72")
    )
    found = {
        "transform_matrix": (crop_matrices(center, scale, together.turn), FLOAT64),
        "joints2d": (moved_joints2d(joints2d, center, scale, together, BODY_24.mirror), FLOAT32),
        "joints3d": (turned_joints3d(joints3d, together, BODY_24.mirror), FLOAT32),
        "pose": (turned_pose(pose, together), FLOAT32),
    }
    for name, (values, tolerance) in found.items():
        for number, value in enumerate(values):
            expected = archive[f"out/{name}_{number}"]
            np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance, err_msg=f"{name} {number}")


def _check_image(expected: np.ndarray, image: Image.Image, case: Mapping[str, object]) -> None:
    gain = np.array(case["pixel_noise"])
    found = crop_image(
        image, np.array(case["center"]), case["scale"], case["rot"], gain, is_mirrored=bool(case["flip"])
    )
    near = np.abs(found.astype(int) - expected.astype(int)) <= GREY_LEVELS
    assert near.mean() >= SHARE, (case, near.mean())
