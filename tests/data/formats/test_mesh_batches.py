"""Batches of mesh sets depend on seed, epoch and sample only; what changes an image changes its labels."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from data.batches.meshes import FIELDS, MeshModule, read_mesh_sets
from data.bodies.body_joints import labelled_joints
from data.bodies.skinning import posed
from data.config import DataConfig
from data.errors import DataError
from data.formats.meshes.mesh_tsv import MeshSet
from data.images.mesh_crops import Change, crop_image, draw_changes, moved_joints2d, turned_joints3d, turned_pose
from data.poses.skeleton import BODY_24
from data.synthetic.meshes.mesh_models import made_models
from spaces.errors import ConfigError
from spaces.schema import load, tree_of
from tests.made.meshes import made_image, made_set


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    for kind in ("body", "hand"):
        made_set(folder, kind)
    return folder


def opened(root, kind="hand", parts=("train", "val"), shard=(0, 1), **knobs):
    config = DataConfig(name=f"own_{kind}", root=str(root), **knobs)
    return MeshModule(read_mesh_sets(config, parts)[0], config, shard=shard)


def epoch(module, number=1, size=4, seed=0):
    return [module.gather("train", index) for index, _, _ in module.batches("train", number, seed, size)]


def test_a_batch_holds_one_crop_and_its_labels(root):
    module = opened(root, "body")
    (batch, *_) = epoch(module)
    assert batch.image.shape == (4, 1, 3, 224, 224)
    assert batch.image.dtype == torch.uint8
    shapes = [(4, 24, 3), (4, 24, 4), (4, 72), (4, 10), (4, 3)]
    assert [tuple(getattr(batch, name).shape) for name in FIELDS[1:]] == shapes
    root_joint = BODY_24.root
    assert batch.joints3d[:, root_joint, :3].abs().max() < 1e-7


def test_every_sample_comes_once_an_epoch_whatever_the_batch(root):
    module = opened(root)
    indices = torch.cat([index for index, _, _ in module.batches("train", 3, 5, 4)])
    assert sorted((indices % 10).tolist()) == list(range(10))
    assert [own for _, own, _ in module.batches("train", 3, 5, 4)] == [4, 4, 2]


def test_a_sample_depends_on_seed_epoch_and_itself_only(root):
    one = opened(root)
    whole = one.gather("train", one.order("train", 2, 7))
    again = opened(root, workers=3)
    pieces = epoch(again, 2, 3, 7)
    for name in FIELDS:
        joined = torch.cat([getattr(piece, name) for piece in pieces])
        assert torch.equal(joined, getattr(whole, name)), name
    for other in (one.order("train", 3, 7), one.order("train", 2, 8)):
        place = (other % 10).argsort()[(one.order("train", 2, 7) % 10)]
        assert not torch.equal(one.gather("train", other[place]).image, whole.image)


def test_ranks_share_the_batches_of_one(root):
    whole = epoch(opened(root), size=4)
    halves = [epoch(opened(root, shard=(rank, 2)), size=4) for rank in range(2)]
    for batch, one, other in zip(whole, *halves, strict=True):
        assert torch.equal(torch.cat((one.image, other.image)), batch.image)


def test_scoring_sees_samples_as_they_are(root):
    module = opened(root, "body")
    index = module.order("val", 4, 1)
    assert index.tolist() == [0, 1, 2, 3]
    batch, truth = module.gather("val", index), module.labels("val")
    label = MeshSet(root / "own_body" / "val.yaml", "body").label(2)
    assert torch.equal(batch.body_pose[2], torch.from_numpy(label.pose))
    for name in FIELDS[2:]:
        assert torch.equal(getattr(batch, name), getattr(truth, name)), name
    image = crop_image(
        made_image(2), label.center, label.scale, 0.0, np.ones(3), is_mirrored=False
    )  # as stored, but for the JPEG
    assert np.abs(batch.image[2, 0].numpy().astype(int) - image.astype(int)).mean() < 5


def test_no_image_is_decoded_for_labels_alone(root, monkeypatch):
    module = opened(root)
    monkeypatch.setattr("data.formats.meshes.mesh_rows.decode", lambda content: pytest.fail("decoded"))
    batch = module.gather("train", module.order("train", 1, 0)[:3], ("joints3d", "has"))
    assert batch.image is None
    assert batch.body_pose is None
    assert batch.joints3d.shape == (3, 21, 4)


def test_batches_are_made_before_they_are_asked_for(root):
    module = opened(root, workers=2)
    seen = []
    load = module._load

    def told(*arguments):
        seen.append(threading.current_thread() is threading.main_thread())
        return load(*arguments)

    module._load = told
    epoch(module, size=2)
    assert seen == [False] * 5


def test_training_can_be_thinned_and_scoring_not(root):
    module = opened(root, downsample=3)
    assert (module.count("train"), module.count("val")) == (4, 4)


def test_a_set_of_the_other_kind_is_refused_before_anything_starts(root, tmp_path):
    made_set(tmp_path, "hand")
    (tmp_path / "own_hand").rename(tmp_path / "own_body")
    with pytest.raises(DataError, match=r"train.label.tsv, row 0.*has shape \(21, 3\); that of a body"):
        opened(tmp_path, "body")


def test_a_missing_set_is_named_in_all_its_parts(tmp_path):
    with pytest.raises(ValueError, match=r"train\.yaml") as caught:
        opened(tmp_path)
    assert "val.yaml" in str(caught.value)


def test_what_mesh_sets_do_not_have_is_refused():
    for knobs in ({"frames": 3}, {"actions": ["Walking"]}, {"flip": True}, {"val_subjects": ["S1"]}):
        with pytest.raises(ConfigError, match=next(iter(knobs))):
            load(DataConfig, tree_of(DataConfig()) | {"name": "freihand"} | knobs, "config")


def test_sizes_are_known_without_a_file():
    sizes = DataConfig(name="freihand").sizes
    assert (sizes.mesh, sizes.skeleton.num_joints, sizes.crop, sizes.views) == ("hand", 21, (224, 224), 1)
    assert DataConfig(name="3dpw").sizes.skeleton == BODY_24
    assert DataConfig().sizes.mesh == ""


def test_changes_stay_within_their_published_limits():
    change = draw_changes([(1, at) for at in range(4000)], turn_deg=30, zoom_sd=0.25, gain=0.4, mirror=0.5)
    assert np.abs(change.turn).max() <= 60
    assert (change.turn == 0).mean() == pytest.approx(0.6, abs=0.03)
    assert change.zoom.min() >= 0.75
    assert change.zoom.max() <= 1.25
    assert change.gain.min() >= 0.6
    assert change.gain.max() <= 1.4
    assert change.mirrored.mean() == pytest.approx(0.5, abs=0.03)
    assert not draw_changes([(1, 2)], turn_deg=0, zoom_sd=0, gain=0, mirror=0).mirrored.any()


def test_mirroring_twice_changes_nothing():
    rng = np.random.default_rng(0)
    mirrored = Change(turn=np.zeros(3), zoom=np.ones(3), gain=np.ones((3, 3)), mirrored=np.ones(3, bool))
    pose, joints = rng.normal(0, 1, (3, 72)), rng.normal(0, 1, (3, 24, 4))
    np.testing.assert_allclose(turned_pose(turned_pose(pose, mirrored), mirrored), pose, atol=1e-6)
    twice = turned_joints3d(turned_joints3d(joints, mirrored, BODY_24.mirror), mirrored, BODY_24.mirror)
    np.testing.assert_allclose(twice, joints, atol=1e-6)


def test_labels_turn_with_their_image():
    """A white dot in the image is where its label says, turned, zoomed and mirrored."""
    picture = np.zeros((200, 260, 3), np.uint8)
    spots = np.array(((90.0, 60.0), (150.0, 120.0)))
    center, scale = np.array((130.0, 100.0)), 0.7
    for x, y in spots.astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    for turn, zoom, is_mirrored in ((0, 1.0, False), (30, 1.2, False), (-50, 0.9, True)):
        change = Change(turn=np.array([turn], float), zoom=np.array([zoom]), gain=np.ones((1, 3)),
                        mirrored=np.array([is_mirrored]))  # fmt: skip
        crop = crop_image(Image.fromarray(picture), center, scale * zoom, turn, np.ones(3), is_mirrored=is_mirrored)
        joints = np.concatenate((spots, np.ones((2, 1))), axis=1)[None]
        placed = moved_joints2d(joints, center[None], np.array([scale]), change, (0, 1))[0, :, :2]
        pixels = np.rint((placed + 1) * 112).astype(int)
        for x, y in pixels:
            assert crop[0, y - 2 : y + 3, x - 2 : x + 3].max() > 200, (turn, x, y)


def test_a_changed_pose_makes_the_changed_joints():
    """The made body is its own mirror image, so both roads lead to the same joints."""
    model, levels = made_models("body")
    rng = np.random.default_rng(1)
    pose, betas = rng.normal(0, 0.4, (6, 72)), rng.normal(0, 1, (6, 10))
    change = Change(turn=np.array((0, 25.0, -40, 90, 0, 60)), zoom=np.ones(6), gain=np.ones((6, 3)),
                    mirrored=np.array((1, 1, 0, 1, 0, 0), bool))  # fmt: skip
    before, after = (
        labelled_joints(model, levels, *posed(model, one, betas)) for one in (pose, turned_pose(pose, change))
    )
    before, after = (joints - joints[:, BODY_24.root, None] for joints in (before, after))
    expected = turned_joints3d(np.concatenate((before, np.ones((6, 24, 1))), axis=2), change, BODY_24.mirror)
    np.testing.assert_allclose(after, expected[..., :3], atol=1e-5)
