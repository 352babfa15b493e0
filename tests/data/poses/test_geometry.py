"""Skeletons and geometry: answers by hand and laws."""

import math

import pytest
import torch
from torch import Tensor

from data.poses import geometry
from data.poses.skeleton import (
    H36M_16,
    H36M_17,
    H36M_32,
    HUMANEVA_15,
    MPI_INF_3DHP_17,
    Skeleton,
    by_joint_count,
    kept_joints,
)

SKELETONS = (H36M_32, H36M_17, H36M_16, HUMANEVA_15, MPI_INF_3DHP_17)

# A few roundings of numbers near 1 in float64.
EXACT = {"rtol": 0, "atol": 1e-12}


def turns(*shape: int) -> Tensor:
    """Random unit quaternions [..., 4]."""
    return torch.nn.functional.normalize(torch.randn(*shape, 4, dtype=torch.float64), dim=-1)


def poses(*shape: int) -> Tensor:
    return torch.randn(*shape, 17, 3, dtype=torch.float64)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_mirrored_bones_are_bones(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[mirror[joint]] for joint in range(skeleton.num_joints)] == list(range(skeleton.num_joints))
    assert {(mirror[parent], mirror[child]) for parent, child in skeleton.edges} == set(skeleton.edges)
    assert mirror[skeleton.root] == skeleton.root


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_mirror_swaps_the_letters_of_the_sides(skeleton: Skeleton) -> None:
    for joint, other in zip(skeleton.left, skeleton.right, strict=True):
        name = skeleton.joints[joint]
        assert skeleton.joints[other] == (
            name.replace("StaticL", "StaticR") if "Static" in name else "R" + name.removeprefix("L")
        )


def test_every_joint_hangs_on_the_root() -> None:
    for skeleton in SKELETONS:
        assert len(skeleton.edges) == skeleton.num_joints - 1
        for start in range(skeleton.num_joints):
            joint, steps = start, 0
            while joint != skeleton.root:
                joint, steps = skeleton.parents[joint], steps + 1
                assert steps < skeleton.num_joints, (skeleton.name, start)


def test_kept_joints_are_the_published_lists() -> None:
    kept = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
    assert kept_joints(H36M_32, H36M_17) == kept
    assert kept_joints(H36M_32, H36M_16) == kept[:9] + kept[10:]
    assert kept_joints(H36M_17, H36M_16) == (*range(9), *range(10, 17))
    assert kept_joints(H36M_17, H36M_17) == tuple(range(17))
    assert kept_joints(H36M_16, H36M_17) is None
    assert kept_joints(H36M_32, HUMANEVA_15) is None


def test_joint_count_names_the_skeleton() -> None:
    assert [by_joint_count(count) for count in (32, 17, 16, 15)] == [H36M_32, H36M_17, H36M_16, None]


