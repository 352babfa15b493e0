"""The contract that every model keeps, and what is particular to GraFormer and PoseFormer."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from data.batches.batch import Batch, Sizes
from data.poses.skeleton import H36M_16, H36M_17, HUMANEVA_15
from spaces.errors import ConfigError
from spaces.schema import dump
from spaces.yaml_text import parse_yaml
from trainables import registry
from trainables.config import config_from, default_config, knobs_of
from trainables.entry import Prediction
from trainables.layers.dropout import Dropout, DropPath
from trainables.layers.stream import dialled, shared_stream
from trainables.models.graformer.config import NetworkConfig
from trainables.models.graformer.network import LayerNorm, build
from trainables.models.poseformer import config as poseformer
from trainables.models.poseformer.network import build as build_poseformer
from trainables.models.poseformer.network import infer as infer_poseformer

HAND = 21  # joints of the meshes that tiny networks make
every_model = pytest.mark.parametrize("name", registry.names())


def tiny_run(name, dropout=True):
    """The model's tiny config; without dropout where exact numbers count."""
    rates = [] if dropout else [path for path in knobs_of(name) if path.startswith("network.") and "drop" in path]
    return default_config(name, {**registry.get(name).tiny, **dict.fromkeys(rates, 0.0)}, "tests")


def tiny_network(name, seed=0, dropout=True):
    run = tiny_run(name, dropout)
    torch.manual_seed(seed)
    return registry.get(name).build(run.network, run.data.sizes), run


def random_batch(sizes, size=6, seed=1):
    """Every field that a model may read, unrelated to each other."""
    make = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=make)

    views, frames, joints = sizes.views, sizes.frames, sizes.skeleton.num_joints
    pose3d = 0.3 * normal(size, 1, joints, 3)
    pose3d[:, :, sizes.skeleton.root] = 0
    window3d = 0.3 * normal(size, frames, joints, 3)
    window3d[:, :, sizes.skeleton.root] = 0
    return Batch(
        size=size,
        pose2d=0.3 * normal(size, views, frames, joints, 2),
        pose3d=pose3d,
        window3d=window3d,
        root3d=normal(size, 1, 1, 3) + torch.tensor([0.0, 0.0, 5.0]),
        camera=torch.tensor([2.3, 2.3, 0, 0, 0, 0, 0, 0, 0]).expand(size, views, 9),
        action=torch.zeros(size, dtype=torch.int64),
        image=torch.randint(256, (size, views, 3, *sizes.crop), generator=make, dtype=torch.uint8),
        crop2d=0.5 * normal(size, views, frames, joints, 2),
        features=normal(size, views, tiny_features(sizes.crop)),
        joints2d=torch.cat((0.5 * normal(size, HAND, 2), torch.ones(size, HAND, 1)), -1),
        joints3d=torch.cat((0.1 * normal(size, HAND, 3), torch.ones(size, HAND, 1)), -1),
        body_pose=0.3 * normal(size, 48),
        betas=normal(size, 10),
        has=torch.ones(size, 3),
    )


def tiny_features(crop):
    """Numbers in the four maps of the tiny trunk: 8 channels at a quarter of the sides, then twice as many at half."""
    height, width = crop
    return sum(8 * 2**level * (height >> level + 2) * (width >> level + 2) for level in range(4))


def tensors_of(batch):
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def loss_of(model, network, batch, run):
    return sum(model.terms(network(batch), batch, run.objective).values())


def test_registry_names_the_folders_and_refuses_others():
    assert "graformer" in registry.names()
    with pytest.raises(
        ConfigError, match=r"model 'grafromer': is not here; did you mean graformer\? Models: .*graformer"
    ):
        registry.get("grafromer")
    with pytest.raises(ConfigError, match=r"is not here\. Models: "):
        registry.config("../layers")


def test_config_of_every_model_needs_no_torch():
    load = "from trainables import registry; [registry.config(name) for name in registry.names()]"
    code = f"import sys; {load}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@every_model
def test_config_survives_dump_and_load(name):
    run = tiny_run(name)
    assert config_from(parse_yaml(dump(run), "test"), "test") == run
    assert not list(registry.config(name).laws(run.network, run.data.sizes))


@every_model
def test_prediction_and_terms_have_the_agreed_shapes(name):
    model, (network, run) = registry.get(name), tiny_network(name)
    batch = random_batch(run.data.sizes)
    prediction = network(batch)
    shape = (batch.size, 1, HAND, 3) if "joints3d" in run.traits.reads else batch.pose3d.shape
    assert prediction.pose3d.shape == model.poses(prediction).shape == shape
    terms = model.terms(prediction, batch, run.objective)
    assert terms
    assert all(term.shape == () and term.isfinite() for term in terms.values())


@every_model
def test_network_takes_any_batch_size_and_samples_do_not_mix(name):
    network, run = tiny_network(name)
    network.eval()
    whole = network(random_batch(run.data.sizes)).pose3d
    first = Batch(size=1, **{key: value[:1] for key, value in tensors_of(random_batch(run.data.sizes)).items()})
    # The order of summation may change with the batch size: a few float32 roundings.
    torch.testing.assert_close(network(first).pose3d, whole[:1], rtol=1e-5, atol=1e-6)


