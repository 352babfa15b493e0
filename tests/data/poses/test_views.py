"""Several views: what the four cameras of the default set see at one moment is one pose."""

import dataclasses

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule
from data.config import DataConfig
from data.errors import DataError
from data.formats.poses import h36m
from data.formats.source import split_of
from data.poses.geometry import camera_to_world, conjugate, project, rotate, world_to_camera
from data.poses.skeleton import H36M_17
from data.synthetic.poses.h36m import synthetic_h36m
from trainables.scoring.evaluation import score_poses


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


def clips_of(poses, subject="S8"):
    return [clip for clip in poses.sequences if clip.subject == subject]


def module_of(poses, **knobs):
    settings = DataConfig(name="synthetic", **{"views": 4, **knobs})
    part = split_of(settings)
    return DataModule(poses, dataclasses.replace(part, train=("S8",), val=("S8",)), settings)


def test_world_axes_are_the_stored_ones_less_the_root(four_views):
    poses, _ = four_views
    data = module_of(poses, axes="world")
    batch = data.gather("val", torch.arange(data.count("val")))
    stored = torch.cat([torch.from_numpy(clip.pose3d) for clip in poses.sequences])
    assert torch.equal(batch.pose3d[:, 0], stored - stored[:, :1])
    assert torch.equal(batch.root3d[:, 0], stored[:, :1])
    camera = module_of(poses, axes="camera").gather("val", torch.arange(data.count("val")))
    assert torch.equal(camera.pose2d, batch.pose2d)


def test_errors_are_the_same_numbers_in_both_axes(four_views):
    """A rotation moves no joint away from another: what a camera sees of a prediction is as wrong as in the world."""
    poses, _ = four_views
    world, camera = (module_of(poses, axes=axes) for axes in ("world", "camera"))
    wrong = world.truth("val").pose3d
    wrong = wrong + 0.1 * torch.randn_like(wrong)
    turn = torch.from_numpy(poses.sequences[0].cameras[0].orientation)
    seen = rotate(conjugate(turn), wrong)
    one, other = (
        score_poses(poses, data, "val", 0, 0, len(poses)).frame_mean()
        for poses, data in ((wrong, world), (seen, camera))
    )
    assert other == pytest.approx(one, rel=1e-5)  # float32


@pytest.mark.parametrize("axes", ["camera", "world"])
def test_a_window_of_targets_holds_the_targets_of_its_frames(four_views, axes):
    poses, _ = four_views
    data = module_of(poses, axes=axes, frames=5)
    index = torch.randperm(data.count("train"))
    batch = data.gather("train", index, ("window3d", "pose3d"))
    assert torch.equal(batch.window3d[:, 2:3], batch.pose3d)
    rows = data._windows["train"].rows(index)
    every = data.gather("train", torch.arange(data.count("train"))).pose3d[:, 0]
    assert torch.equal(batch.window3d, every[rows])
    assert data.gather("train", index, ("pose2d",)).window3d is None


def test_a_mirrored_sample_has_all_views_and_its_targets_mirrored(four_views):
    poses, _ = four_views
    plain, flipped = (module_of(poses, frames=3, flip=flip) for flip in (False, True))
    length = len(clips_of(poses)[0].pose3d)
    index = torch.arange(length)
    own, mirrored = plain.gather("train", index), flipped.gather("train", index + length)
    mirror = list(H36M_17.mirror)
    for field in ("pose2d", "window3d", "pose3d"):
        expected = getattr(own, field)[..., mirror, :].clone()
        expected[..., 0] *= -1
        assert torch.equal(getattr(mirrored, field), expected), field


def test_a_mirrored_scene_is_seen_by_the_mirrored_first_camera(four_views):
    poses, _ = four_views
    flipped = module_of(poses, flip=True)
    length = len(clips_of(poses)[0].pose3d)
    batch = flipped.gather("train", torch.arange(length, 2 * length))
    seen = project(batch.pose3d + batch.root3d, batch.camera[:, 0, None, None])
    torch.testing.assert_close(seen, batch.pose2d[:, 0], rtol=0, atol=2.5e-5)  # as above


def test_too_few_cameras_and_views_of_another_length_are_told_for_every_clip(four_views):
    poses, _ = four_views
    first, second, *others = poses.sequences
    blind = dataclasses.replace(first, pose2d=first.pose2d[:3], cameras=first.cameras[:3])
    short = dataclasses.replace(second, pose2d=(*second.pose2d[:2], second.pose2d[2][:-1], second.pose2d[3]))
    broken = dataclasses.replace(poses, sequences=(blind, short, *others))
    with pytest.raises(DataError) as caught:
        module_of(broken)
    place, frames = f"subject S8, action {first.action}", len(second.pose3d)
    assert caught.value.problems == (
        f"{place}: has 3 views, but data.views = 4; lower data.views to 3, or leave the subject out of the "
        "data.*_subjects knobs",
        f"subject S8, action {second.action}, camera 2 (58860488): 2D has {frames - 1} frames, 3D has {frames}; re-run "
        "the detector or drop the clip",
    )
    assert module_of(dataclasses.replace(poses, sequences=(blind, *others)), views=3).count("val") > 0


def test_a_view_without_any_pose_is_told_with_its_camera(four_views, tmp_path):
    poses, _ = four_views
    first, *others = poses.sequences
    nobody = dataclasses.replace(first, pose2d=(*first.pose2d[:3], np.full_like(first.pose2d[3], np.nan)))
    h36m.write(dataclasses.replace(poses, name="blind", sequences=(nobody, *others)), tmp_path)
    with pytest.raises(DataError) as caught:
        h36m.read(tmp_path, "blind", "gt", joints=17)
    assert caught.value.problems == (
        f"subject S8, action {first.action}, camera 3: 2D is nan in all {len(first.pose3d)} frames; re-run the "
        "detector or drop the clip",
    )
