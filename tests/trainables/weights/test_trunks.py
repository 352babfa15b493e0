"""Trunks of Context-Aware PoseFormer: their weights, what of them learns at which rate, and their pretraining."""

import numpy as np
import pytest
import torch

from data.errors import DataError
from spaces.cli import BAD_INPUT, OK, main
from spaces.errors import ConfigError
from spaces.schema import dump
from tests.made.crops import CropModule, crop_run, curve, store
from trainables.__main__ import VERBS
from trainables.config import default_config
from trainables.engines.single import SingleEngine
from trainables.layers.hrnet import ClassHRNet, PoseHRNet, shape_of
from trainables.models.context_aware_poseformer.network import begin, build
from trainables.runs import pretrain as pretraining
from trainables.runs.loop import Judge, fit
from trainables.runs.pretrain import peaks
from trainables.weights.trunks import load_trunk


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return store(tmp_path_factory.mktemp("crops"))


# --- weights of trunks


def published_trunk(path, width=8, wrap=lambda weights: weights):
    torch.manual_seed(1)
    trunk = PoseHRNet(shape_of(width, modules=(1, 1, 1), blocks=1, stem=16))
    weights = trunk.state_dict() | {
        "final_layer.weight": torch.zeros(17, width, 1, 1),
        "final_layer.bias": torch.zeros(17),
    }
    torch.save(wrap(weights), path)
    return weights


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}},
        lambda weights: {
            "epoch": 3,
            "model": {f"module.backbone.{name}": tensor for name, tensor in weights.items() if "final" not in name}
            | {"module.volume_net.head.1.bias": torch.zeros(3)},
        },
        lambda weights: {name: tensor for name, tensor in weights.items() if "num_batches" not in name},
    ],
    ids=["bare", "wrapped", "whole network", "uncounted"],
)
def test_a_trunk_takes_published_weights_without_the_heatmap_layer(tmp_path, wrap):
    weights = published_trunk(tmp_path / "pose.pth", wrap=wrap)
    trunk = PoseHRNet(shape_of(8, modules=(1, 1, 1), blocks=1, stem=16))
    load_trunk(trunk, tmp_path / "pose.pth")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in trunk.state_dict().items())


def test_a_trunk_of_another_width_is_refused_and_so_is_no_file(tmp_path):
    published_trunk(tmp_path / "pose.pth", width=4)
    trunk = PoseHRNet(shape_of(8, modules=(1, 1, 1), blocks=1, stem=16))
    with pytest.raises(ConfigError, match="a trunk of width 8 is wanted, it holds one of 4; name another file"):
        load_trunk(trunk, tmp_path / "pose.pth")
    with pytest.raises(DataError, match=r"there is no such file; network\.trunk_weights names"):
        load_trunk(trunk, tmp_path / "none.pth")
    with pytest.raises(DataError, match="is a folder without the trunk's file"):
        load_trunk(trunk, tmp_path)


def test_the_classification_form_is_loaded_whole(tmp_path):
    shape = shape_of(4, modules=(1, 1, 1), blocks=1, stem=8)
    torch.manual_seed(0)
    made, other = ClassHRNet(shape), ClassHRNet(shape)
    torch.save(made.state_dict(), tmp_path / "class.pth")
    load_trunk(other, tmp_path / "class.pth")
    assert all(
        torch.equal(one, two) for one, two in zip(made.state_dict().values(), other.state_dict().values(), strict=True)
    )
    torch.save(
        {name: tensor for name, tensor in made.state_dict().items() if "classifier" not in name}, tmp_path / "class.pth"
    )
    with pytest.raises(ConfigError, match=r"missing: classifier\.weight"):
        load_trunk(other, tmp_path / "class.pth")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_kernel_for_convolution_and_norm_is_both_and_follows_their_weights(dtype):
    torch.manual_seed(2)
    trunk = PoseHRNet(shape_of(8, modules=(1, 2, 2), blocks=2, stem=16)).to(dtype)
    image = torch.randn(3, 3, 64, 32, dtype=dtype)
    limit = 1e-5 if dtype == torch.float32 else 1e-12  # of the largest, some hundred roundings
    for _ in range(2):
        trunk.train()(image)  # moves the running statistics
        one_by_one = [level.detach() for level in trunk.eval()(image)]
        with torch.no_grad():
            at_once = trunk(image)
        for found, expected in zip(at_once, one_by_one, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=limit * float(expected.abs().max()))
        with torch.no_grad():
            trunk.conv1.weight.mul_(-1)


# --- what is frozen, and at which rate the rest learns


