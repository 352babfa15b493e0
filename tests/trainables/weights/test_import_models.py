"""`import` of temporal lifters and of Context-Aware PoseFormer: weights tell their sizes, recipes the rest."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from tests.made.checkpoints import published, script_checkpoint
from tests.made.small import tiny_run
from tests.made.sweeps import answer_of
from trainables import registry
from trainables.config import default_config
from trainables.weights.checkpoint import load_weights


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(answer_of, capsys, VERBS)


# --- temporal lifters


@pytest.mark.parametrize(
    ("name", "recipe"), [("poseformer", "hmsft_humaneva"), ("videopose3d", "humaneva_27"), ("graformer", "small")]
)
def test_a_checkpoint_of_humaneva_is_imported_with_its_recipe_or_its_set(answer, tmp_path, name, recipe):
    made_with = tiny_run(name, "store", **{"data__name": "humaneva", "data__joints": 15})
    weights = registry.get(name).build(made_with.network, made_with.data.sizes).state_dict()
    published(weights, tmp_path / "a.bin")
    changes = [] if name == "videopose3d" else ["--set", "network.heads=2"]
    line = ["import", name, "--recipe", recipe, "--weights", "a.bin", "--out", "o.safetensors", *changes]
    if name == "graformer":
        code, _, err = answer(*line)
        assert code == BAD_INPUT
        assert "data.joints = 15 does not go with data.name = synthetic" in err
        assert "name a set with 15 (as humaneva)" in err
        line += ["--set", "data.name=humaneva"]
    code, _, err = answer(*line)
    assert (code, err) == (OK, "")
    tensors, config, _ = load_weights(Path("o.safetensors"))
    assert (config.data.name, config.data.sizes.skeleton.name) == ("humaneva", "humaneva_15")
    assert all(torch.equal(tensors[key], tensor) for key, tensor in weights.items())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["poseformer", "videopose3d"])
def test_a_temporal_lifters_checkpoint_tells_its_shape(answer, tmp_path, name, prefix):
    made_with = tiny_run(name, "store", data__frames=9, data__joints=16)
    torch.manual_seed(3)
    weights = registry.get(name).build(made_with.network, made_with.data.sizes).state_dict()
    named = {prefix + key: tensor for key, tensor in weights.items()}
    content = {
        "epoch": 80,
        "lr": 1e-4,
        "random_state": np.random.RandomState(1234),
        "optimizer": {},
        "model_pos": named,
    }
    published(content | {"model_traj": None, "random_state_semi": None}, tmp_path / "a.bin")
    heads = ["--set", "network.heads=2"] if name == "poseformer" else ["--set", "data.causal=true"]
    code, out, err = answer("import", name, "--weights", "a.bin", "--out", "o.safetensors", *heads)
    assert (code, err) == (OK, "")
    assert "data.frames = 9" in out
    tensors, config, facts = load_weights(Path("o.safetensors"))
    assert all(torch.equal(tensors[key], tensor) for key, tensor in weights.items())
    assert (config.data.frames, config.data.joints, facts["epoch"]) == (9, 16, 80)
    if name == "videopose3d":
        assert (config.network.channels, config.network.widths, config.data.causal) == (16, (), True)
    else:
        assert (config.network.embed_dim_ratio, config.network.depth, config.network.mlp_ratio) == (4, 2, 2.0)


def test_filter_widths_other_than_threes_are_told():
    infer = registry.get("videopose3d").infer
    shapes = {"expand_conv.weight": (8, 34, 3), "layers_conv.0.weight": (8, 8, 5), "layers_conv.1.weight": (8, 8, 1)}
    assert infer(shapes) == {"network.channels": 8, "network.widths": (3, 5), "data.frames": 15}


def test_weights_of_hmsft_are_refused_with_the_reason(answer, tmp_path):
    published({"model_pos": {"module.mystery.weight": torch.zeros(2)}}, tmp_path / "hmsft.bin")
    code, _, err = answer("import", "poseformer", "--weights", "hmsft.bin", "--out", "o.safetensors")
    assert code == BAD_INPUT
    assert "of a network that was never published" in err
    assert not Path("o.safetensors").exists()


def test_a_poseformer_checkpoint_says_its_sizes_and_the_recipe_its_heads(answer, tmp_path):
    model, shape = registry.get("poseformer"), {"network.embed_dim_ratio": 8, "network.depth": 2}
    config = default_config("poseformer", {**shape, "network.heads": 4, "data.frames": 9}, "tests")
    made = model.build(config.network, config.data.sizes).eval()
    torch.nn.init.normal_(made.Temporal_pos_embed)
    content = script_checkpoint(made.state_dict())
    content["model_pos"] = content.pop("state_dict")
    published(content, tmp_path / "best_epoch.bin")
    line = "import poseformer --weights best_epoch.bin --out ours.safetensors --set network.heads=4"
    code, out, err = answer(*line.split())
    assert (code, err) == (OK, "")
    told = "network.embed_dim_ratio = 8, data.joints = 17, data.frames = 9, network.depth = 2, network.qkv_bias = True"
    assert f"told by the weights: {told}, network.mlp_ratio = 2.0" in out
    assert "network.heads = 4" in out.split("taken from recipe cpn_27 and --set: ")[1]
    tensors, recorded, _ = load_weights(Path("ours.safetensors"))
    assert (recorded.network.heads, recorded.network.drop_path, recorded.data.frames) == (4, 0.1, 9)
    ours = model.build(recorded.network, recorded.data.sizes).eval()
    ours.load_state_dict(tensors)
    x = torch.randn(2, 9, 17, 2)
    assert torch.equal(ours.lift(x), made.lift(x))


def test_poseformer_heads_that_the_weights_cannot_have_are_refused(answer, tmp_path):
    # The first recipe says 8 heads, which 12 channels do not have.
    config = default_config("poseformer", {"network.embed_dim_ratio": 12, "network.heads": 4}, "tests")
    made = registry.get("poseformer").build(config.network, config.data.sizes)
    published({"model_pos": made.state_dict()}, tmp_path / "a.bin")
    code, _, err = answer("import", "poseformer", "--weights", "a.bin", "--out", "o.safetensors")
    assert code == BAD_INPUT
    assert "network.heads = 8 must divide embed_dim_ratio 12; legal near it: 6, 12" in err


# --- Context-Aware PoseFormer


def image_network(**knobs):
    """A tiny trained-looking network, its config and its weights as the training script saves them."""
    small = {"network.trunk": "tiny", "network.embed_dim": 8, "network.depth": 2, "network.heads": 4}
    named = {path.replace("__", "."): value for path, value in knobs.items()}
    config = default_config("context_aware_poseformer", {**small, **named}, "tests")
    torch.manual_seed(4)
    made = registry.get("context_aware_poseformer").build(config.network, config.data.sizes)
    return made, config


def image_checkpoint(weights):
    """epoch, lr, model, optimizer, as published."""
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    return {"epoch": 24, "lr": 5e-4, "model": named, "optimizer": {"state": {}, "param_groups": []}}


@pytest.mark.parametrize("features", ["live", "cached"])
def test_a_context_aware_checkpoint_is_imported_whole_or_as_a_head_alone(answer, tmp_path, features):
    made, _ = image_network(network__points=3, network__context_heads=2)
    whole = made.state_dict()
    head = {name: tensor for name, tensor in whole.items() if name.startswith("volume_net.")}
    weights = whole if features == "live" else head
    published(image_checkpoint(weights), tmp_path / "best_epoch.bin")
    line = "import context_aware_poseformer --weights best_epoch.bin --out ours.safetensors --set network.heads=4"
    code, out, err = answer(*line.split())
    assert (code, err) == (OK, "")
    assert f"network.trunk = tiny, network.features = {features}, network.embed_dim = 8" in out
    tensors, config, facts = load_weights(Path("ours.safetensors"))
    assert tensors.keys() == weights.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in weights.items())
    assert (config.network.depth, config.network.points, config.network.context_heads) == (2, 3, 2)
    assert (facts["epoch"], facts["lr"]) == (24, 5e-4)


def test_a_context_aware_checkpoint_with_another_trunk_is_refused(answer, tmp_path):
    made, _ = image_network()
    published(image_checkpoint(made.state_dict()), tmp_path / "a.bin")
    base = "import context_aware_poseformer --weights a.bin --out o.safetensors"
    code, _, err = answer(*base.split(), "--set", "network.trunk=w48")
    assert code == BAD_INPUT
    assert "network.trunk = w48 was set, but these weights have tiny; leave it out" in err
    odd = {name: tensor for name, tensor in made.state_dict().items() if "stage4" not in name}
    odd["volume_net.feat_embed.0.weight"] = torch.zeros(8, 18)
    published(image_checkpoint(odd), tmp_path / "a.bin")
    code, _, err = answer(*base.split())
    assert code == BAD_INPUT
    assert "reads maps of 18, 16, 32, 64 channels, which no trunk here makes" in err
    del odd["volume_net.feat_embed.0.weight"]
    published(image_checkpoint(odd), tmp_path / "a.bin")
    code, _, err = answer(*base.split(), "--set", "network.heads=4", "--set", "network.trunk=tiny")
    assert code == BAD_INPUT
    assert "missing: backbone.stage4.0.branches.0.0.conv1.weight" in err
    assert "missing: volume_net.feat_embed.0.weight" in err
    assert not Path("o.safetensors").exists()
