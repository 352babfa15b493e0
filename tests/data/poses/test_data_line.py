"""From files to batches: the same sample by index arithmetic and by hand."""

import dataclasses

import pytest
import torch

from data.batches.poses import DataModule, mirror_batch
from data.config import DataConfig
from data.errors import DataError
from data.formats.source import read_poses, split_of
from data.poses.geometry import to_screen, world_to_camera
from spaces.errors import ConfigError
from tests.made.small import tiny_poses, write_tiny


@pytest.fixture(scope="module")
def poses():
    return tiny_poses(frames=20)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), frames=20)


def config(**changes):
    return DataConfig(name="tiny", train_subjects=("S1",), val_subjects=("S5",), test_subjects=("S9",), **changes)


def module(poses, settings, **options):
    return DataModule(poses, split_of(settings), settings, **options)


def by_hand(clip, view, frame, frames):
    """Window, target and root path of one sample, frame by frame."""
    camera = clip.cameras[view]
    rows = [min(max(frame + k, 0), len(clip.pose3d) - 1) for k in range(-(frames // 2), frames // 2 + 1)]
    window = to_screen(torch.from_numpy(clip.pose2d[view][rows]), camera.width, camera.height)
    orientation, translation = (torch.tensor(part).float() for part in (camera.orientation, camera.translation))
    seen = world_to_camera(torch.from_numpy(clip.pose3d[frame]), orientation, translation)
    return window, seen - seen[:1], seen[:1]


@pytest.mark.parametrize("frames", [1, 9])
def test_a_gathered_sample_is_the_one_made_by_hand(poses, frames):
    data = module(poses, config(frames=frames))
    clips = [clip for clip in poses.sequences if clip.subject == "S1"]
    # Samples come clip by clip, camera by camera, frame by frame.
    for clip_number, view, frame in ((0, 0, 0), (0, 3, 19), (1, 2, 7), (2, 1, 1)):
        index = (clip_number * 4 + view) * 20 + frame
        batch = data.gather("train", torch.tensor([index]))
        window, pose, path = by_hand(clips[clip_number], view, frame, frames)
        torch.testing.assert_close(batch.pose2d[0, 0], window.float())
        torch.testing.assert_close(batch.pose3d[0, 0], pose)
        torch.testing.assert_close(batch.root3d[0, 0], path)
        assert data.actions[batch.action[0]] == clips[clip_number].group
        torch.testing.assert_close(
            batch.camera[0, 0], torch.tensor(clips[clip_number].cameras[view].intrinsics).float()
        )


def test_four_views_of_one_frame_are_one_sample(poses):
    one, four = module(poses, config()), module(poses, config(views=4))
    assert four.count("train") * 4 == one.count("train")
    batch = four.gather("train", torch.tensor([33]))  # frame 13 of the second clip
    for view in range(4):
        single = one.gather("train", torch.tensor([(4 + view) * 20 + 13]))
        torch.testing.assert_close(batch.pose2d[0, view], single.pose2d[0, 0])
    torch.testing.assert_close(batch.pose3d, one.gather("train", torch.tensor([4 * 20 + 13])).pose3d)


def test_the_order_depends_on_seed_and_epoch_only_and_visits_everyone_once(poses):
    data = module(poses, config())
    order = data.order("train", 3, 7)
    assert torch.equal(order, data.order("train", 3, 7))
    assert not torch.equal(order, data.order("train", 4, 7))
    assert not torch.equal(order, data.order("train", 3, 8))
    assert torch.equal(order.sort().values, torch.arange(data.count("train")))
    assert torch.equal(data.order("val", 3, 7), torch.arange(data.count("val")))


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_every_batch_of_the_solo_run(poses, world):
    solo = list(module(poses, config()).batches("train", 1, 0, 32))
    ranks = [list(module(poses, config(), shard=(rank, world)).batches("train", 1, 0, 32)) for rank in range(world)]
    assert len(solo) == len(ranks[0]) == module(poses, config()).num_batches("train", 32)
    for step, (batch, own, whole) in enumerate(solo):
        assert own == whole == len(batch)
        shares = [share[step] for share in ranks]
        assert torch.equal(torch.cat([index[:own] for index, own, _ in shares]), batch)
        assert sum(own for _, own, _ in shares) == len(batch)
        assert all(len(index) >= 1 for index, _, _ in shares)  # a rank without samples takes the step all the same


def test_flip_trains_on_every_sample_and_its_mirror_image(poses):
    plain, flipped = module(poses, config()), module(poses, config(flip=True))
    assert flipped.count("train") == 2 * plain.count("train")
    assert flipped.count("val") == plain.count("val")
    first_track = flipped.gather("train", torch.arange(40))
    own = plain.gather("train", torch.arange(20))
    torch.testing.assert_close(first_track.pose3d[:20], own.pose3d)
    seen = mirror_batch(own, plain.sizes.skeleton)
    torch.testing.assert_close(first_track.pose3d[20:], seen.pose3d)
    torch.testing.assert_close(first_track.pose2d[20:], seen.pose2d)
    torch.testing.assert_close(first_track.camera[20:], seen.camera)


def test_a_mirrored_batch_mirrored_again_is_the_batch(poses):
    data = module(poses, config())
    batch = data.gather("val", torch.arange(10))
    twice = mirror_batch(mirror_batch(batch, data.sizes.skeleton), data.sizes.skeleton)
    for field in dataclasses.fields(batch):
        one, other = getattr(batch, field.name), getattr(twice, field.name)
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_training_is_thinned_and_scoring_is_not(poses):
    whole, thin = module(poses, config()), module(poses, config(downsample=5, subset=0.5))
    assert thin.count("train") == whole.count("train") // 10
    assert thin.count("val") == whole.count("val")
    torch.testing.assert_close(thin.truth("val").pose3d, whole.truth("val").pose3d)


def test_actions_are_chosen_by_exact_name(root):
    settings = dataclasses.replace(config(), root=str(root), actions=("Sitting",))
    found, split = read_poses(settings, ("train", "val"))
    assert DataModule(found, split, settings).actions == ("Sitting",)
    for name in ("Sit", "Walking 1"):
        wrong = dataclasses.replace(settings, actions=(name,))
        with pytest.raises(DataError, match="no action"):
            read_poses(wrong, ("train", "val"))


def test_a_set_without_named_splits_is_whole_for_scoring_and_needs_subjects_for_training(root):
    settings = DataConfig(name="tiny", root=str(root))
    _, split = read_poses(settings, ("test",))
    assert split.test == ("S1", "S5", "S9")
    with pytest.raises(ConfigError, match=r"data\.train_subjects"):
        read_poses(settings, ("train", "val"))
    with pytest.raises(ConfigError, match="did you mean tiny"):
        read_poses(DataConfig(name="tinny", root=str(root)), ("test",))
