"""Mesh Graphormer trains: in less memory with the same numbers, on a mesh set, and not on what it does not fit."""

import dataclasses

import pytest
import torch
from torch import nn

from data.batches.samples import check_fields, open_samples
from spaces.errors import ConfigError
from tests.made.small_meshes import SIZES, hand_run, tiny_network, write_hands
from tests.trainables.models.test_models import random_batch
from trainables import registry
from trainables.config import default_config
from trainables.engines.single import SingleEngine
from trainables.layers.dropout import Dropout
from trainables.layers.replay import replayed
from trainables.layers.stream import shared_stream
from trainables.models.mesh_graphormer import objective
from trainables.models.mesh_graphormer.config import ObjectiveConfig
from trainables.runs.demands import check_run

# --- what takes less memory


def gradients_of(network, batch, key=7):
    model = registry.get("mesh_graphormer")
    shared_stream(network.train()).begin(torch.tensor(key))
    terms = model.terms(network(batch), batch, ObjectiveConfig())
    torch.stack(list(terms.values())).sum().backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    return found, {name: buffer.clone() for name, buffer in network.named_buffers()}


def test_checkpointing_changes_memory_and_nothing_else():
    batch = random_batch(SIZES, 3)
    plain, lean = tiny_network(mask_rate=0.4), tiny_network(mask_rate=0.4, checkpointing=True)
    assert any(isinstance(layer, Dropout) and layer.dial for layer in plain.modules())
    (one, statistics), (other, again) = (gradients_of(network, batch) for network in (plain, lean))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(statistics[name], again[name]) for name in statistics)


def test_a_replayed_part_draws_its_numbers_again_and_the_next_one_goes_on():
    layers = nn.Sequential(Dropout(0.5), Dropout(0.5))
    shared_stream(layers).begin(torch.tensor(3))
    x = torch.ones(1000, requires_grad=True)
    plain = layers[1](layers[0](x))
    plain.sum().backward()
    expected = x.grad.clone()
    layers[0].stream.begin(torch.tensor(3))
    x.grad = None
    found = layers[1](replayed(layers[0], x))
    found.sum().backward()
    assert torch.equal(found, plain)
    assert torch.equal(x.grad, expected)


def test_bfloat16_keeps_coordinates_exact():
    network, batch = tiny_network().eval(), random_batch(SIZES, 2)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        prediction = network(batch)
    assert {x.dtype for x in (prediction.camera, prediction.pose3d, *prediction.meshes)} == {torch.float32}
    rounded = prediction.meshes[-1].to(torch.bfloat16).float()
    assert (rounded != prediction.meshes[-1]).any()
    # What bfloat16 changes is inside: two to three digits of what the image adds to the template.
    torch.testing.assert_close(prediction.meshes[-1], network(batch).meshes[-1], rtol=0.1, atol=0.05)
    torch.testing.assert_close(prediction.truth.meshes[-1], network(batch).truth.meshes[-1])


# --- training on a mesh set


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_hands(tmp_path_factory.mktemp("meshes"))


def test_it_trains_on_a_mesh_set_and_is_scored_by_sample(store):
    config = hand_run(store, network__body_files=str(store / "synthetic_hand" / "models"))
    data = open_samples(config.data, device=torch.device("cpu"), reads=config.traits.reads)
    engine = SingleEngine()
    engine.join(0, config)
    losses = engine.train_epoch(data)[0]
    assert losses.mean > 0
    assert not losses.diverged
    found = engine.evaluate(data, [0])[0]
    names = ("mpjpe_mm", "p_mpjpe_mm", "mpvpe_mm", "pa_mpvpe_mm")
    shares = ("auc_50mm", "mesh_auc_50mm", "pa_f_5mm", "pa_f_15mm")
    assert set(found) == {f"val/{name}" for name in (*names, *shares)}
    assert found["val/p_mpjpe_mm"] <= found["val/mpjpe_mm"] < 500
    batch = data.gather("val", data.order("val", 0, 0), config.traits.reads)
    with torch.no_grad():
        by_hand = objective.scores(engine._only().bare.eval()(batch))
    for name, (values, weight) in by_hand.items():
        assert found[f"val/{name}"] == pytest.approx(float((values * weight).sum() / weight.sum()), rel=1e-4), name


def test_a_model_and_a_set_that_do_not_go_together_are_refused(store):
    with pytest.raises(ConfigError, match=r"network.mesh = body must be hand: the set of data.name has no"):
        hand_run(store, network__mesh="body")
    hands = hand_run(store)
    with pytest.raises(ConfigError, match=r"is a set of poses, and the model reads joints2d, .*: synthetic_hand"):
        check_fields(default_config("mesh_graphormer", {}, "tests").data, hands.traits.reads)
    unlabelled = dataclasses.replace(hands, data=dataclasses.replace(hands.data, name="freihand"))
    with pytest.raises(
        ConfigError, match=r"network.body_files is empty, .* than freihand .*; name the folder of the MANO"
    ):
        check_run(unlabelled, is_fresh=False)
    gone = hand_run(store, network__body_files=str(store / "gone"), network__trunk_weights="gone.pth")
    with pytest.raises(ConfigError) as caught:
        check_run(gone, is_fresh=True)
    assert [problem.split(" = ")[0] for problem in caught.value.problems] == [
        "network.body_files",
        "network.trunk_weights",
    ]
    (store / "empty").mkdir()
    empty = hand_run(store, network__body_files=str(store / "empty"), data__name="freihand")
    with pytest.raises(ConfigError) as caught:
        check_run(empty, is_fresh=True)
    model, *sets = caught.value.problems
    assert "has no MANO_RIGHT.pkl (MANO, licensed): register at the MANO page" in model
    assert [problem.split(": ")[1].removeprefix(f"{store}/") for problem in sets] == [
        "freihand/train_part.yaml",
        "freihand/val.yaml",
    ]
    (store / "empty" / "MANO_RIGHT.pkl").write_bytes(b"no pickle")
    with pytest.raises(ConfigError, match=r"MANO_RIGHT\.pkl"):
        check_run(hand_run(store, network__body_files=str(store / "empty")), is_fresh=False)
    with pytest.raises(ConfigError, match="is a mesh set, and the model reads pose2d, pose3d, which sets of poses"):
        check_fields(hands.data, ("pose2d", "pose3d"))