@every_model
def test_network_overfits_one_batch(name):
    model, (network, run) = registry.get(name), tiny_network(name, dropout=False)
    batch = random_batch(run.data.sizes)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = loss_of(model, network, batch, run)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if max(losses[-3:]) < 0.3 * losses[0]:
            break
    # Unrelated input and target: only a network that can learn by heart gets here.
    assert losses[-1] < 0.3 * losses[0], losses


@every_model
def test_gradient_reaches_every_parameter_that_wants_one(name):
    """What wants none is published but takes no part: the loss does not notice it."""
    model, (network, run) = registry.get(name), tiny_network(name)
    batch = random_batch(run.data.sizes)
    loss_of(model, network, batch, run).backward()
    network.eval()
    before = loss_of(model, network, batch, run)
    for path, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, path
            assert parameter.grad.isfinite().all(), path
        else:
            torch.nn.init.constant_(parameter, float("nan"))
    assert torch.equal(loss_of(model, network, batch, run), before)


@every_model
def test_evaluation_is_deterministic_and_training_follows_the_seed(name):
    network, run = tiny_network(name)
    batch = random_batch(run.data.sizes)
    poses = []
    for _ in range(2):
        torch.manual_seed(3)
        poses.append(network.train()(batch).pose3d)
    assert torch.equal(*poses)
    network.eval()
    assert torch.equal(network(batch).pose3d, network(batch).pose3d)


