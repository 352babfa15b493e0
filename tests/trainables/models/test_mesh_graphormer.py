"""What is particular to Mesh Graphormer: sizes, published weights, masks, and the truth of a mesh."""

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from spaces.errors import ConfigError
from tests.made.small_meshes import SHAPE, SIZES, tiny_network
from tests.trainables.models.test_models import random_batch
from trainables import registry
from trainables.config import default_config
from trainables.layers.hrnet import ClassHRNet
from trainables.models.mesh_graphormer import objective
from trainables.models.mesh_graphormer.config import NetworkConfig, ObjectiveConfig, dead_names
from trainables.models.mesh_graphormer.encoder import BlockShape, Queries, stack_of
from trainables.models.mesh_graphormer.files import models_of
from trainables.models.mesh_graphormer.masking import TokenMask
from trainables.models.mesh_graphormer.mesh import mesh_of
from trainables.models.mesh_graphormer.network import MeshGraphormer, begin, infer, trunk_shape
from trainables.weights.published import config_of, fitted, read_published

# --- sizes


@functools.lru_cache(4)
def meta_network(**shape):
    config = NetworkConfig(**shape)
    mesh = mesh_of(config.mesh, *models_of(config.mesh, ""))
    with torch.device("meta"):
        return MeshGraphormer(config, mesh, None)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ({}, 226_212_270),
        ({"mesh": "hand"}, 213_666_312),
        ({"trunk": "w40"}, 226_212_270 - 128_059_944 + 57_557_160),
    ],
)
def test_it_has_the_published_number_of_parameters(shape, count):
    network = meta_network(**shape)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert sum(parameter.numel() for parameter in network.trans_encoder.parameters()) == 83_318_598


