"""Scores as input: training, evaluation and `predict` give a network the same third number of each joint."""

import dataclasses

import numpy as np
import pytest
import torch

from data.batches.tracks import with_scores
from data.errors import DataError
from data.formats.poses import h36m
from data.poses.geometry import to_screen
from search.__main__ import VERBS
from spaces.cli import main
from spaces.errors import ConfigError
from spaces.schema import dump
from tests.made.small import pose_models, tiny_module, tiny_poses, tiny_run
from trainables import registry
from trainables.prediction.videos import lift
from trainables.scoring.evaluation import predict as evaluated
from trainables.weights.checkpoint import save_weights

CPU = torch.device("cpu")


def scored_poses(frames=20):
    """The tiny set with scores of its own in every joint, frame and view."""
    poses = tiny_poses(frames=frames)
    rng = np.random.default_rng(2)
    clips = [
        dataclasses.replace(clip, scores=tuple(rng.random(view.shape[:2]).astype(np.float32) for view in clip.pose2d))
        for clip in poses.sequences
    ]
    return dataclasses.replace(poses, sequences=tuple(clips))


@pytest.fixture
def home(tmp_path):
    """A set with scores, a config that reads them and its weights."""
    h36m.write(scored_poses(), tmp_path)
    config = tiny_run("videopose3d", tmp_path, data__scores=True, data__joints=17)
    torch.manual_seed(3)
    network = registry.get("videopose3d").build(config.network, config.data.sizes)
    save_weights(tmp_path / "w.safetensors", network.state_dict(), config, {"epoch": 1})
    (tmp_path / "c.yaml").write_text(dump(config))
    return tmp_path, config, network.eval()


def predict(folder, source, *more):
    words = [str(folder / "c.yaml"), "--weights", str(folder / "w.safetensors"), "--input", str(folder / source)]
    return main("search", "", VERBS, ["predict", *words, "--out", str(folder / "o.npz"), *more])


def test_scores_survive_the_files_and_reach_the_batch(tmp_path):
    poses = scored_poses()
    h36m.write(poses, tmp_path)
    config = tiny_run("videopose3d", tmp_path, data__scores=True, data__joints=16)
    batch = tiny_module(config, ("test",)).gather("test", torch.arange(4), ("pose2d",))
    clip = next(clip for clip in poses.sequences if clip.subject == "S9")
    assert batch.pose2d.shape == (4, 1, 9, 16, 3)
    kept = np.delete(clip.scores[0], 9, 1)
    torch.testing.assert_close(batch.pose2d[0, 0, 4:, :, 2], torch.from_numpy(kept[:5]))


@pytest.mark.parametrize("flip", [False, True])
def test_predict_gives_the_poses_of_evaluation(home, flip):
    folder, config, network = home
    data, model = tiny_module(config, ("test",)), registry.get("videopose3d")
    with torch.no_grad():
        expected = evaluated(lambda b: model.poses(network(b)), config.traits.reads, data, "test", 0, 20, flip=flip)
    clip = next(clip for clip in scored_poses().sequences if clip.subject == "S9")
    camera = clip.cameras[0]
    np.savez(
        folder / "k.npz", keypoints=np.concatenate((clip.pose2d[0], clip.scores[0][..., None]), -1), width=camera.width,
        height=camera.height, fps=50, layout="h36m",
    )  # fmt: skip
    assert predict(folder, "k.npz", *(["--flip"] if flip else [])) == 0
    # Keypoints are kept in float64 here and in float32 there.
    np.testing.assert_allclose(np.load(folder / "o.npz")["pose3d"], expected - expected[:, :1], rtol=0, atol=2e-5)
    screen = with_scores(to_screen(torch.from_numpy(clip.pose2d[0]), camera.width, camera.height), clip.scores[0])
    other = lift(network, model, screen[None] * torch.tensor((1, 1, 0.5)), config.data, CPU, flip=flip)
    assert not torch.allclose(other, expected - expected[:, :1], atol=1e-4)


def test_what_was_not_detected_has_the_score_0(home):
    folder, config, _ = home
    found = with_scores(torch.zeros(1, 3, 2), np.array([[np.nan, -0.2, 1.7]]))
    assert found[0, :, 2].tolist() == [0, 0, 1]
    assert config.data.sizes.channels == 3
    assert folder.is_dir()


def test_keypoints_without_scores_are_refused(home, capsys):
    folder, *_ = home
    rows = np.random.default_rng(1).uniform(100, 900, (9, 17, 2))
    np.savez(folder / "k.npz", keypoints=rows, width=1000, height=1000, fps=50, layout="h36m")
    assert predict(folder, "k.npz") == 2
    assert "the keypoints have no scores" in capsys.readouterr().err
    assert not (folder / "o.npz").exists()


def test_a_set_without_scores_is_refused(tmp_path):
    h36m.write(tiny_poses(), tmp_path)
    with pytest.raises(DataError, match=r"data\.scores = true, but the 2D 'gt' of 3 clips has no scores"):
        tiny_module(tiny_run("videopose3d", tmp_path, data__scores=True, data__joints=17), ("test",))


@pytest.mark.parametrize("name", [name for name in pose_models() if name != "videopose3d"])
def test_a_model_of_two_numbers_refuses_scores(name, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.scores.*must be false"):
        tiny_run(name, tmp_path, data__scores=True)


def test_weights_with_scores_tell_that_they_take_them():
    model = registry.get("videopose3d")
    config = tiny_run("videopose3d", "store", data__scores=True)
    shapes = {
        name: tuple(value.shape) for name, value in model.build(config.network, config.data.sizes).state_dict().items()
    }
    assert model.infer(shapes)["data.scores"] is True
