"""Several views: what the four cameras of the default set see at one moment is one pose."""

import pytest
import torch

from data.config import DataConfig
from data.formats import h36m
from data.geometry import camera_to_world, project, world_to_camera
from data.module import DataModule
from data.source import split_of
from data.synthetic.h36m import synthetic_h36m


@pytest.fixture(scope="module")
def four_views(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    h36m.write(synthetic_h36m(0, mean_frames=12), root)
    poses = h36m.read(root, "synthetic", "gt", joints=17, subjects=["S8"])
    settings = DataConfig(name="synthetic", views=4)
    return poses, DataModule(poses, split_of(settings), settings, parts=("val",))


def poses_of(camera):
    return torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)


def test_four_views_of_a_frame_reproject_from_the_same_world_pose(four_views):
    poses, data = four_views
    cameras = poses.sequences[0].cameras  # all clips are of one subject, so of one rig
    batch = data.gather("val", torch.arange(data.count("val")))
    assert batch.pose2d.shape == (sum(len(clip.pose3d) for clip in poses.sequences), 4, 1, 17, 2)
    world = camera_to_world(batch.pose3d + batch.root3d, *poses_of(cameras[0]))
    stored = torch.cat([torch.from_numpy(clip.pose3d) for clip in poses.sequences])
    torch.testing.assert_close(world[:, 0], stored, rtol=0, atol=5e-6)  # metres; float32 five metres from the camera
    for view, camera in enumerate(cameras):
        seen = project(world_to_camera(world, *poses_of(camera)), batch.camera[:, view, None, None])
        # Screen units: pixels are rounded to 1/64, half of that is 1.6e-5, and the rest is float32.
        torch.testing.assert_close(seen, batch.pose2d[:, view], rtol=0, atol=2.5e-5)


def test_views_in_another_order_or_of_another_frame_do_not_reproject(four_views):
    poses, data = four_views
    cameras = poses.sequences[0].cameras
    batch = data.gather("val", torch.arange(data.count("val")))
    world = camera_to_world(batch.pose3d + batch.root3d, *poses_of(cameras[0]))
    seen = project(world_to_camera(world, *poses_of(cameras[1])), batch.camera[:, 1, None, None])
    for wrong in (batch.pose2d[:, 2], batch.pose2d[:, 1].roll(1, 0)):
        assert (seen - wrong).abs().mean() > 1e-3  # half a pixel
