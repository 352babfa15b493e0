"""`predict` from several views: the poses of evaluation, and views that belong together or are refused."""

import dataclasses

import av
import numpy as np
import pytest
import torch

from data.formats.poses import h36m
from search.__main__ import VERBS
from spaces.cli import main
from spaces.schema import dump
from tests.made.small import tiny_module, tiny_poses, tiny_run
from trainables import registry
from trainables.prediction import videos as predicting
from trainables.scoring.evaluation import predict as evaluated
from trainables.weights.checkpoint import load_weights, save_weights


@pytest.fixture
def rig(tmp_path):
    """A config of four views in world axes, its weights, and a file of keypoints from each camera."""
    config = tiny_run("sgraformer", tmp_path, data__views=4, data__axes="world", data__joints=17)
    torch.manual_seed(2)
    network = registry.get("sgraformer").build(config.network, config.data.sizes)
    save_weights(tmp_path / "w.safetensors", network.state_dict(), config, {"epoch": 1})
    (tmp_path / "c.yaml").write_text(dump(config))
    clip = tiny_poses(frames=12).sequences[0]
    for number, (pixels, camera) in enumerate(zip(clip.pose2d, clip.cameras, strict=True)):
        np.savez(
            tmp_path / f"{number}.npz",
            keypoints=pixels,
            width=camera.width,
            height=camera.height,
            fps=50,
            layout="h36m",
        )
    return tmp_path


def lift_views(rig, *sources, more=()):
    inputs = [word for source in sources for word in ("--input", str(rig / source))]
    words = ["predict", str(rig / "c.yaml"), "--weights", str(rig / "w.safetensors"), *inputs]
    return main("search", "", VERBS, [*words, "--out", str(rig / "o.npz"), *more])


FOUR = ("0.npz", "1.npz", "2.npz", "3.npz")


def test_a_clip_seen_by_four_cameras_gets_the_poses_of_evaluation(rig, capsys):
    h36m.write(tiny_poses(frames=12), rig)
    assert lift_views(rig, *FOUR, more=("--render", str(rig / "f.gif"))) == 0
    config = tiny_run("sgraformer", rig, data__views=4, data__axes="world", data__joints=17)
    whole = dataclasses.replace(
        config, data=dataclasses.replace(config.data, val_subjects=(), test_subjects=("S1",), train_subjects=())
    )
    data, model = tiny_module(whole, ("test",)), registry.get("sgraformer")
    network = model.build(config.network, config.data.sizes)
    network.load_state_dict(load_weights(rig / "w.safetensors")[0])
    network.eval()
    with torch.no_grad():
        expected = evaluated(lambda b: model.poses(network(b)), config.traits.reads, data, "test", 0, 12)
    with np.load(rig / "o.npz") as out:
        # Keypoints are kept in float64 here and in float32 there.
        np.testing.assert_allclose(out["pose3d"], expected.numpy(), rtol=0, atol=1e-5)
        assert out["keypoints"].shape == (4, 12, 17, 2)
        assert out["is_filled"].shape == (4, 12)
        assert out["width"].tolist() == [1000] * 4
        assert out["height"].tolist() == [1002, 1000, 1000, 1002]
        assert str(out["axes"]) == "world"
    told = capsys.readouterr().out
    assert "axes of the training set's world" in told
    with av.open(rig / "f.gif") as container:
        assert len(list(container.decode(0))) == 6


def rewritten(rig, source, **changes):
    with np.load(rig / source) as given:
        content = {name: given[name] for name in given.files} | changes
    np.savez(rig / "changed.npz", **content)
    return "changed.npz"


def test_a_rate_with_fewer_digits_is_the_same_rate(rig):
    other = rewritten(rig, "3.npz", fps=50.0001)
    assert lift_views(rig, *FOUR[:3], other) == 0


def test_views_that_do_not_belong_together_are_refused(rig, capsys):
    nobody = rewritten(rig, "3.npz", keypoints=np.full((12, 17, 2), np.nan))
    with np.load(rig / "3.npz") as given:
        shorter = given["keypoints"][:9]
    cases = [
        (FOUR[:3], (), "--input: 3 given, but data.views = 4; give one file for each camera, in the order of training"),
        ((*FOUR[:3], FOUR[0]), (), "0.npz: is given twice"),
        ((*FOUR[:3], nobody), (), "changed.npz: holds no pose: no joint was detected in any frame"),
        (FOUR, ("--flip",), "--flip: data.axes = world, and mirrored images are of no pose"),
        (FOUR[:2], ("--set", "data.views=2"), "data.views = 4 in the weights, 2 in the config"),
        (FOUR, ("--set", "data.axes=camera"), "data.axes = world in the weights, camera in the config"),
    ]
    for sources, more, problem in cases:
        assert lift_views(rig, *sources, more=more) == 2
        told = capsys.readouterr().err
        assert problem in told, told
        assert "Traceback" not in told
    short = rewritten(rig, "3.npz", keypoints=shorter, fps=25)
    assert lift_views(rig, *FOUR[:3], short) == 2
    told = capsys.readouterr().err
    assert "views differ in their number of frames: " in told
    assert "changed.npz has 9; cut the videos to the same moments" in told
    assert "views differ in their frames a second" in told
    assert not (rig / "o.npz").exists()


def test_all_problems_of_all_views_come_at_once(rig, capsys):
    odd = rewritten(rig, "2.npz", keypoints=np.full((12, 17, 2), np.nan))
    (rig / "odd.npz").write_bytes((rig / odd).read_bytes())
    bare = rewritten(rig, "1.npz", height=-4)
    assert lift_views(rig, "0.npz", bare, "odd.npz", "3.npz") == 2
    told = capsys.readouterr().err
    assert "views: 2 problems" in told
    assert "changed.npz: height = -4" in told
    assert "odd.npz: holds no pose" in told


def test_poses_in_world_axes_are_filmed_upright_and_not_mirrored():
    assert (predicting.UPRIGHT @ (0, 0, 1)).tolist() == [0, -1, 0]  # up is against the image's y
    assert np.linalg.det(predicting.UPRIGHT) == pytest.approx(1)


def test_files_of_several_views_have_up_of_the_studio_and_every_view_in_the_page(rig):
    outs = [word for name in ("o.csv", "o.trc") for word in ("--out", str(rig / name))]
    assert lift_views(rig, *FOUR, more=(*outs, "--render", str(rig / "o.html"))) == 0
    with np.load(rig / "o.npz") as found:
        pose = found["pose3d"]
    heads = (rig / "o.csv").read_text().splitlines()[0].split(",")
    assert heads[:6] == ["frame", "time_s", "is_filled_1", "is_filled_2", "is_filled_3", "is_filled_4"]
    row = (rig / "o.trc").read_text().splitlines()[6].removesuffix("\t").split("\t")[2:]
    points = np.array(row, float).reshape(17, 3) / 1000
    np.testing.assert_allclose((points - points[0])[:, (0, 2, 1)] * (1, -1, 1), pose[0], rtol=0, atol=1e-5)
    assert (rig / "o.html").read_text().count('"points":') == 4