def test_compact_leaves_out_what_takes_no_part():
    whole, lean = (dict(meta_network(**shape).named_parameters()) for shape in ({}, {"compact": True}))
    left_out = {name: parameter.numel() for name, parameter in whole.items() if name not in lean}
    traits = registry.config("mesh_graphormer").traits
    frozen = tuple(prefix for prefix, factor in traits(NetworkConfig()).rate_factors.items() if factor == 0)
    assert all(name.startswith(frozen) for name in left_out)
    assert not any(name.startswith(frozen) for name in lean)
    encoder = sum(count for name, count in left_out.items() if name.startswith("trans_encoder"))
    assert encoder == 83_318_598 - 40_467_334
    assert sum(left_out.values()) - encoder == 128_059_944 - 126_010_944
    assert traits(NetworkConfig(compact=True)).rate_factors == {"backbone.": 1.0}


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"mesh": "hand", "trunk": "w40", "compact": True},
        {"hidden": (96, 64, 32), "widths": (48, 24), "layers": 2, "graph": (True, False, True), "feed_forward": 3.0},
    ],
)
def test_weights_tell_the_sizes_that_rebuild_them(shape):
    network = meta_network(**shape)
    told = infer({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    config = NetworkConfig(**shape)
    fields = ("mesh", "trunk", "hidden", "widths", "layers", "feed_forward", "graph", "compact")
    expected = {f"network.{field}": getattr(config, field) for field in fields}
    # Whole weights do for a compact network too.
    assert told == {field: value for field, value in expected.items() if field != "network.compact" or value}
    assert infer({}) == {}
    with pytest.raises(ConfigError, match="48 channels; trunks, with theirs: tiny"):
        infer({"backbone.stage2.0.branches.0.0.conv1.weight": (48, 48, 3, 3)})


def test_every_broken_law_is_reported():
    wrong = {
        "network.hidden": (1024, 250, 63),
        "network.widths": (512,),
        "data.frames": 3,
        "data.views": 2,
        "data.crop_height": 512,
        "data.crop_width": 512,
    }
    with pytest.raises(ConfigError) as caught:
        default_config("mesh_graphormer", wrong, "best.yaml")
    assert caught.value.problems[:4] == (
        "network.widths = (512,) must be 2 values: there are 3 blocks, and this has 1",
        "network.heads = 4 must divide the width 250 of hidden; legal near it: 2, 5",
        "network.heads = 4 must divide the width 63 of hidden; legal near it: 3, 7",
        "network.hidden = (1024, 250, 63) must be even where graph is on: 63 is odd; legal near it: 62, 64",
    )
    assert [problem.split(":")[0] for problem in caught.value.problems[4:]] == [
        "data.frames = 3 must be 1",
        "data.views = 2 must be 1",
        "network.mesh = body makes 701 tokens of a crop of 512 x 512, at most 512 have a place",
    ]


def test_blocks_that_do_not_fit_each_other_are_refused():
    one = BlockShape(channels=6, hidden=4, out=3, layers=1, heads=2, scale=1, has_graph=False, words=2, positions=9)
    with pytest.raises(AssertionError):
        stack_of([one, one])


# --- published weights


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A plain state dict as several GPUs save it, dead parts and all, and the network that it came from."""
    network = tiny_network(4, compact=False)
    path = tmp_path_factory.mktemp("published") / "graphormer_hand_state_dict.bin"
    torch.save({f"module.{name}": tensor for name, tensor in network.state_dict().items()}, path)
    return path, network


def imported(path, **network):
    model = registry.get("mesh_graphormer")
    published = read_published(path, model)
    fixed = {"network.heads": 2, "network.layers": 4, "data.crop_height": 64, "data.crop_width": 64}
    changes = {f"network.{name}": value for name, value in network.items()}
    config, _ = config_of(published, model, fixed, changes)
    tensors = fitted(published, model, config)
    found = model.build(config.network, config.data.sizes)
    found.load_state_dict(tensors)
    return found.eval(), tensors


def test_a_published_checkpoint_is_imported_whole_or_without_its_dead_parts(checkpoint):
    path, network = checkpoint
    whole, lean = imported(path, compact=False), imported(path, compact=True)
    assert whole[1].keys() == network.state_dict().keys()
    assert all(torch.equal(whole[1][name], tensor) for name, tensor in network.state_dict().items())
    assert set(whole[1]) - set(lean[1]) == set(dead_names(NetworkConfig(**{**SHAPE, "compact": False})))
    batch = random_batch(SIZES, 2)
    poses = [found(batch).meshes[-1] for found in (network.eval(), whole[0], lean[0])]
    assert torch.equal(poses[0], poses[1])
    assert torch.equal(poses[0], poses[2])


def test_a_checkpoint_with_a_missing_or_foreign_tensor_is_refused(checkpoint, tmp_path):
    tensors = torch.load(checkpoint[0], weights_only=True)
    tensors["module.cam_param_fc9.bias"] = tensors.pop("module.cam_param_fc3.bias")
    path = tmp_path / "broken.bin"
    torch.save(tensors, path)
    with pytest.raises(ConfigError) as caught:
        imported(path, compact=True)
    assert caught.value.problems[:2] == ("missing: cam_param_fc3.bias", "unexpected: cam_param_fc9.bias")


def test_a_trunk_of_its_own_file_begins_a_fresh_network_with_or_without_its_classifier(tmp_path):
    torch.manual_seed(5)
    trunk = ClassHRNet(trunk_shape("tiny"))
    torch.save(trunk.state_dict(), tmp_path / "trunk.pth")
    for compact in (False, True):
        network = tiny_network(compact=compact, trunk_weights="trunk.pth")
        begin(network, NetworkConfig(trunk_weights="trunk.pth"), tmp_path)
        own = network.backbone.state_dict()
        assert all(torch.equal(own[name], value) for name, value in trunk.state_dict().items() if name in own)
        assert ("classifier.weight" in own) != compact


# --- masks


@pytest.mark.parametrize("kind", ["hand", "body"])
def test_a_start_at_the_template_interpolates_it_and_has_it_in_view(kind):
    config = NetworkConfig(**{**SHAPE, "mesh": kind, "start": "template"})
    body, levels = models_of(kind, "")
    network = MeshGraphormer(config, mesh_of(kind, body, levels), body)
    begin(network, config, Path())
    points = torch.from_numpy(body.v_template)
    coarse = functools.reduce(lambda kept, index: kept[index], levels.down, points)
    found = network._finer(coarse[None].float())[-1][0]
    size = (points.amax(0) - points.amin(0)).amax()
    assert (found - points).norm(dim=-1).mean() < 0.02 * size
    for step in network.steps_up:
        torch.testing.assert_close(step.weight.sum(1), torch.ones(len(step.weight)))
    template = network.constants.template
    view = objective.project(network.cam_param_fc3.bias[None], template[None])[0]
    filled = (view.amax(0) - view.amin(0)).amax() / 2
    assert 0.5 < filled < 0.9, "of the crop; a hand's fingers may point along the line of sight"


def test_the_tiny_trunk_reads_a_crop_at_half_its_size_with_an_even_border():
    pixels = torch.full((1, 3, 224, 224), 255, dtype=torch.uint8)
    seen = tiny_network().normalised(pixels)
    assert seen.shape == (1, 3, 128, 128)
    inside = torch.zeros(128, 128, dtype=torch.bool)
    inside[8:-8, 8:-8] = True
    assert (seen[..., ~inside] == 0).all()
    assert (seen[..., inside] > 2).all()
    checks = pixels * ((torch.arange(224) + torch.arange(224)[:, None]) % 2 == 0)
    grey = tiny_network().normalised(checks)
    assert torch.equal(grey[..., inside], tiny_network().normalised(checks.flip(-1))[..., inside])


def masks_of(rate, key, count=400):
    layer = TokenMask(rate, (14, 431))
    layer.stream.begin(torch.tensor(key))
    return layer(count, torch.device("cpu"))


def test_masks_follow_from_the_step_and_hide_at_most_their_share():
    mask = masks_of(0.3, 5)
    assert torch.equal(mask, masks_of(0.3, 5))
    assert not torch.equal(mask, masks_of(0.3, 6))
    assert masks_of(0.0, 5) is None
    joints, vertices = (mask[:, :14] == 0).sum(1), (mask[:, 14:] == 0).sum(1)
    assert joints.max() == 4  # int(u * 0.3 * 14), u < 1
    assert joints.min() == 0
    assert vertices.max() <= 129
    # int(u * 129.3) of uniform u: mean 64.15, deviation 37.3; the mean of 400 lies within 4 deviations of it.
    assert float(vertices.double().mean()) == pytest.approx(64.15, abs=7.5)
    assert abs(float(torch.corrcoef(torch.stack((joints, vertices)).double())[0, 1])) < 0.2  # of their own u
    hidden = (mask == 0).double().mean(0)
    assert float(hidden[14:].max()) < 0.15 + 5 * (0.15 * 0.85 / 400) ** 0.5  # none is favoured


def test_queries_are_never_spelled_out_and_are_what_they_would_be():
    torch.manual_seed(2)
    layer = nn.Linear(9, 4).double()
    places, feature, grid = (torch.randn(shape).double() for shape in ((7, 3), (2, 6), (5, 2, 9)))
    mask = torch.ones(2, 7, dtype=torch.uint8)
    mask[0, 3] = mask[1, 6] = 0
    spelled = torch.cat((places.unsqueeze(1).expand(-1, 2, -1), feature.expand(7, 2, 6)), -1)
    spelled[3, 0] = spelled[6, 1] = 0.01
    queries = Queries(places=places, feature=feature, grid=grid, mask=mask)
    # Another order of summation, float64; the grid is never hidden.
    expected = layer(torch.cat((spelled, grid)))
    torch.testing.assert_close(queries.through(layer), expected, rtol=0, atol=1e-14)


# --- meshes


@pytest.mark.parametrize("kind", ["body", "hand"])
def test_truth_of_the_templates_pose_is_the_template(kind):
    config = NetworkConfig(mesh=kind, **SHAPE)
    network = registry.get("mesh_graphormer").build(config, SIZES).double()
    pose = torch.zeros(1, 72 if kind == "body" else 48).double()
    pose[0, 0] = 3.1416 if kind == "body" else 0.0
    count = 24 if kind == "body" else 21
    batch = random_batch(SIZES, 1)
    zeros = {"joints2d": torch.zeros(1, count, 3), "joints3d": torch.zeros(1, count, 4), "betas": torch.zeros(1, 10)}
    batch = type(batch)(size=1, body_pose=pose, has=torch.ones(1, 3), **{name: x.double() for name, x in zeros.items()})
    truth = network._truth(batch)
    joints, template = network.num_joints, network.constants.template
    torch.testing.assert_close(truth.meshes[0][0], template[joints:], rtol=0, atol=1e-12)  # float64
    assert [len(mesh[0]) for mesh in truth.meshes] == ([431, 1723, 6890] if kind == "body" else [195, 778])
    if kind == "hand":
        torch.testing.assert_close(truth.joints3d[0, :, :3], template[:joints], rtol=0, atol=1e-12)
        assert (truth.joints3d[..., 3] == 1).all()


def test_what_a_batch_does_not_know_does_not_count():
    network = tiny_network()
    batch = random_batch(SIZES, 2)
    prediction = network(batch)
    nobody = type(prediction.truth)(
        **{
            **{name: getattr(prediction.truth, name) for name in ("joints2d", "joints3d", "meshes")},
            "has3d": torch.zeros(2),
            "has_mesh": torch.zeros(2),
        }
    )
    found = objective.terms(_with(prediction, nobody), batch, ObjectiveConfig())
    assert found["joints3d"] == found["vertices"] == 0
    assert found["joints2d"] > 0  # as published; confidences say what is known
    first = type(nobody)(
        **{
            **{name: getattr(nobody, name) for name in ("joints2d", "joints3d", "meshes")},
            "has3d": torch.tensor([1.0, 0.0]),
            "has_mesh": torch.tensor([0.0, 1.0]),
        }
    )
    found = objective.terms(_with(prediction, first), batch, ObjectiveConfig())
    alone = objective.joint_error(
        prediction.mesh_joints[:1], nobody.joints3d[:1], torch.ones(1), prediction.middle
    ) + objective.joint_error(prediction.pose3d[:1, 0], nobody.joints3d[:1], torch.ones(1), prediction.middle)
    torch.testing.assert_close(found["joints3d"], 1000 * alone)
    for name, (values, weight) in objective.scores(_with(prediction, first)).items():
        assert values.shape == weight.shape == (2,), name
        assert weight.sum() == 1, name


def _with(prediction, truth):
    fields = ("camera", "pose3d", "meshes", "mesh_joints", "mesh_root", "middle")
    return type(prediction)(truth=truth, **{name: getattr(prediction, name) for name in fields})


def test_a_batch_without_poses_is_predicted_without_truth():
    network = tiny_network().eval()
    batch = random_batch(SIZES, 1)
    prediction = network(type(batch)(size=1, image=batch.image))
    assert prediction.truth is None
    torch.testing.assert_close(prediction.mesh_joints, network(batch).mesh_joints)
