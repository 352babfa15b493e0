"""Rotations, pinhole cameras with lens distortion, projection, Procrustes alignment and mirroring: pure functions that
keep their input's dtype and device.

Conventions of the Human3.6M files: quaternions are unit (w, x, y, z) and rotate camera axes into world axes. The camera
looks along +z with x right and y down. Screen units divide both axes by the image width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rotate(quaternion: Tensor, vector: Tensor) -> Tensor:
    """Rotates vector [..., 3] by the unit quaternion [..., 4] (w, x, y, z); leading axes broadcast."""
    scalar, axis = quaternion[..., :1], quaternion[..., 1:]
    across = _cross(axis, vector)
    return vector + 2 * (scalar * across + _cross(axis, across))


def _cross(one: Tensor, other: Tensor) -> Tensor:
    # Rolled copies broadcast over any leading axes; torch.linalg.cross wants them spelled out and is slower.
    return one.roll(-1, -1) * other.roll(1, -1) - one.roll(1, -1) * other.roll(-1, -1)


def conjugate(quaternion: Tensor) -> Tensor:
    """Returns the inverse rotation of a unit quaternion [..., 4]; the norm is not divided out."""
    return torch.cat((quaternion[..., :1], -quaternion[..., 1:]), dim=-1)


def world_to_camera(points_world: Tensor, orientation: Tensor, translation: Tensor) -> Tensor:
    """Transforms world points [..., 3] into the axes of a camera at translation [..., 3] with orientation [..., 4]
    (quaternion, camera to world)."""
    return rotate(conjugate(orientation), points_world - translation)


def camera_to_world(points_camera: Tensor, orientation: Tensor, translation: Tensor) -> Tensor:
    """Transforms camera points into world axes: the inverse of `world_to_camera`, same shapes."""
    return rotate(orientation, points_camera) + translation


def project(points_camera: Tensor, intrinsics: Tensor) -> Tensor:
    """Projects points [..., 3] in camera axes to screen positions [..., 2] through the full lens model.

    intrinsics [..., 9] = focal x y, centre x y, radial k1 k2 k3, tangential p1 p2, in screen units; its leading axes
    broadcast against those of the points. Slopes x/z and y/z are clamped to +-1 before distortion."""
    slope = _clamped_slope(points_camera)
    focal, centre, tangential = intrinsics[..., 0:2], intrinsics[..., 2:4], intrinsics[..., 7:9]
    k1, k2, k3 = intrinsics[..., 4:5], intrinsics[..., 5:6], intrinsics[..., 6:7]
    square = slope.square().sum(-1, keepdim=True)
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    # p1 goes with x and p2 with y, not crosswise as in textbooks: the published 2D poses were made this way.
    tilt = (tangential * slope).sum(-1, keepdim=True)
    return focal * (slope * (radial + tilt) + tangential * square) + centre


def project_linear(points_camera: Tensor, intrinsics: Tensor) -> Tensor:
    """Projects like `project`, without distortion: focal * slope + centre, slopes clamped alike."""
    return intrinsics[..., 0:2] * _clamped_slope(points_camera) + intrinsics[..., 2:4]


def _clamped_slope(points_camera: Tensor) -> Tensor:
    return (points_camera[..., :2] / points_camera[..., 2:3]).clamp(-1, 1)


def to_screen(pixels: Tensor, width: int, height: int) -> Tensor:
    """Converts pixels [..., 2] to screen units: the left edge is -1, the right edge 1, y keeps the aspect around 0."""
    return pixels * 2 / width - pixels.new_tensor((1.0, height / width))


def to_pixels(screen: Tensor, width: int, height: int) -> Tensor:
    """Converts screen units to pixels: the inverse of `to_screen`."""
    return (screen + screen.new_tensor((1.0, height / width))) * width / 2


def normalize_intrinsics(
    focal_px: Sequence[float],
    center_px: Sequence[float],
    radial: Sequence[float],
    tangential: Sequence[float],
    width: int,
    height: int,
) -> Tensor:
    """Converts a calibration in pixels to the nine intrinsics of `project`, float64; distortion coefficients have no
    unit."""
    focal = torch.tensor(focal_px, dtype=torch.float64) * 2 / width
    centre = to_screen(torch.tensor(center_px, dtype=torch.float64), width, height)
    lens = torch.tensor((*radial, *tangential), dtype=torch.float64)
    assert lens.shape == (5,), (radial, tangential)
    return torch.cat((focal, centre, lens))


def procrustes(pred: Tensor, true: Tensor) -> Tensor:
    """Aligns pred [..., J, 3] to true [..., J, 3] by the best scale, rotation and translation (Procrustes analysis).

    Least squares per pose, without reflections. A pred whose joints coincide becomes true's centroid; a pose with a
    value that is not finite becomes nan and leaves the others alone."""
    pred_centre, true_centre = pred.mean(-2, keepdim=True), true.mean(-2, keepdim=True)
    pred_0, true_0 = pred - pred_centre, true - true_centre
    correlation = pred_0.mT @ true_0
    rotation = best_rotation(correlation)
    extent = pred_0.square().sum((-2, -1)).clamp_min(torch.finfo(pred.dtype).tiny)
    scale: Tensor = (rotation * correlation).sum((-2, -1)) / extent
    return pred_0 @ (scale[..., None, None] * rotation) + true_centre


# Over the three pairs of columns: they converge quadratically. One more than random and flat poses were seen to need.
SWEEPS, SWEEPS_OF_FLOAT32 = 5, 4


def best_rotation(correlation: Tensor) -> Tensor:
    """Returns the rotation R [..., 3, 3] for which X R is nearest to Y, without reflections, for correlations X^T Y
    [..., 3, 3]; one of the nearest where several are, 0 where the correlation is.

    By one-sided Jacobi rotations (Hestenes 1958) of all matrices at once; LAPACK takes one after the other. They make
    the columns of the correlation orthogonal; the two longest give two axes of R, and cross products the third."""
    dtype, tiny = correlation.dtype, torch.finfo(correlation.dtype).tiny
    columns = correlation.reshape(-1, 3, 3).permute(2, 1, 0)  # matrices innermost
    size = columns.abs().amax((0, 1)).clamp_min(tiny)  # squares of columns must not overflow
    unturned = torch.eye(3, dtype=dtype, device=columns.device).unsqueeze(-1).expand_as(columns)
    pairs = list(torch.cat((columns / size, unturned), 1).unbind())
    squares = [pair[:3].square().sum(0) for pair in pairs]
    for _ in range(SWEEPS_OF_FLOAT32 if dtype == torch.float32 else SWEEPS):
        for one, other in ((0, 1), (0, 2), (1, 2)):
            _turn(pairs, squares, one, other)
    turned = torch.stack(pairs)
    longest = turned[:, :3].square().sum(1).argsort(0, descending=True)[:2]
    (first, first_from), (second, second_from) = (
        pair.split(3) for pair in turned.gather(0, longest.unsqueeze(1).expand(-1, 6, -1)).unbind()
    )
    axis = _unit(first)
    second = second - (second * axis).sum(0) * axis
    # A column this short is rounding; then any axis across the first one is as near.
    is_lost = second.square().sum(0) <= (8 * torch.finfo(dtype).eps) ** 2 * first.square().sum(0)
    x, y, z = axis
    zero, is_steep = torch.zeros_like(x), z.abs() > 0.7  # of a unit vector: one of these two is far from 0
    across = torch.where(is_steep, torch.stack((zero, z, -y)), torch.stack((y, -x, zero)))
    second = _unit(torch.where(is_lost, across, second))
    to, origin = (torch.stack((a, b, torch.cross(a, b, dim=0))) for a, b in ((axis, second), (first_from, second_from)))
    return (to.unsqueeze(2) * origin.unsqueeze(1)).sum(0).permute(2, 0, 1).reshape(correlation.shape)


def _turn(pairs: list[Tensor], squares: list[Tensor], one: int, other: int) -> None:
    """Turns two of the pairs [6, N] in their plane so that their first three numbers, whose squared lengths are in
    `squares` [N], become orthogonal."""
    x, y = pairs[one], pairs[other]
    product = (x[:3] * y[:3]).sum(0)
    difference = squares[other] - squares[one]
    reach = torch.addcmul(difference.square(), product, product, value=4).sqrt_().add_(difference.abs())
    tangent = 2 * product / reach.clamp_min_(torch.finfo(x.dtype).tiny).copysign_(difference)
    cosine = torch.addcmul(torch.ones_like(tangent), tangent, tangent).rsqrt_()
    sine = cosine * tangent
    pairs[one] = (cosine * x).addcmul_(sine, y, value=-1)
    pairs[other] = (cosine * y).addcmul_(sine, x)
    squares[one] = torch.addcmul(squares[one], tangent, product, value=-1)
    squares[other] = torch.addcmul(squares[other], tangent, product)


def _unit(vector: Tensor) -> Tensor:
    """Returns vectors [3, N] at length 1, those without a length as they are."""
    unit: Tensor = vector / vector.norm(dim=0).clamp_min(torch.finfo(vector.dtype).tiny)
    return unit


def mirror_points(points: Tensor, mirror: Sequence[int] | Tensor) -> Tensor:
    """Mirrors points [..., J, C]: coordinate 0 negated, joints permuted by `Skeleton.mirror` [J]."""
    num_joints, num_channels = points.shape[-2:]
    order = torch.as_tensor(mirror, device=points.device)
    columns = order.unsqueeze(1) * num_channels + torch.arange(num_channels, device=points.device)
    # As rows of J * C numbers: selecting along an inner axis copies joint by joint, 3 times slower on CPU.
    flat = points.reshape(-1, num_joints * num_channels)
    swapped = flat.index_select(1, columns.view(-1)).view(points.shape)
    swapped[..., 0].neg_()
    return swapped


def mirror_intrinsics(intrinsics: Tensor) -> Tensor:
    """Returns the intrinsics [..., 9] of the mirrored image: centre x and p1 change sign."""
    mirrored = intrinsics.clone()
    mirrored[..., 2].neg_()
    mirrored[..., 7].neg_()
    return mirrored