@every_model
def test_same_seed_builds_the_same_network(name):
    one, other, third = (tiny_network(name, seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert any(not torch.equal(one[key], third[key]) for key in one)


@every_model
def test_network_and_terms_leave_their_input_alone(name):
    model, (network, run) = registry.get(name), tiny_network(name)
    batch = random_batch(run.data.sizes)
    before = {key: value.clone() for key, value in tensors_of(batch).items()}
    prediction = network(batch)
    pose = prediction.pose3d.detach().clone()
    model.terms(prediction, batch, run.objective)
    model.poses(prediction)
    assert all(torch.equal(value, before[key]) for key, value in tensors_of(batch).items())
    assert torch.equal(prediction.pose3d, pose)


@every_model
def test_published_names_become_ours_with_or_without_data_parallel(name):
    rename, network = registry.get(name).rename, tiny_network(name)[0]
    for key in network.state_dict():
        assert rename(f"module.{key}") == rename(key) == key


@every_model
def test_all_randomness_of_a_network_comes_from_its_stream(name):
    """Whatever drew from torch's generator would differ between a lane and its solo run, and be lost by a resume."""
    network, run = tiny_network(name)
    stream, batch = shared_stream(network.train()), random_batch(run.data.sizes)
    before, poses = torch.get_rng_state(), []
    for key in (1, 1, 2):
        stream.begin(torch.tensor(key))
        poses.append(network(batch).pose3d)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(poses[0], poses[1])
    drops = any(isinstance(layer, Dropout) and layer.dial for layer in dialled(network))
    assert drops != torch.equal(poses[0], poses[2])


def test_graformer_has_the_published_number_of_parameters():
    published = build(NetworkConfig(), Sizes(views=1, frames=1, skeleton=H36M_16))
    assert sum(parameter.numel() for parameter in published.parameters()) == 654_179
    smaller = build(NetworkConfig(width=128, layers=4), Sizes(views=1, frames=1, skeleton=H36M_16))
    assert sum(parameter.numel() for parameter in smaller.parameters()) == 927_235


def test_graformer_starts_tied_unless_told_otherwise():
    sizes = Sizes(views=1, frames=1, skeleton=H36M_17)
    for tied in (True, False):
        layers = build(NetworkConfig(width=8, layers=2, heads=2, tied_init=tied), sizes).atten_layers
        weights = [linear.weight for layer in layers for linear in layer.self_attn.linears]
        assert all(torch.equal(weight, weights[0]) for weight in weights[1:]) == tied
        hidden = [layer.feed_forward.gconv1.fc.weight for layer in layers]
        assert torch.equal(*hidden) == tied
        assert weights[0].data_ptr() != weights[1].data_ptr()


def test_graformer_scores_poses_relative_to_the_predicted_root():
    model, (network, run) = registry.get("graformer"), tiny_network("graformer")
    prediction = network.eval()(random_batch(run.data.sizes))
    pose = model.poses(prediction)
    assert not pose[:, :, 0].any()
    torch.testing.assert_close(pose[:, :, 3] - pose[:, :, 2], prediction.pose3d[:, :, 3] - prediction.pose3d[:, :, 2])


def test_graformer_reports_every_broken_law():
    with pytest.raises(ConfigError) as caught:
        default_config("graformer", {"network.heads": 7, "data.frames": 3, "data.views": 2}, "best.yaml")
    assert caught.value.problems == (
        "network.heads = 7 must divide the width 96; legal near it: 6, 8",
        "data.frames = 3 must be 1: graformer lifts a single frame of a single view",
        "data.views = 2 must be 1: graformer lifts a single frame of a single view",
    )


def test_graformer_norm_is_the_published_formula_and_survives_equal_channels():
    norm = LayerNorm(5).double()
    torch.nn.init.normal_(norm.a_2)
    x = torch.randn(4, 5, dtype=torch.float64)
    expected = norm.a_2 * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + norm.b_2
    torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=1e-12)  # rounding of float64
    flat = torch.zeros(2, 5, requires_grad=True)
    LayerNorm(5)(flat).square().sum().backward()
    assert flat.grad.isfinite().all()


# --- PoseFormer


def poseformer_of(frames=9, skeleton=H36M_17, **shape):
    return build_poseformer(poseformer.NetworkConfig(**shape), Sizes(views=1, frames=frames, skeleton=skeleton))


@pytest.mark.parametrize(
    ("frames", "skeleton", "count"),
    [(1, H36M_17, 9_559_285), (27, H36M_17, 9_573_455), (243, H36M_17, 9_691_175), (81, HUMANEVA_15, 7_491_263)],
)
def test_poseformer_has_the_published_number_of_parameters(frames, skeleton, count):
    network = poseformer_of(frames, skeleton)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_poseformer_drops_paths_at_rates_that_rise_evenly_in_both_stacks():
    network = poseformer_of(depth=4, drop_path=0.3)
    for stack in (network.Spatial_blocks, network.blocks):
        rates = [layer.dial for layer in stack.modules() if isinstance(layer, DropPath)]
        assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    assert poseformer_of(depth=1, drop_path=0.3).blocks[0].drop_path.dial == 0


def test_poseformer_names_its_middle_frame_by_what_it_learns_of_the_order():
    # Positions start at zero, and only the weights of the mean tell frames apart; a learnt position does too.
    network = poseformer_of(frames=3, embed_dim_ratio=4, depth=1, heads=2, drop_path=0.0).double().eval()
    torch.nn.init.constant_(network.weighted_mean.weight, 1 / 3)
    x = torch.randn(2, 3, 17, 2, dtype=torch.float64)
    # Sums in another order, float64.
    torch.testing.assert_close(network.lift(x.flip(1)), network.lift(x), rtol=1e-9, atol=1e-9)
    torch.nn.init.normal_(network.Temporal_pos_embed)
    assert (network.lift(x.flip(1)) - network.lift(x)).abs().max() > 1e-3


def test_poseformer_loss_is_the_mean_distance_and_its_gradient_is_finite_at_the_target():
    model = registry.get("poseformer")
    batch = random_batch(Sizes(views=1, frames=3, skeleton=H36M_17))
    away = (batch.pose3d + torch.tensor([0.3, 0.0, -0.4])).requires_grad_()
    terms = model.terms(Prediction(pose3d=away), batch, None)
    torch.testing.assert_close(terms["mpjpe"], torch.tensor(0.5))  # 3, 4, 5; the root counts as any other joint
    there = batch.pose3d.clone().requires_grad_()
    model.terms(Prediction(pose3d=there), batch, None)["mpjpe"].backward()
    assert not there.grad.any()
    assert torch.equal(model.poses(Prediction(pose3d=away)), away)  # the predicted root stays in


def test_poseformer_reports_every_broken_law():
    with pytest.raises(ConfigError) as caught:
        default_config("poseformer", {"network.heads": 7, "network.mlp_ratio": 0.01}, "best.yaml")
    assert caught.value.problems == (
        "network.heads = 7 must divide embed_dim_ratio 32; legal near it: 4, 8",
        "network.mlp_ratio = 0.01 leaves no hidden channel of embed_dim_ratio 32; least: 0.03125",
    )
    with pytest.raises(ConfigError) as caught:
        default_config("poseformer", {"data.frames": 8, "data.views": 2, "data.stride": 3}, "best.yaml")
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "data.frames = 8 must be odd; legal near it",
        "data.views = 2 must be 1",
        "data.stride = 3 must be 1",
    ]


@pytest.mark.parametrize("ratio", [1.0, 2.0, 1.37, 2.03, 3.999])
@pytest.mark.parametrize("bias", [True, False])
def test_poseformer_weights_tell_the_sizes_that_rebuild_them(ratio, bias):
    network = poseformer_of(27, H36M_16, embed_dim_ratio=10, depth=3, heads=5, mlp_ratio=ratio, qkv_bias=bias)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    told = infer_poseformer(shapes)
    sizes = {"network.embed_dim_ratio": 10, "network.depth": 3, "network.qkv_bias": bias}
    assert told == {**sizes, "network.mlp_ratio": pytest.approx(ratio, abs=0.01), "data.joints": 16, "data.frames": 27}
    shape = {path.removeprefix("network."): value for path, value in told.items() if path.startswith("network.")}
    again = poseformer_of(told["data.frames"], H36M_16, heads=5, **shape)
    assert {name: tuple(tensor.shape) for name, tensor in again.state_dict().items()} == shapes
    assert infer_poseformer({}) == {}
