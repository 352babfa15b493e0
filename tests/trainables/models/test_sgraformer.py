"""What is particular to SGraFormer: its parts, its slips and what they are worth, and views."""

import json

import numpy as np
import pytest
import torch

from data.batches.batch import Batch, Sizes
from data.poses.skeleton import H36M_16, H36M_17
from spaces.errors import ConfigError
from tests import ROOT
from tests.parity.lifting import fill
from tests.trainables.models.small_sgraformer import made, seen
from trainables import registry
from trainables.config import default_config
from trainables.entry import Prediction
from trainables.layers.dropout import DropPath
from trainables.models.sgraformer import blocks
from trainables.models.sgraformer.config import NetworkConfig
from trainables.models.sgraformer.hops import hop_counts, normalised_hops, published_hops, raw_hops
from trainables.models.sgraformer.network import build

MODEL = registry.get("sgraformer")
GOLDEN = ROOT / "tests" / "golden" / "sgraformer-f9small.npz"


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("frames", "expected"), [(9, 12_544_650), (27, 12_593_628), (81, 12_740_562)])
def test_it_has_the_published_number_of_parameters(frames, expected):
    network = build(NetworkConfig(), Sizes(views=4, frames=frames, skeleton=H36M_17))
    assert count(network) == expected
    assert count(network.SF1) == 390_216
    assert [count(part) for part in (network.SF2, network.SF3, network.SF4)] == [755_792] * 3
    assert (count(network.edge_embedding), count(network.head)) == (334_373, 28_883)
    if frames == 27:
        dead = [parameter for parameter in network.parameters() if not parameter.requires_grad]
        assert (count(network.TF), len(dead), sum(p.numel() for p in dead)) == (9_509_692, 159, 2_103_984)


def test_a_compact_network_is_the_same_function_with_a_sixth_fewer_parameters():
    published = build(NetworkConfig(compact=True), Sizes(views=4, frames=27, skeleton=H36M_17))
    assert count(published) == 10_489_644
    assert all(parameter.requires_grad for parameter in published.parameters())
    whole, compact, x = made(), made(compact=True), seen()
    ours = compact.state_dict()
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in ours.items())  # same seed, same start
    for train in (False, True):
        torch.manual_seed(1)
        expected = whole.train(train).lift(x)
        torch.manual_seed(1)
        assert torch.equal(compact.train(train).lift(x), expected)


def test_hops_are_the_distances_along_the_bones():
    steps = hop_counts(H36M_17)
    assert (steps[0, 0], steps[0, 3], steps[3, 6], steps[11, 14], steps[13, 16]) == (0, 3, 6, 2, 6)
    assert torch.equal(steps, steps.T)
    raw, meant = raw_hops(H36M_17, slip=True), raw_hops(H36M_17, slip=False)
    assert (raw != meant).nonzero().tolist() == [[1, 14, 11]]
    # Bones, pairs of bones that meet, and triples in a row, each from both ends.
    assert [int(table.sum()) for table in meant[:3]] == [2 * 16, 2 * 19, 2 * 22]


def test_published_hops_are_divided_by_the_first_tables_sums_and_the_others_by_their_own():
    published, meant = published_hops(H36M_17), normalised_hops(H36M_17)
    torch.testing.assert_close(published[0].sum(0), torch.ones(17))
    # Stated with the tables: row sums of the divided first one.
    torch.testing.assert_close(published[0].sum(1)[:5], torch.tensor([1.5, 5 / 6, 1.5, 0.5, 5 / 6]))
    torch.testing.assert_close(published[1, 2, 0], 1 / torch.tensor(1.5))
    assert torch.equal(published[0], meant[0])
    sums = meant.sum(1)
    torch.testing.assert_close(sums[sums > 0], torch.ones(int((sums > 0).sum())))
    assert normalised_hops(H36M_16).shape == (4, 16, 16)


@pytest.fixture(scope="module")
def golden():
    """The published network of the golden case on its weights and input, and its output."""
    with np.load(GOLDEN, allow_pickle=False) as archive:
        arguments = json.loads(str(archive["config"]))["args"]
        knobs = {"embed_dim_ratio": arguments["embed_dim_ratio"], "heads": arguments["num_heads"], "mvf_kernel": 5}
        weights = {
            name: torch.from_numpy(fill(name, tuple(shape), offset, scale)).double()
            for name, shape, dtype, offset, scale, _ in json.loads(str(archive["manifest"]))
            if dtype == "float32"
        }
        x = torch.from_numpy(archive["in_x"]).double().transpose(1, 2)
        return knobs, weights, x, torch.from_numpy(archive["out_f64"])


def output_of(golden, change=None, **knobs):
    """The golden network's output, altered by knobs, or by a change of the network."""
    fixed, weights, x, _ = golden
    network = made(frames=9, **{**fixed, **knobs})
    network.load_state_dict(weights, strict=False)
    if change is not None:
        change(network)
    with torch.no_grad():
        return network.lift(x)


def set_eps(names, eps):
    def change(network):
        for name, module in network.named_modules():
            if name.endswith(names):
                module.eps = eps

    return change


@torch.no_grad()
def use_conv_hop(network):
    """The hop branch with weights of its own: the second call takes the other filter."""
    fused, calls = network._fused, []

    def own(views, batch):
        calls.append(len(calls))
        network.conv = network.conv_hop if len(calls) % 2 == 0 else first
        return fused(views, batch)

    first, network._fused = network.conv, own


def mend_slip(network):
    """The missing entry as its mirror image has it."""
    network.hops[1, 14, 11] = network.hops[0].sum(1)[11].reciprocal()


