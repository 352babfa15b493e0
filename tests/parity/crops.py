"""Golden data of the image preparation: boxes, affine maps, keypoints in crops, a warped image, metrics."""

import json
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image

from data.images import crops
from data.poses.geometry import to_screen
from trainables.scoring import metrics

Archive = Mapping[str, np.ndarray]

FLOAT64 = 1e-9
CORNERS = 1e-4  # the archive's affine maps go through three corner points rounded to float32
FLOAT32 = 1e-6  # relative; metrics that the archive computed in float32
GREY_LEVELS, SHARE = 2, 0.99  # of the warped image, as the archive asks


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    hyper = json.loads(str(archive["hyper"]))
    width, height = hyper["crop_wh"]
    _check_boxes(archive, hyper["camera"], height, width)
    screens = [
        to_screen(torch.from_numpy(points), image_width, image_height).numpy()
        for points, (image_height, image_width) in zip(archive["in/joints_2d_px"], hyper["image_hw"], strict=True)
    ]
    np.testing.assert_allclose(np.stack(screens), archive["out/joints_2d_normalised"], rtol=0, atol=FLOAT64)
    _check_warp(archive, height, width)
    _check_metrics(archive)


def _check_boxes(archive: Archive, camera: Mapping[str, float], height: int, width: int) -> None:
    root = archive["in/joints_3d_mm"][:, 0] / 1000
    focal, middle = (np.array([camera[f"{kind}{axis}"] for axis in "xy"]) for kind in "fc")
    boxes = crops.body_boxes(root, focal, middle)
    center, scale = crops.center_and_scale(boxes)
    for found, name in ((boxes, "box"), (center, "center"), (scale, "scale")):
        np.testing.assert_allclose(found, archive[f"out/{name}"], rtol=0, atol=FLOAT64, err_msg=name)
    maps = crops.affine(center, scale[:, 0] * crops.SCALE_PX, height, width)
    np.testing.assert_allclose(maps, archive["out/affine"], rtol=0, atol=CORNERS)
    points = crops.moved(archive["in/joints_2d_px"], maps)
    np.testing.assert_allclose(points, archive["out/joints_2d_crop"], rtol=0, atol=CORNERS)


def _check_warp(archive: Archive, height: int, width: int) -> None:
    """The image of `in/image_smooth_formula`."""
    y, x = np.mgrid[:1002, :1000]
    channels = (np.sin(x / 90), np.cos(y / 70), np.sin((x + y) / 110))
    image = Image.fromarray(np.stack([np.rint(127 + 100 * wave) for wave in channels], -1).astype(np.uint8))
    center, scale = archive["out/center"][1], archive["out/scale"][1]
    matrix = crops.affine(center, scale[0] * crops.SCALE_PX, height, width)
    found = crops.warp(image, matrix, height, width).astype(int)
    near = np.abs(found - archive["out/crop_smooth"]) <= GREY_LEVELS
    assert near.mean() >= SHARE, near.mean()


def _check_metrics(archive: Archive) -> None:
    pred, true = (torch.from_numpy(archive[f"in/{name}"])[:, 0] for name in ("pred", "gt"))
    for name in ("mpjpe", "n_mpjpe", "mpjve"):
        found = getattr(metrics, f"{name}_mm")(pred, true).mean() / metrics.MM
        np.testing.assert_allclose(float(found), archive[f"out/{name}"], rtol=FLOAT32, err_msg=name)
    # This one in float64, as the archive has it.
    found = metrics.p_mpjpe_mm(pred.double(), true.double()).mean() / metrics.MM
    np.testing.assert_allclose(float(found), archive["out/p_mpjpe"], rtol=FLOAT32)
