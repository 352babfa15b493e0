"""Weights of SGraFormer: what training changes, what stays idle, and what an import makes of a checkpoint."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.schema import dump
from tests.made.small import tiny_module, tiny_run, write_tiny
from tests.made.sweeps import answer_of
from tests.trainables.models.small_sgraformer import made, seen
from trainables import registry
from trainables.engines.single import SingleEngine
from trainables.models.sgraformer.network import infer, spares
from trainables.weights.checkpoint import load_weights

MODEL = registry.get("sgraformer")


# --- training


def test_it_learns_poses_in_world_axes_from_two_views(tmp_path):
    root = write_tiny(tmp_path, frames=14)
    config = tiny_run("sgraformer", root, data__axes="world", loop__batch=16, optim__lr=5e-3, data__views=2)
    data = tiny_module(config)
    engine = SingleEngine()
    engine.join(0, config)
    losses = [engine.train_epoch(data)[0].mean for _ in range(4)]
    assert losses[-1] < 0.8 * losses[0]
    assert np.isfinite(engine.evaluate(data, [0])[0]["val/mpjpe_mm"])


def test_idle_tensors_never_change(tmp_path):
    config = tiny_run("sgraformer", write_tiny(tmp_path, frames=6), optim__weight_decay=0.5, loop__batch=16)
    data, engine = tiny_module(config), SingleEngine()
    engine.join(0, config)
    before = engine.export(0)
    engine.train_epoch(data)
    state = engine.state(0)
    idle = spares(dataclasses.replace(config.network, compact=True), config.data.sizes)
    assert all(torch.equal(state["network"][name], before[name]) for name in idle)
    trained = state["network"].keys() - idle - {"conv.0.num_batches_tracked"}
    assert not any(torch.equal(state["network"][name], before[name]) for name in trained)
    assert idle.isdisjoint(state["moments"]["exp_avg"])


def test_world_axes_have_no_mirror_image_to_average_with(capsys, tmp_path):
    config = tiny_run("sgraformer", write_tiny(tmp_path, frames=4), data__axes="world")
    (tmp_path / "c.yaml").write_text(dump(config))
    code, _, err = answer_of(capsys, VERBS, "evaluate", str(tmp_path / "c.yaml"), "--weights", "w", "--flip")
    assert code == BAD_INPUT
    assert "--flip: data.axes = world, and mirrored images are of no pose that the world's axes could tell" in err


# --- import


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_authors_checkpoint_is_imported_whole_or_compact(capsys, tmp_path, monkeypatch, prefix, compact):
    monkeypatch.chdir(tmp_path)
    network = made(frames=9, depth=5, mlp_ratio=3.0, qkv_bias=False).float()
    torch.save({prefix + name: tensor for name, tensor in network.state_dict().items()}, "a.pth")
    line = "import sgraformer --weights a.pth --out o.safetensors --set network.heads=2"
    code, out, err = answer_of(capsys, VERBS, *line.split(), "--set", f"network.compact={compact}")
    assert (code, err) == (OK, "")
    assert "told by the weights: network.embed_dim_ratio = 4, data.joints = 17, data.views = 4, data.frames = 9" in out
    tensors, config, _ = load_weights(Path("o.safetensors"))
    assert config.network.compact == compact
    assert (len(tensors) < len(network.state_dict())) == compact
    ours = MODEL.build(config.network, config.data.sizes).eval()
    ours.load_state_dict(tensors)
    x = seen(frames=9).float()
    torch.testing.assert_close(ours.lift(x), network.eval().lift(x))


def test_a_checkpoint_that_lacks_a_tensor_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = made(frames=9).state_dict()
    del weights["SF3.block2.cva_attn.proj.bias"]
    torch.save(weights, "a.pth")
    line = "import sgraformer --weights a.pth --out o.safetensors --set network.heads=2 --set network.compact=true"
    code, _, err = answer_of(capsys, VERBS, *line.split())
    assert code == BAD_INPUT
    assert "missing: SF3.block2.cva_attn.proj.bias" in err


@pytest.mark.parametrize("compact", [False, True])
def test_shapes_tell_the_network(compact):
    network = made(frames=5, views=3, depth=6, mlp_ratio=1.5, mvf_kernel=5, compact=compact)
    found = infer({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    assert found == {
        "network.embed_dim_ratio": 4, "data.joints": 17, "data.views": 3, "data.frames": 5, "network.mvf_kernel": 5,
        "network.depth": 6, "network.qkv_bias": True, "network.mlp_ratio": 1.5,
        **({"network.compact": True} if compact else {}),
    }  # fmt: skip
    assert infer({}) == {}
    assert MODEL.rename("module.SF1.x") == "SF1.x"
