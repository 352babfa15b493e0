"""Context-Aware PoseFormer: counts, start, laws, what its weights tell, and the head without features."""

import pytest
import torch

from data.batches.batch import Batch, Sizes
from data.poses.skeleton import H36M_17
from spaces.errors import ConfigError
from tests.made.crops import MODEL, crop_run
from trainables.config import default_config
from trainables.layers import hrnet
from trainables.layers.hrnet import ClassHRNet, PoseHRNet, shape_of
from trainables.models.context_aware_poseformer.config import NetworkConfig
from trainables.models.context_aware_poseformer.head import ContextBlock, LiftingHead
from trainables.models.context_aware_poseformer.network import build, infer, join_maps, split_maps

SIZES = Sizes(views=1, frames=1, skeleton=H36M_17)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


# --- counts and start


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, 14_094_147),
        ({"trunk": "w48"}, 14_155_587),
        ({"trunk": "w48", "context": False, "embed_dim": 96}, 7_773_411),
        ({"context": False, "embed_dim": 64}, 3_462_979),
    ],
)
def test_the_head_has_the_published_number_of_parameters(knobs, expected):
    assert count(build(NetworkConfig(features="cached", **knobs), SIZES)) == expected
    width = {"w48": 48}.get(knobs.get("trunk"), 32)
    assert LiftingHead(NetworkConfig(**knobs), [width * 2**level for level in range(4)], 17).context_blocks or (
        not knobs["context"]
    )


def test_the_parts_of_the_head_have_the_published_numbers_of_parameters():
    head = LiftingHead(NetworkConfig(), (32, 64, 128, 256), 17)
    expected = {
        "coord_embed": 384, "feat_embed": 61_952, "context_blocks": 352_448, "res_blocks": 529_920,
        "joint_blocks": 13_135_360, "head": 3_203,
    }  # fmt: skip
    assert {name: count(getattr(head, name)) for name in expected} == expected
    assert head.Spatial_pos_embed.numel() == 10_880
    assert count(LiftingHead(NetworkConfig(), (256,) * 4, 17)) == 14_233_411


def test_trunks_have_the_published_numbers_of_parameters(monkeypatch):
    monkeypatch.setattr(hrnet, "start_convolutions", lambda network: None)  # minutes of drawing on no device
    with torch.device("meta"):
        assert [count(PoseHRNet(shape_of(width))) for width in (32, 48)] == [28_535_552, 63_594_912]
        assert [count(ClassHRNet(shape_of(width))) for width in (40, 64)] == [57_557_160, 128_059_944]


def test_points_start_along_the_axes_a_hundredth_apart():
    block = ContextBlock(NetworkConfig(), (32, 64, 128, 256), 0.0)
    offsets = block.sampling_offsets.bias.detach().view(4, 4, 2)
    steps = torch.tensor([0.01, 0.02, 0.03, 0.04])
    for head, direction in enumerate(([1, 0], [0, 1], [-1, 0], [0, -1])):
        expected = steps[:, None] * torch.tensor(direction)
        torch.testing.assert_close(offsets[head], expected, rtol=0, atol=1e-8)  # sine of pi in float32
    assert not block.sampling_offsets.weight.any()
    assert not block.attention_weights.weight.any()
    assert not block.attention_weights.bias.any()


# --- maps and their names


def test_maps_survive_being_joined_and_split():
    maps = [torch.randn(2, 8 * 2**level, 16 >> level, 8 >> level) for level in range(4)]
    again = split_maps(join_maps(maps), (8, 16, 32, 64), (64, 32))
    assert all(torch.equal(one, other) for one, other in zip(again, maps, strict=True))


def test_every_broken_law_is_told():
    with pytest.raises(ConfigError) as caught:
        default_config(
            MODEL,
            {
                "network.trunk": "cpn", "network.heads": 3, "network.context_heads": 5, "network.features": "cached",
                "network.trunk_lr_factor": 0.1,
            },
            "best.yaml",
        )  # fmt: skip
    starts = [problem.split(":")[0].split(" is ")[0] for problem in caught.value.problems]
    assert starts == [
        "network.trunk = cpn",
        "network.heads = 3 must divide embed_dim 128; legal near it",
        "network.context_heads = 5 must divide embed_dim 128; legal near it",
        "network.features = cached must be live where trunk_lr_factor trains the trunk",
    ]
    with pytest.raises(ConfigError, match="a frozen trunk would keep the weights of its seed"):
        default_config(MODEL, {"network.trunk_weights": ""}, "best.yaml")


# --- sizes that weights tell


@pytest.mark.parametrize("kind", ["live", "cached"])
@pytest.mark.parametrize("context", [True, False])
def test_weights_tell_the_sizes_that_rebuild_them(kind, context):
    knobs = {
        "trunk": "tiny", "features": kind, "context": context, "embed_dim": 12, "depth": 3, "heads": 3,
        "context_heads": 2, "points": 3, "mlp_ratio": 1.5,
    }  # fmt: skip
    made = build(NetworkConfig(**knobs), SIZES)
    told = infer({name: tuple(tensor.shape) for name, tensor in made.state_dict().items()})
    expected = {f"network.{name}": value for name, value in knobs.items() if name != "heads"} | {"data.joints": 17}
    if not context:
        del expected["network.context_heads"], expected["network.points"]
    assert told == expected
    assert infer({}) == {}


def test_maps_of_a_width_that_no_trunk_makes_are_refused():
    head = LiftingHead(NetworkConfig(embed_dim=8, context_heads=2), (256,) * 4, 17)
    shapes = {f"volume_net.{name}": tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    with pytest.raises(ConfigError, match="reads maps of 256, 256, 256, 256 channels, which no trunk here makes"):
        infer(shapes)


def test_without_features_the_head_lifts_the_pose_alone():
    """What the image is worth is measured against it: the same head, the same parameters where both have them."""
    blind, seeing = (crop_run("store", network__features=kind) for kind in ("none", "cached"))
    assert blind.traits.reads == ("pose2d", "pose3d")
    assert not blind.traits.unfusable
    network, other = (build(run.network, run.data.sizes) for run in (blind, seeing))
    assert network.backbone is None
    assert not network.volume_net.context_blocks
    assert set(network.state_dict()) < set(other.state_dict())
    pose2d = torch.rand(3, 1, 1, blind.data.joints, 2)
    network(Batch(size=3, pose2d=pose2d)).pose3d.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad == ("feat_embed" not in name), name