@pytest.mark.parametrize(
    ("change", "knobs", "least"),
    [
        (set_eps(("conv_norm", "head.0"), 1e-6), {}, 1e-6),
        (set_eps(("Qnorm", "Knorm", "Vnorm"), 1e-6), {}, 1e-5),
        (use_conv_hop, {}, 0.1),
        (mend_slip, {}, 0.01),
        (None, {"hops": "normalised"}, 0.1),
        (None, {"edge_bias_in_cross_attention": True}, 0.01),
    ],
    ids=["eps of the fusion", "eps of cross attention", "own conv_hop", "slip", "normalised hops", "edge bias"],
)  # fmt: skip
def test_every_altered_detail_shows_in_the_output(golden, change, knobs, least):
    expected = golden[3]
    torch.testing.assert_close(output_of(golden), expected, rtol=0, atol=1e-9)
    assert (output_of(golden, change, **knobs) - expected).abs().max() > least


def test_only_the_first_samples_hops_tell_the_attention():
    network, x = made(), seen()
    hops = torch.stack((network.hops, network.hops.flip(0)))
    own, swapped = network.lift(x, hops), network.lift(x.flip(0), hops.flip(0)).flip(0)
    torch.testing.assert_close(network.lift(x, network.hops.expand(2, -1, -1, -1)), network.lift(x))
    assert (own - swapped).abs().max() > 1e-4  # each sample has its own tables in both, only their order differs
    torch.nn.init.zeros_(network.edge_embedding.weight)
    own, swapped = network.lift(x, hops), network.lift(x.flip(0), hops.flip(0)).flip(0)
    torch.testing.assert_close(own, swapped, rtol=0, atol=1e-12)


def test_training_runs_one_batch_norm_twice():
    network = made(drop_path=0.0).train()
    network.lift(seen())
    assert network.conv[0].num_batches_tracked == 2
    assert network.conv_hop[0].num_batches_tracked == 0


def test_views_meet_in_their_order():
    """A view tells every one behind it, and its place matters."""
    network, x = made(), seen()
    out = network.lift(x)
    for view in range(4):
        other = x.clone()
        other[:, view] += 0.1 * torch.randn_like(other[:, view])
        assert (network.lift(other) - out).abs().max() > 1e-4
    assert (network.lift(x.flip(1)) - out).abs().max() > 1e-4


@pytest.mark.parametrize("views", [1, 2, 3, 4])
@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17])
def test_it_has_an_encoder_for_each_view(views, skeleton):
    network = made(views=views, skeleton=skeleton)
    joints = skeleton.num_joints
    assert {name.split(".")[0] for name in network.state_dict() if name.startswith("SF")} == {
        f"SF{number + 1}" for number in range(views)
    }
    assert network.lift(seen(views, joints=joints)).shape == (2, 3, joints, 3)


def test_a_blank_frame_gives_finite_poses():
    x = seen()
    x[0, 1, 2] = 0.25
    assert made().lift(x).isfinite().all()


def test_the_middle_frame_is_scored_less_its_root_and_all_frames_are_learnt():
    whole = torch.randn(2, 5, 17, 3)
    prediction = Prediction(pose3d=whole[:, 2:3], window3d=whole)
    found = MODEL.poses(prediction)
    assert not found[:, :, 0].any()
    torch.testing.assert_close(found, whole[:, 2:3] - whole[:, 2:3, :1])
    away = whole + torch.tensor([0.3, 0.0, -0.4])
    torch.testing.assert_close(MODEL.terms(prediction, Batch(size=2, window3d=away), None)["mpjpe"], torch.tensor(0.5))
    network = made(frames=5).float()
    batch = Batch(size=2, pose2d=seen(frames=5).float())
    answer = network(batch)
    assert torch.equal(answer.pose3d, answer.window3d[:, 2:3])


def test_paths_drop_at_the_temporal_rates_in_space_too():
    network = made(depth=5, drop_path=0.4)
    rates = {name: layer.dial for name, layer in network.named_modules() if isinstance(layer, DropPath)}
    for view in range(1, 5):
        found = [rates[f"SF{view}.block{number}.drop_path"] for number in range(1, 5)]
        assert found == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [rates[f"TF.blocks.{number}.drop_path"] for number in range(5)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_a_dropped_message_is_dropped_for_everyone():
    """The joints, the hops and the next view get the same message: where it is dropped, t and q lose it both."""
    block = blocks.SpatialBlock(NetworkConfig(embed_dim_ratio=4, heads=2), 17, 0.5, is_first=True).double()
    for part in (block.mlp.fc2, block.mlp_hop.fc2):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    t, q = torch.randn(2, 17, 64, 4, dtype=torch.float64)
    torch.manual_seed(3)
    new_t, new_q, message = block(t, q, None, torch.randn(289, dtype=torch.float64))
    torch.testing.assert_close(new_t - t, message)
    torch.testing.assert_close(new_q - q, message)
    is_dropped = (message == 0).all(2).all(0)
    assert 10 < is_dropped.sum() < 54


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"network.heads": 5}, "network.heads = 5 must divide embed_dim_ratio 32; legal near it: 4, 8"),
        ({"network.depth": 3}, "network.depth = 3 must be at least 4: the 4 spatial blocks take their drop path"),
        ({"network.mvf_kernel": 4}, "network.mvf_kernel = 4 must be odd; legal near it: 3, 5"),
        ({"data.stride": 2}, "data.stride = 2 must be 1"),
        ({"data.causal": True}, "data.causal = True must be false"),
        ({"data.views": 5}, "data.views = 5: out of bounds"),
        ({"data.axes": "world"}, "data.axes = world must be camera while data.views = 1"),
        ({"data.axes": "world", "data.views": 2, "data.flip": True}, "data.flip = True must be false while data.axes"),
    ],
)
def test_what_cannot_be_built_or_asked_is_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        default_config("sgraformer", values, "tests")