def test_a_frozen_trunk_keeps_its_file_and_has_no_moments(root):
    config = crop_run(root, loop__epochs=1)
    losses, state = curve(config, CropModule(config))
    network = build(config.network, config.data.sizes)
    begin(network, config.network, root)
    frozen = network.backbone.state_dict()
    assert all(torch.equal(state["network"][f"backbone.{name}"], tensor) for name, tensor in frozen.items())
    assert not any(name.startswith("backbone.") for tensors in state["moments"].values() for name in tensors)
    assert not network.train().backbone.bn1.training
    assert np.isfinite(losses).all()


def test_a_trunk_with_a_rate_of_its_own_learns_from_its_file_on(root):
    config = crop_run(root, network__trunk_lr_factor=0.1, loop__epochs=1)
    _, state = curve(config, CropModule(config))
    network = build(config.network, config.data.sizes)
    begin(network, config.network, root)
    moved = [
        float((state["network"][f"backbone.{name}"] - parameter).detach().abs().max())
        for name, parameter in network.backbone.named_parameters()
    ]
    steps = state["step"]
    # Adam moves by at most about the rate a step.
    assert 0 < max(moved) < 2 * steps * 0.1 * config.optim.lr
    assert not torch.equal(state["network"]["backbone.bn1.running_mean"], network.backbone.bn1.running_mean)


def test_a_state_with_frozen_parameters_is_resumed_bit_for_bit(root):
    config = crop_run(root, loop__epochs=2)
    data = CropModule(config)
    whole, _ = curve(config, data)
    first, second, judge = SingleEngine(), SingleEngine(), Judge()
    first.join(0, config, weights=fresh_weights(config, root))
    losses = [first.train_epoch(data)[0].mean]
    second.join(0, config, first.leave(0))

    def offer(report):
        losses.append(report.losses.mean)
        judge.hear(report)

    fit(second, data, offer, judge.verdicts)
    assert losses == whole


def fresh_weights(config, root):
    torch.manual_seed(config.loop.seed)
    network = build(config.network, config.data.sizes)
    begin(network, config.network, root)
    return network.state_dict()


# --- pretraining of a trunk


def test_peaks_lie_at_the_joints():
    places = torch.tensor([[[0.0, 0.0], [-0.5, 0.25], [1.5, 0.0]]])
    found = peaks(places, (16, 12), 1.5)
    assert found.shape == (1, 3, 16, 12)
    assert [divmod(int(heat.argmax()), 12) for heat in found[0, :2]] == [(8, 6), (10, 3)]
    assert found[0, 0].max() == 1
    assert found[0, 2].max() < 0.2  # outside: only the slope of its peak reaches the crop


def test_pretraining_sees_joints_and_its_weights_start_a_run(root, tmp_path, monkeypatch, capsys):
    config = crop_run(root, loop__epochs=1)
    monkeypatch.setattr(pretraining, "provide", lambda data: None)
    monkeypatch.setattr(pretraining, "open_data", lambda config, parts, device: CropModule(config, parts=parts))
    path = tmp_path / "config.yaml"
    path.write_text(dump(config))
    out = tmp_path / "trunk.safetensors"
    line = ["pretrain", str(path), "--out", str(out), "--epochs", "2", "--batch", "6", "--set", "data.downsample=1"]
    assert main("trainables", "", VERBS, line) == OK
    told = capsys.readouterr().out
    losses = [float(part.split(",")[0]) for part in told.split("loss ")[1:]]
    assert losses[-1] < 0.8 * losses[0]
    assert f"--set network.trunk_weights={out}" in told
    trained = crop_run(root, network__trunk_weights=str(out), loop__epochs=1)
    network = build(trained.network, trained.data.sizes)
    begin(network, trained.network, root)
    assert not torch.equal(network.backbone.bn1.running_mean, torch.zeros(16))


def test_all_wrong_options_of_pretraining_come_at_once(root, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text(dump(crop_run(root)))
    (tmp_path / "there.pth").touch()
    line = ["pretrain", str(path), "--out", str(tmp_path / "there.pth"), "--epochs", "0", "--lr", "-1"]
    assert main("trainables", "", VERBS, line) == BAD_INPUT
    told = capsys.readouterr().err
    for text in (
        "there.pth exists",
        "must end in .safetensors",
        "--epochs: '0' is no whole number",
        "--lr: '-1' is no",
    ):
        assert text in told
    other = tmp_path / "graformer.yaml"
    other.write_text(dump(default_config("graformer", {}, "tests")))
    assert (
        main("trainables", "", VERBS, ["pretrain", str(other), "--out", str(tmp_path / "a.safetensors")]) == BAD_INPUT
    )
    assert "model graformer has no trunk that reads images" in capsys.readouterr().err
