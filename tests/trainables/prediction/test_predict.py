"""`predict`: every frame of a video gets the pose that evaluation would give it, or nothing is written."""

import dataclasses
import json
import types

import av
import numpy as np
import pytest
import torch
from torch import nn

from data.config import DataConfig
from data.poses.geometry import to_screen
from search.__main__ import VERBS
from spaces.cli import main
from spaces.schema import config_id, dump
from tests.made.detected.files import custom
from tests.made.small import tiny_config, tiny_module, write_tiny
from trainables import registry
from trainables.entry import Prediction, Traits
from trainables.prediction import videos as predicting
from trainables.prediction.videos import lift
from trainables.scoring.evaluation import predict as evaluated
from trainables.weights.checkpoint import save_weights

CPU = torch.device("cpu")


class Recorder(nn.Module):
    """Answers a pose made of its window; keeps how many frames each call held."""

    def __init__(self):
        super().__init__()
        self.held, self.scale = [], nn.Parameter(torch.tensor(1.0))

    def forward(self, batch):
        window = batch.pose2d
        self.held.append(window.shape[0] * window.shape[2])
        first, middle, last = window[:, 0, 0], window[:, 0, window.shape[2] // 2], window[:, 0, -1]
        return Prediction(pose3d=torch.cat((first, middle[..., :1] + last[..., 1:]), -1).unsqueeze(1) * self.scale)


MODEL = types.SimpleNamespace(poses=lambda prediction: prediction.pose3d)


@pytest.fixture
def home(tmp_path):
    """A config, its weights, and keypoints of 30 frames in 17 joints."""
    config = tiny_config(tmp_path)
    network = registry.get("graformer").build(config.network, config.data.sizes)
    save_weights(tmp_path / "w.safetensors", network.state_dict(), config, {"epoch": 1})
    (tmp_path / "c.yaml").write_text(dump(config))
    values = np.random.default_rng(5).uniform(100, 900, (30, 17, 2)).cumsum(0) / np.arange(1, 31)[:, None, None]
    np.savez(tmp_path / "k.npz", keypoints=values, width=1000, height=1002, fps=50, layout="h36m")
    return tmp_path


def predict(home, *more, source="k.npz", config="c.yaml", weights="w.safetensors", out="o.npz"):
    words = [str(home / config), "--weights", str(home / weights), "--input", str(home / source)]
    return main("search", "", VERBS, ["predict", *words, "--out", str(home / out), *more])


def listing(home):
    return sorted(path.name for path in home.iterdir())


def test_the_output_holds_every_frame_and_what_is_needed_to_use_it(home, capsys):
    assert predict(home) == 0
    with np.load(home / "o.npz") as out, np.load(home / "k.npz") as given:
        config = tiny_config(home)
        assert out["pose3d"].shape == (30, 16, 3)
        assert not out["pose3d"][:, 0].any()
        assert out["pose3d"][:, 1:].any()
        assert tuple(out["joints"]) == config.data.sizes.skeleton.joints
        assert tuple(out["parents"]) == config.data.sizes.skeleton.parents
        assert out["fps"] == 50
        assert not out["is_filled"].any()
        assert out["is_filled"].shape == (30,)
        np.testing.assert_allclose(out["keypoints"], np.delete(given["keypoints"], 9, 1), rtol=1e-6)
        assert str(out["config_id"]) == config_id(config)
    assert "note:" not in capsys.readouterr().out


@pytest.mark.parametrize("flip", [False, True])
def test_a_clip_of_the_data_set_gets_the_poses_of_evaluation(tmp_path, flip):
    config = tiny_config(write_tiny(tmp_path))
    data = tiny_module(config, ("test",))
    model = registry.get("graformer")
    network = model.build(config.network, config.data.sizes).eval()
    with torch.no_grad():
        expected = evaluated(lambda b: model.poses(network(b)), config.traits.reads, data, "test", 0, 40, flip=flip)
    screen = data.gather("test", torch.arange(40), ("pose2d",)).pose2d[:, 0, 0]
    found = lift(network, model, screen[None], config.data, CPU, flip=flip)
    # Other batch sizes sum in another order.
    torch.testing.assert_close(found, expected - expected[:, :1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("frames", "causal"), [(1, False), (9, False), (9, True), (27, False)])
def test_windows_repeat_the_edges_and_look_the_right_way(frames, causal):
    data, count = DataConfig(frames=frames, causal=causal), 20
    screen = torch.randn(count, 17, 2)
    found = lift(Recorder(), MODEL, screen[None], data, CPU)
    pad = (frames - 1) // 2
    start = torch.arange(count) - (frames - 1 if causal else pad)
    first, middle, last = (screen[(start + at).clamp(0, count - 1)] for at in (0, pad, frames - 1))
    expected = torch.cat((first, middle[..., :1] + last[..., 1:]), -1)
    torch.testing.assert_close(found, expected - expected[:, :1])


def test_a_long_video_is_never_in_memory_as_windows(monkeypatch):
    data, screen = DataConfig(frames=27), torch.randn(1, 15_000, 17, 2)
    network = Recorder()
    whole = lift(network, MODEL, screen, data, CPU)
    assert max(network.held) <= predicting.INPUT_FRAMES
    assert sum(network.held) == 15_000 * 27
    monkeypatch.setattr(predicting, "INPUT_FRAMES", 500)
    small = Recorder()
    torch.testing.assert_close(lift(small, MODEL, screen, data, CPU), whole, rtol=0, atol=0)
    assert max(small.held) <= 500


def test_a_window_longer_than_the_limit_still_works(monkeypatch):
    monkeypatch.setattr(predicting, "INPUT_FRAMES", 5)
    assert lift(Recorder(), MODEL, torch.randn(1, 4, 17, 2), DataConfig(frames=9), CPU).shape == (4, 17, 3)


def test_the_network_sees_screen_units_of_the_files_own_size(home, monkeypatch):
    seen = []
    monkeypatch.setattr(predicting, "lift", lambda n, m, screen, *a, **k: seen.append(screen) or torch.zeros(30, 16, 3))
    assert predict(home) == 0
    with np.load(home / "o.npz") as out:
        torch.testing.assert_close(seen[0][0], to_screen(torch.from_numpy(out["keypoints"]), 1000, 1002))


def test_gaps_are_filled_marked_and_the_long_ones_told(home, capsys):
    with np.load(home / "k.npz") as given:
        frames = np.concatenate([given["keypoints"]] * 4).tolist()
    frames[20:90] = [None] * 70
    frames[95][13] = None
    content = {"width": 1000, "height": 1002, "fps": 50, "layout": "h36m", "frames": frames}
    (home / "k.json").write_text(json.dumps(content))
    assert predict(home, source="k.json") == 0
    with np.load(home / "o.npz") as out:
        expected = np.zeros(120, bool)
        expected[20:90] = expected[95] = True
        np.testing.assert_array_equal(out["is_filled"], expected)
        assert out["is_joint_filled"][95].sum() == 1
        assert np.isfinite(out["pose3d"]).all()
    told = capsys.readouterr().out
    assert "frames 20 to 89 (1.4 s): no pose" in told
    assert "95" not in told


def test_coco_joints_are_told_to_be_others_once(home, capsys):
    with np.load(home / "k.npz") as given:
        np.savez(home / "coco.npz", keypoints=given["keypoints"], width=1000, height=1002)
    assert predict(home, "--layout", "coco", source="coco.npz") == 0
    told = capsys.readouterr().out
    assert told.count("expect larger errors") == 1
    assert "25 frames a second assumed" in told


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_the_film_is_written_beside_the_poses(home, suffix, capsys):
    assert predict(home, "--render", str(home / f"f.{suffix}")) == 0
    with av.open(home / f"f.{suffix}") as container:
        assert len(list(container.decode(0))) == 15
    assert "one in 2" in capsys.readouterr().out


def test_every_wrong_option_is_told_at_once_and_nothing_is_written(home, capsys):
    (home / "o.npz").write_text("mine")
    before = listing(home)
    wrong = ["--render", str(home / "f.avi"), "--width", "-3", "--fps", "nan", "--layout", "body99"]
    assert predict(home, *wrong, source="nothing.npz", weights="none.safetensors") == 2
    told = capsys.readouterr().err
    for part in (
        "o.npz exists",
        "--force",
        ".gif or .mp4",
        "--width -3",
        "--fps nan",
        "body99",
        "--input",
        "--weights",
    ):
        assert part in told, part
    assert "Traceback" not in told
    assert listing(home) == before
    assert (home / "o.npz").read_text() == "mine"


def test_of_several_videos_in_a_file_one_is_predicted(home, capsys):
    with np.load(home / "k.npz") as given:
        views = {f"{name}.mp4": {"custom": [given["keypoints"][: 10 * at]]} for at, name in enumerate("ab", start=1)}
    size = ("--width", "1000", "--height", "1002")
    custom(home / "data_2d_custom_my.npz", views, {"layout_name": "h36m"})
    assert predict(home, *size, source="data_2d_custom_my.npz") == 2
    assert "a.mp4, b.mp4; give --video NAME" in capsys.readouterr().err
    assert "o.npz" not in listing(home)
    assert predict(home, *size, "--video", "b.mp4", source="data_2d_custom_my.npz") == 0
    with np.load(home / "o.npz") as out:
        assert len(out["pose3d"]) == 20


def test_joints_scored_too_low_are_filled_and_a_limit_outside_0_to_1_is_refused(home, capsys):
    values = np.load(home / "k.npz")["keypoints"]
    scored = np.concatenate((values, np.full((30, 17, 1), 0.9)), -1)
    scored[4, 3, 2] = 0.2
    np.savez(home / "k.npz", keypoints=scored, width=1000, height=1002, fps=50, layout="h36m")
    for limit in ("-0.1", "1.1", "nan", "x"):
        assert predict(home, "--min-score", limit) == 2
        assert f"--min-score {limit}: expected a number from 0 to 1" in capsys.readouterr().err
    assert predict(home, "--min-score", "0.95") == 2
    assert "no joint is scored that high" in capsys.readouterr().err
    assert not (home / "o.npz").exists()
    assert predict(home, "--min-score", "0.3") == 0
    assert capsys.readouterr().out.count("1 joints in 1 frames count as not detected: 1 scored below 0.3") == 1
    filled = np.load(home / "o.npz")["is_joint_filled"]
    assert filled.sum() == filled[4].sum() == 1


def test_existing_files_are_replaced_only_by_force_and_sources_never(home, capsys):
    (home / "f.gif").write_text("mine")
    assert predict(home, "--render", str(home / "f.gif")) == 2
    assert (home / "f.gif").read_text() == "mine"
    assert predict(home, "--render", str(home / "f.gif"), "--force") == 0
    assert (home / "f.gif").read_bytes()[:3] == b"GIF"
    assert predict(home, "--force", out="k.npz") == 2
    assert "is --input too" in capsys.readouterr().err
    assert predict(home, "--force", "--render", str(home / "x.gif"), out="x.gif") == 2


def test_a_film_that_fails_leaves_no_poses_either(home, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(predicting, "render", fail)
    before = listing(home)
    with pytest.raises(RuntimeError):
        predict(home, "--render", str(home / "f.gif"))
    assert listing(home) == before


def test_weights_of_another_network_are_refused_with_the_knobs(home, capsys):
    assert predict(home, "--set", "network.heads=4") == 2
    assert "network.heads = 2 in the weights, 4 in the config" in capsys.readouterr().err
    assert predict(home, "--set", "data.joints=17") == 2
    assert "data.joints = 16 in the weights, 17 in the config" in capsys.readouterr().err
    assert not (home / "o.npz").exists()


def test_too_few_views_and_what_is_neither_keypoints_nor_image_are_refused(home, capsys, monkeypatch):
    whole = registry.config("graformer")
    traits = Traits(reads=("pose2d", "image", "camera"))
    open_minded = dataclasses.replace(whole, laws=lambda *_: iter(()), traits=lambda _: traits)
    monkeypatch.setattr(registry, "config", lambda _: open_minded)
    assert predict(home, "--set", "data.views=4", "--width", "64") == 2
    told = capsys.readouterr().err
    assert "--input: 1 given, but data.views = 4; give one file for each camera, in the order of training" in told
    assert "model graformer reads camera; `predict` has only 2D keypoints and images" in told
    assert "reads images of 4 view(s) and 1 frame(s) at once; `predict` gives it a single image at a time" in told
    assert "--width 64: every image tells its own width; leave the option out" in told


def test_poses_that_are_not_finite_are_a_failed_run(home, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "lift", lambda *_, **__: torch.full((30, 16, 3), float("nan")))
    assert predict(home) == 1
    assert "not finite" in capsys.readouterr().err
    assert not (home / "o.npz").exists()