def test_a_skeleton_with_two_roots_is_refused() -> None:
    with pytest.raises(AssertionError, match="twins"):
        Skeleton(name="twins", joints=("A", "B"), parents=(-1, -1), left=(), right=())


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    half = math.sqrt(0.5)
    quarter = torch.tensor([half, 0, 0, half], dtype=torch.float64)
    vectors = torch.eye(3, dtype=torch.float64)
    expected = torch.tensor([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(geometry.rotate(quarter, vectors), expected, **EXACT)


def test_a_turn_keeps_lengths_and_its_conjugate_undoes_it() -> None:
    quaternion, vector = turns(5, 1), torch.randn(5, 7, 3, dtype=torch.float64)
    turned = geometry.rotate(quaternion, vector)
    torch.testing.assert_close(turned.norm(dim=-1), vector.norm(dim=-1), **EXACT)
    torch.testing.assert_close(geometry.rotate(geometry.conjugate(quaternion), turned), vector, **EXACT)


def test_a_camera_at_the_point_sees_it_at_its_origin() -> None:
    quaternion, place = turns(4), torch.randn(4, 3, dtype=torch.float64)
    seen = geometry.world_to_camera(place, quaternion, place)
    torch.testing.assert_close(seen, torch.zeros_like(place), **EXACT)


def test_camera_to_world_undoes_world_to_camera() -> None:
    points, quaternion, place = poses(6), turns(6, 1), torch.randn(6, 1, 3, dtype=torch.float64)
    seen = geometry.world_to_camera(points, quaternion, place)
    torch.testing.assert_close(geometry.camera_to_world(seen, quaternion, place), points, **EXACT)


def test_projection_by_hand() -> None:
    # Slope (0.5, 0.25), r2 = 0.3125; radial 1 + 0.03125 + 0.01953125 + 0.0091552734375 for k = 0.1, 0.2, 0.3;
    # tilt 0.01 * 0.5 + 0.02 * 0.25 = 0.01; slope * 1.0699365234375 + (0.003125, 0.00625).
    points = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    lens = torch.tensor([2.0, 3.0, 0.1, -0.1, 0.1, 0.2, 0.3, 0.01, 0.02], dtype=torch.float64)
    expected = torch.tensor([2 * 0.53809326171875 + 0.1, 3 * 0.273734130859375 - 0.1], dtype=torch.float64)
    torch.testing.assert_close(geometry.project(points, lens), expected, **EXACT)
    linear = torch.tensor([2 * 0.5 + 0.1, 3 * 0.25 - 0.1], dtype=torch.float64)
    torch.testing.assert_close(geometry.project_linear(points, lens), linear, **EXACT)


def test_projection_without_a_lens_is_linear() -> None:
    points, lens = poses(3), torch.randn(3, 1, 9, dtype=torch.float64)
    lens[..., 4:] = 0
    torch.testing.assert_close(geometry.project(points, lens), geometry.project_linear(points, lens), **EXACT)


def test_slopes_are_clamped_before_the_focal_length() -> None:
    lens = torch.tensor([2.0, 3, 0, 0, 0, 0, 0, 0, 0])
    assert geometry.project(torch.tensor([9.0, -9.0, 1.0]), lens).tolist() == [2, -3]


def test_screen_corners_by_hand() -> None:
    pixels = torch.tensor([[0.0, 0.0], [1000, 1002], [500, 501]], dtype=torch.float64)
    screen = torch.tensor([[-1, -1.002], [1, 1.002], [0, 0]], dtype=torch.float64)
    torch.testing.assert_close(geometry.to_screen(pixels, 1000, 1002), screen, **EXACT)
    torch.testing.assert_close(geometry.to_pixels(screen, 1000, 1002), pixels, **EXACT)


def test_normalized_intrinsics_project_like_pixels() -> None:
    points = poses(2)
    points[..., 2] += 6
    screen = geometry.project(
        points, geometry.normalize_intrinsics((1145, 1144), (512, 515), (-0.2, 0.2, 0), (0, 0), 1000, 1002)
    )
    in_pixels = torch.tensor([1145, 1144, 512, 515, -0.2, 0.2, 0, 0, 0], dtype=torch.float64)
    pixels = geometry.project(points, in_pixels)
    # Pixels are a thousand times larger than slopes, and so are their roundings.
    torch.testing.assert_close(geometry.to_pixels(screen, 1000, 1002), pixels, rtol=0, atol=1e-9)


def test_procrustes_undoes_any_similarity() -> None:
    true = poses(8)
    scale, place = torch.rand(8, 1, 1, dtype=torch.float64) + 0.5, torch.randn(8, 1, 3, dtype=torch.float64)
    moved = geometry.rotate(turns(8, 1), true) * scale + place
    torch.testing.assert_close(geometry.procrustes(moved, true), true, **EXACT)


def test_procrustes_does_not_reflect() -> None:
    true = poses(8)
    reflected = true * torch.tensor([-1.0, 1, 1])
    distance = (geometry.procrustes(reflected, true) - true).norm(dim=-1).mean(-1)
    assert (distance > 0.1).all(), distance


def test_procrustes_is_the_best_fit_nearby() -> None:
    pred, true = poses(20), poses(20)
    fitted = geometry.procrustes(pred, true)
    best = (fitted - true).square().sum((-2, -1))
    centre = true.mean(-2, keepdim=True)
    for step in (1e-3, 1e-2):
        tilt = torch.nn.functional.normalize(
            torch.cat((torch.ones(20, 1, 1), step * torch.randn(20, 1, 3)), -1).double(), dim=-1
        )
        for other in (
            geometry.rotate(tilt, fitted - centre) + centre,
            (fitted - centre) * (1 + step) + centre,
            (fitted - centre) * (1 - step) + centre,
            fitted + step,
        ):
            assert ((other - true).square().sum((-2, -1)) > best).all(), step


def rank(correlation: torch.Tensor, kept: int) -> torch.Tensor:
    left, strength, right = torch.linalg.svd(correlation)
    strength[..., kept:] = 0
    return (left * strength.unsqueeze(-2)) @ right


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["any", "mirrored", "planar", "lines", "twice the same", "huge", "least"])
def test_the_best_rotation_is_that_of_the_decomposition(kind: str, dtype: torch.dtype) -> None:
    correlation = torch.randn(500, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    correlation = {
        "any": correlation,
        "mirrored": -correlation @ correlation.mT,
        "planar": rank(correlation, 2),
        "lines": rank(correlation, 1),
        "twice the same": torch.eye(3).double().repeat(500, 1, 1),
        "huge": correlation * 1e30,
        "least": correlation * 1e-30,
    }[kind]
    found = geometry.best_rotation(correlation.to(dtype)).double()
    # As many roundings of the dtype as there are turns; a weak axis makes them larger in the rotation, not in the fit.
    near = 200 * torch.finfo(dtype).eps
    torch.testing.assert_close(found @ found.mT, torch.eye(3).double().expand(500, 3, 3), rtol=0, atol=near)
    assert (torch.linalg.det(found) > 0.9).all()
    left, strength, right = torch.linalg.svd(correlation)
    strength[:, 2] *= torch.linalg.det(left @ right).sign()
    size = strength[:, 0]
    torch.testing.assert_close((found * correlation).sum((1, 2)) / size, strength.sum(1) / size, rtol=0, atol=near)


def test_no_correlation_gives_no_rotation() -> None:
    assert torch.equal(geometry.best_rotation(torch.zeros(2, 3, 3)), torch.zeros(2, 3, 3))


def test_procrustes_of_one_point_is_the_centroid() -> None:
    true = poses(1)
    fitted = geometry.procrustes(torch.ones_like(true), true)
    torch.testing.assert_close(fitted, true.mean(-2, keepdim=True).expand_as(true), **EXACT)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_procrustes_keeps_a_broken_pose_to_itself(value: float) -> None:
    pred, true = poses(3), poses(3)
    broken = pred.clone()
    broken[1, 4, 0] = value
    fitted = geometry.procrustes(broken, true)
    assert fitted[1].isnan().all()
    assert torch.equal(fitted[[0, 2]], geometry.procrustes(pred, true)[[0, 2]])


def test_mirror_twice_is_identity() -> None:
    for channels in (2, 3):
        points = torch.randn(4, 5, 17, channels)
        once = geometry.mirror_points(points, H36M_17.mirror)
        assert torch.equal(geometry.mirror_points(once, torch.tensor(H36M_17.mirror)), points)
        assert not torch.equal(once, points)
    lens = torch.randn(3, 2, 9)
    assert torch.equal(geometry.mirror_intrinsics(geometry.mirror_intrinsics(lens)), lens)


def test_mirror_by_hand() -> None:
    points = torch.arange(6.0).view(3, 2)
    assert geometry.mirror_points(points, (0, 2, 1)).tolist() == [[-0.0, 1], [-4, 5], [-2, 3]]
    lens = torch.arange(1.0, 10)
    assert geometry.mirror_intrinsics(lens).tolist() == [1, 2, -3, 4, 5, 6, 7, -8, 9]


def test_the_mirrored_camera_sees_the_mirrored_pose() -> None:
    pose, lens = poses(5), torch.randn(5, 1, 9, dtype=torch.float64)
    mirrored = geometry.mirror_points(geometry.project(pose, lens), H36M_17.mirror)
    seen = geometry.project(geometry.mirror_points(pose, H36M_17.mirror), geometry.mirror_intrinsics(lens))
    # Lens terms of r2 up to 2 with random coefficients reach the tens.
    torch.testing.assert_close(seen, mirrored, rtol=0, atol=1e-11)


def test_inputs_are_left_alone_and_dtypes_kept() -> None:
    for dtype in (torch.float32, torch.float64):
        pose, lens, turn = poses(2).to(dtype), torch.randn(2, 1, 9, dtype=dtype), turns(2, 1).to(dtype)
        before = pose.clone(), lens.clone(), turn.clone()
        found = (
            geometry.world_to_camera(pose, turn, pose[:, :1]),
            geometry.camera_to_world(pose, turn, pose[:, :1]),
            geometry.project(pose, lens),
            geometry.project_linear(pose, lens),
            geometry.to_screen(pose[..., :2], 640, 480),
            geometry.to_pixels(pose[..., :2], 640, 480),
            geometry.procrustes(pose, pose.flip(0)),
            geometry.mirror_points(pose, H36M_17.mirror),
            geometry.mirror_intrinsics(lens),
        )
        assert {tensor.dtype for tensor in found} == {dtype}
        assert all(torch.equal(*pair) for pair in zip((pose, lens, turn), before, strict=True))
