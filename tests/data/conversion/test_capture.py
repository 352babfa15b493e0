"""Steps of a conversion of motion capture: frame rate, cuts, axes, and the cameras around it."""

import numpy as np
import pytest

from data.conversion.capture import at_50_hz, centred, in_one_place, looking, ring, steady
from data.conversion.skeletons.up_axis import z_up
from data.poses.geometry import project, rotate, to_pixels, world_to_camera


def test_straight_motion_keeps_its_speed_at_50_hz():
    at = np.arange(121.0)
    poses = np.broadcast_to((at / 120)[:, None, None], (121, 17, 3))
    even = at_50_hz(poses, 120)
    np.testing.assert_allclose(even[:, 0, 0], np.arange(51) / 50, atol=1e-12)
    np.testing.assert_array_equal(at_50_hz(poses, 50), poses)
    assert at_50_hz(poses[:1], 120).shape == (1, 17, 3)


def test_clips_are_cut_at_jumps_and_where_the_path_gets_wide():
    poses = np.zeros((50, 17, 3))
    poses[20:, 3] += 1.0
    assert list(steady(poses, 120)) == [(0, 20), (20, 50)]
    assert list(steady(poses[:1], 120)) == [(0, 1)]
    poses[:, 0, 0] = np.arange(50) * 0.1
    cuts = list(in_one_place(poses))
    assert cuts == [(0, 33), (33, 50)]
    assert np.abs(centred(poses[:33])[:, 0, 0]).max() == pytest.approx(1.6)


def test_z_up_is_a_rotation():
    axes = z_up(np.eye(3))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3))
    assert np.linalg.det(axes) == 1
    np.testing.assert_array_equal(axes[1], (0, 0, 1))


def test_cameras_look_at_the_middle_and_stand_level():
    import torch

    cameras = ring("C01", 0.9)
    for camera in cameras:
        orientation = torch.from_numpy(camera.orientation).double()
        right = rotate(orientation, torch.tensor([1.0, 0, 0], dtype=torch.float64))
        down = rotate(orientation, torch.tensor([0, 1.0, 0], dtype=torch.float64))
        assert abs(float(right[2])) < 1e-6
        assert float(down[2]) < -0.9
        middle = torch.tensor([[0, 0, 0.9]], dtype=torch.float64)
        seen = world_to_camera(middle, orientation, torch.from_numpy(camera.translation).double())
        assert 5 < float(seen[0, 2]) < 5.7
        pixel = to_pixels(project(seen, torch.from_numpy(camera.intrinsics).double()), camera.width, camera.height)
        centre = to_pixels(torch.from_numpy(camera.intrinsics[2:4]).double(), camera.width, camera.height)
        assert float((pixel - centre).abs().max()) < 0.01
        assert 1.4 < camera.translation[2] < 1.7
    assert [camera.name for camera in cameras] == ["54138969", "55011271", "58860488", "60457274"]
    again, other = ring("C01", 0.9), ring("C02", 0.9)
    assert all((one.translation == two.translation).all() for one, two in zip(cameras, again, strict=True))
    assert all((one.translation != two.translation).any() for one, two in zip(cameras, other, strict=True))


def test_looking_along_an_axis_is_known_by_hand():
    half = np.sqrt(0.5)
    # Forward along world y: camera y turns down, a quarter about x backwards.
    np.testing.assert_allclose(looking(np.array((0.0, 1, 0))), (half, -half, 0, 0), atol=1e-12)
    np.testing.assert_allclose(looking(np.array((-1.0, 0, 0))), (0.5, -0.5, -0.5, 0.5), atol=1e-12)
