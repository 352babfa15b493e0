"""What is particular to VideoPose3D: its two forms, causality, windows and strides."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from data.batches.batch import Batch, Sizes
from data.poses.skeleton import H36M_17
from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.errors import ConfigError
from tests.made.small import tiny_module, tiny_run, write_tiny
from tests.made.sweeps import answer_of
from trainables import registry
from trainables.config import default_config
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.models.videopose3d.config import NetworkConfig, widths_for
from trainables.models.videopose3d.network import build, infer
from trainables.weights.checkpoint import load_weights

MODEL = registry.get("videopose3d")


def made(frames=27, *, causal=False, seed=0, **knobs):
    """A network in float64 whose batch norms have something to say."""
    torch.manual_seed(seed)
    sizes = Sizes(views=1, frames=frames, skeleton=H36M_17, causal=causal)
    network = build(NetworkConfig(**{"channels": 12, **knobs}), sizes).double()
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():
            torch.nn.init.uniform_(buffer, 0.5, 1.5) if name.endswith("var") else torch.nn.init.normal_(buffer)
    return network


def video(frames, size=2):
    return torch.randn(size, frames, 17, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(("frames", "expected"), [(9, 4_357_171), (27, 8_555_571), (81, 12_753_971), (243, 16_952_371)])
def test_it_has_the_published_number_of_parameters(frames, expected):
    with torch.device("meta"):
        network = build(NetworkConfig(), Sizes(views=1, frames=frames, skeleton=H36M_17))
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("frames", "widths"), [(1, ()), (9, ()), (27, ()), (45, (3, 5, 3)), (15, (1, 5, 3))])
def test_both_forms_agree_on_one_window(frames, widths, causal):
    network, x = made(frames, causal=causal, widths=widths).eval(), video(frames)
    # Rounding of float64.
    torch.testing.assert_close(network.lift(x, strided=True), network.lift(x, strided=False), rtol=0, atol=1e-12)


@pytest.mark.parametrize("knobs", [{}, {"causal": True}, {"dense": True}, {"widths": (3, 9)}])
def test_a_longer_window_gives_the_poses_of_its_windows(knobs):
    network, x = made(27, **knobs).eval(), video(31)
    whole = network(Batch(size=2, pose2d=x[:, None])).pose3d
    assert whole.shape == (2, 5, 17, 3)
    for i in range(5):
        one = network(Batch(size=2, pose2d=x[:, None, i : i + 27])).pose3d
        torch.testing.assert_close(one[:, 0], whole[:, i], rtol=0, atol=1e-12)


def test_a_causal_residual_carries_the_last_frame_and_another_the_middle_one():
    """With the blocks silent only the residual path is left, three frames wide: those of the first filter."""
    for causal, seen in ((False, {12, 13, 14}), (True, {24, 25, 26})):
        network, x = made(27, causal=causal).eval(), video(27).requires_grad_()
        with torch.no_grad():
            for norm in network.layers_bn:
                norm.weight.zero_()
                norm.bias.fill_(-1)
        for strided in (True, False):
            (grad,) = torch.autograd.grad(network.lift(x, strided=strided).square().sum(), x)
            assert set(grad.abs().sum((0, 2, 3)).nonzero().flatten().tolist()) == seen


def test_a_dense_network_with_the_taps_of_a_dilated_one_is_the_same():
    dilated, dense = made(27), made(27, dense=True)
    weights = dilated.state_dict()
    for name, dilation in (("layers_conv.0.weight", 3), ("layers_conv.2.weight", 9)):
        wide = torch.zeros_like(dense.state_dict()[name])
        wide[:, :, ::dilation] = weights[name]
        weights[name] = wide
    dense.load_state_dict(weights)
    x = video(29)
    expected = dilated.eval().lift(x, strided=False)
    torch.testing.assert_close(dense.eval().lift(x, strided=False), expected, rtol=0, atol=1e-12)


def test_training_on_one_window_takes_the_strided_form():
    """Batch norm sees other frames there, so the two forms differ while training."""
    network, x = made(27, dropout=0.0).train(), video(27, size=4)
    found = network(Batch(size=4, pose2d=x[:, None])).pose3d
    torch.testing.assert_close(found, network.lift(x, strided=True))
    assert not torch.allclose(found, network.lift(x, strided=False))


def test_the_loss_is_the_mean_distance_and_has_a_slope_where_it_is_zero():
    pose = torch.zeros(2, 3, 17, 3, dtype=torch.float64)
    pose[0, 0, 0] = torch.tensor([3.0, 4.0, 0.0])
    pose.requires_grad_()
    prediction = dataclasses.replace(made(1)(Batch(size=2, pose2d=video(1)[:, None])), pose3d=pose)
    (loss,) = MODEL.terms(prediction, Batch(size=2, pose3d=torch.zeros_like(pose)), None).values()
    assert loss.item() == pytest.approx(5 / (2 * 3 * 17))
    loss.backward()
    assert pose.grad.isfinite().all()
    assert MODEL.poses(prediction) is pose


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"data.frames": 5}, "data.frames = 5 must be a power of 3 .* legal near it: 3, 9; other windows need"),
        ({"data.frames": 241}, "legal near it: 81, 243"),
        ({"data.frames": 27, "network.widths": "3,5"}, r"network.widths = \(3, 5\) see 15 frames .* data.frames = 27"),
        ({"data.frames": 12 * 3 + 1, "network.widths": "4,3"}, "must be odd; in place of 4: 3 or 5"),
        ({"data.frames": 9, "data.views": 2}, "data.views = 2 must be 1"),
    ],
)
def test_windows_that_the_filters_do_not_see_are_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        default_config("videopose3d", values, "tests")


def test_threes_make_the_powers_of_three():
    assert [widths_for(frames) for frames in (1, 3, 27, 243, 5)] == [(1,), (3,), (3,) * 3, (3,) * 5, None]


@pytest.mark.parametrize("changes", [{}, {"data__causal": True}, {"network__dense": True}])
def test_strides_train_in_both_engines(tmp_path, changes):
    """Four targets a sample: the dilated form end to end, alone and as a lane, and scored on every frame."""
    root = write_tiny(tmp_path, frames=14)
    config = tiny_run("videopose3d", root, data__stride=4, loop__batch=48, optim__lr=5e-3, **changes)
    data = tiny_module(config, dtype=torch.float64)
    batch = data.gather("train", torch.arange(3), config.traits.reads)
    assert batch.pose2d.shape[2] == 9 - 1 + 4
    assert batch.pose3d.shape[1] == 4
    losses, scores = [], []
    for engine in (SingleEngine(dtype=torch.float64), FusedEngine(2, dtype=torch.float64)):
        engine.join(0, config)
        losses.append([engine.train_epoch(data)[0].mean for _ in range(3)])
        scores.append(engine.evaluate(data, [0])[0]["val/mpjpe_mm"])
    assert losses[0][-1] < 0.9 * losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-9)
    assert np.isfinite(scores[0])


# --- import


def script_checkpoint(network, prefix=""):
    """A checkpoint as the training script writes it, the trajectory model beside the poses'."""
    named = {prefix + name: tensor.float() for name, tensor in network.state_dict().items()}
    trajectory = {name: torch.zeros(3) for name in ("shrink.weight", "shrink.bias")}
    return {
        "epoch": 60,
        "lr": 4.8e-5,
        "random_state": np.random.RandomState(1234),
        "optimizer": {"state": {}, "param_groups": [{"lr": 4.8e-5, "amsgrad": True, "params": [0]}]},
        "model_pos": named,
        "model_traj": trajectory,
        "random_state_semi": np.random.RandomState(1234),
    }


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_authors_checkpoint_is_imported_with_the_causality_that_is_given(
    capsys, tmp_path, monkeypatch, prefix, causal
):
    monkeypatch.chdir(tmp_path)
    network = made(45, widths=(3, 5, 3), causal=causal)
    torch.save(script_checkpoint(network, prefix), "a.bin")
    line = f"import videopose3d --weights a.bin --out o.safetensors --set data.causal={causal}"
    code, out, err = answer_of(capsys, VERBS, *line.split())
    assert (code, err) == (OK, "")
    assert "told by the weights: network.channels = 12, network.widths = (3, 5, 3), data.frames = 45, data.jo" in out
    assert f"data.causal = {causal}" in out
    tensors, config, facts = load_weights(Path("o.safetensors"))
    assert (config.data.causal, facts["epoch"], facts["lr"]) == (causal, 60, 4.8e-5)
    ours = MODEL.build(config.network, config.data.sizes).double().eval()
    ours.load_state_dict(tensors)
    x = video(45)
    # Weights kept in float32.
    torch.testing.assert_close(ours.lift(x, strided=True), network.eval().lift(x, strided=True), rtol=0, atol=1e-5)


def test_what_dense_weights_are_is_asked_not_guessed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(script_checkpoint(made(27, dense=True)), "a.bin")
    line = "import videopose3d --weights a.bin --out o.safetensors"
    code, _, err = answer_of(capsys, VERBS, *line.split())
    assert code == BAD_INPUT
    assert "layers_conv.0.weight has shape (12, 12, 7), expected (12, 12, 3)" in err
    code, _, err = answer_of(capsys, VERBS, *line.split(), "--set", "network.dense=true", "--set", "data.frames=27")
    assert (code, err) == (OK, "")


def test_shapes_tell_the_window_where_they_can():
    for knobs, told in (((3, 3, 3), True), ((3, 3, 7), True), ((1, 3), True), ((3, 7), False)):
        frames = int(np.prod(knobs))
        shapes = {name: tuple(t.shape) for name, t in made(frames, widths=knobs).state_dict().items()}
        found = infer(shapes)
        expected = {"network.widths": () if set(knobs) == {3} else knobs, "data.frames": frames} if told else {}
        assert found == {"network.channels": 12, "data.joints": 17, **expected}
    assert infer({}) == {}
