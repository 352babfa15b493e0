"""Context-Aware PoseFormer: counts, how sharp its golden data is, what is frozen, and maps made beforehand."""

import functools
import json

import numpy as np
import parity_images
import pytest
import torch
from made_crops import MODEL, CropModule, crop_run, store, trunk_file
from test_parity import FOLDER

from data.batch import Sizes
from data.poseset import DataError
from data.skeleton import H36M_17
from spaces.schema import ConfigError
from trainables import features, registry
from trainables.config import default_config
from trainables.fused import FusedEngine
from trainables.layers import hrnet
from trainables.layers.hrnet import ClassHRNet, PoseHRNet, shape_of
from trainables.models.context_aware_poseformer import head as heads
from trainables.models.context_aware_poseformer.config import NetworkConfig
from trainables.models.context_aware_poseformer.head import ContextBlock, LiftingHead
from trainables.models.context_aware_poseformer.network import begin, build, infer, join_maps, split_maps
from trainables.single import SingleEngine
from trainables.train import Judge, fit, train_alone
from trainables.trunks import load_trunk

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


# --- how sharp the golden data is: the change of the output that a slip makes, as stated with it


def golden(case):
    path = FOLDER / f"context_aware_poseformer-{case}.npz"
    if not path.exists():
        pytest.skip(f"no {path.name} in {FOLDER}")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def lifted(archive, alter=lambda head: None):
    head = parity_images.head_of(archive).double()
    alter(head)
    with torch.no_grad():
        return head(*parity_images.head_inputs(archive, torch.float64))


def set_eps(pick, eps):
    def alter(head):
        for module in head.modules():
            if isinstance(module, torch.nn.LayerNorm) and pick(module, head):
                module.eps = eps

    return alter


def gelu_of_tanh(head):
    for module in head.modules():
        if isinstance(module, torch.nn.GELU):
            module.approximate = "tanh"


def in_context(module, head):
    return any(module is inner for inner in head.context_blocks.modules())


SLIPS = {
    "level and joint norms with 1e-5": (set_eps(lambda norm, _: norm.eps == 1e-6, 1e-5), 6.1e-5, 2.6e-5),
    "context norms with 1e-6": (set_eps(in_context, 1e-6), 2.1e-5, 7.4e-5),
    "last norm with 1e-6": (set_eps(lambda norm, head: norm is head.head[0], 1e-6), 1.7e-6, 6.8e-7),
    "GELU by tanh": (gelu_of_tanh, 3.8e-5, 8.1e-5),
}


@pytest.mark.parametrize(("case", "column"), [("head-a", 1), ("head-b", 2)])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_head_moves_the_golden_output_as_stated(slip, case, column):
    archive = golden(case)
    change = (lifted(archive, SLIPS[slip][0]) - lifted(archive)).abs().max()
    assert float(change) == pytest.approx(SLIPS[slip][column], rel=0.1)  # stated with two digits
    assert change > 100 * parity_images.FLOAT64


@pytest.mark.parametrize(("case", "column"), [("head-a", 0), ("head-b", 1)])
@pytest.mark.parametrize(
    ("change", "stated"),
    [
        ({"padding": "border"}, (0.06, 0.12)),
        ({"padding": "zeros"}, (0.14, 0.14)),
        ({"align_corners": False}, (0.17, 0.11)),
        ({"swapped": True}, (0.11, 0.19)),
    ],
)
def test_a_slip_in_the_sampler_moves_the_golden_output_as_stated(monkeypatch, change, stated, case, column):
    archive, plain = golden(case), heads.grid_sample
    expected = lifted(archive)

    def slipped(level, place, mode, padding, align_corners):
        # Points of the context blocks have an axis of their own; their offsets alone are swapped.
        if change.get("swapped") and place.shape[2] > 1:
            ref = torch.from_numpy(archive["in/ref"]).to(place).repeat_interleave(4, 1).unsqueeze(2)
            place = ref + (place - ref).flip(-1)
        aligned = change.get("align_corners", align_corners)
        return plain(level, place, mode, change.get("padding", padding), align_corners=aligned)

    monkeypatch.setattr(heads, "grid_sample", slipped)
    found = float((lifted(archive) - expected).abs().max())
    assert found == pytest.approx(stated[column], abs=0.006)  # stated with two decimals


def test_other_coarse_maps_and_other_colours_move_the_golden_output_as_stated(monkeypatch):
    """The maps of the transitions, or of the last module, load the same weights and are wrong."""
    archive = golden("e2e-w32")
    network = parity_images.whole_network(archive).double()
    batch = parity_images.whole_batch(archive, torch.float64)
    trunk, kept = network.backbone, {}
    trunk.stage4[0].register_forward_pre_hook(lambda _, given: kept.update(transitions=list(given[0])))
    trunk.stage4[-1].register_forward_hook(lambda *given: kept.update(last=given[2][1]))
    with torch.no_grad():
        expected = network(batch).pose3d
        finest = trunk(batch.image[:, 0])[0]
        lift = functools.partial(network.volume_net, batch.pose2d[:, 0, 0], batch.crop2d[:, 0, 0])
        changes = {name: (lift([finest, *maps[1:]]) - expected[:, 0]).abs().max() for name, maps in kept.items()}
        plain = trunk.normalised
        monkeypatch.setattr(trunk, "normalised", lambda image: plain(image).flip(1))
        turned = network(batch)
    assert float(changes["transitions"]) == pytest.approx(0.68, abs=0.006)  # stated with two decimals
    assert changes["last"] > 0.01
    assert float((turned.pose3d - expected).abs().max()) == pytest.approx(2.8e-3, rel=0.05)


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


# --- what is frozen, and at which rate the rest learns


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return store(tmp_path_factory.mktemp("crops"))


class Silent:
    """A folder that keeps nothing."""

    def record(self, report, state):
        pass


def curve(config, data, engine=None):
    """Losses of every epoch of a run, and its last state."""
    engine = engine or SingleEngine()
    heard, states = [], []

    def tell(report):
        heard.append(report.losses.mean)
        states[:] = [engine.state(report.lane)]

    train_alone(config, data, Silent(), engine, None, tell)
    return heard, states[0]


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


def test_lanes_with_offset_rates_of_their_own_equal_their_solo_runs(root):
    shared = {"network__features": "cached", "loop__batch": 6, "loop__epochs": 2, "network__depth": 2}
    configs = [
        crop_run(root, **shared, network__offset_lr_factor=factor, loop__seed=seed, optim__clip=0.5)
        for seed, factor in enumerate((1.0, 0.03, 0.3))
    ]
    data = CropModule(configs[0])
    features.attach_features(data, configs[0], root)
    engine = FusedEngine(4)
    for lane, config in enumerate(configs):
        engine.join(lane, config)
    losses = [engine.train_epoch(data) for _ in range(2)]
    scores = engine.evaluate(data, engine.lanes)
    for lane, config in enumerate(configs):
        alone = SingleEngine()
        alone.join(lane, config)
        expected = [alone.train_epoch(data)[lane].mean for _ in range(2)]
        # float32 sums in another order over a dozen steps
        assert [step[lane].mean for step in losses] == pytest.approx(expected, rel=1e-4)
        found = alone.evaluate(data, [lane])[lane]
        assert scores[lane] == pytest.approx(found, rel=1e-3)
        one, other = engine.leave(lane)["network"], alone.leave(lane)["network"]
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-2, atol=1e-4)


def test_a_live_trunk_is_no_lane_and_says_what_makes_it_one(root):
    with pytest.raises(ConfigError, match=r"network\.features = cached makes the head alone a lane"):
        FusedEngine(1).join(0, crop_run(root))


# --- maps made beforehand


@pytest.mark.parametrize("where", ["auto", "device", "file"])
def test_cached_features_train_as_the_live_trunk_does(root, where):
    live = crop_run(root, loop__epochs=3)
    cached = crop_run(root, loop__epochs=3, network__features="cached", network__feature_store=where)
    expected, _ = curve(live, CropModule(live))
    data = CropModule(cached)
    found, state = curve(cached, data)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not any(name.startswith("backbone.") for name in state["network"])
    # Once for each image, or not at all where a file of another run is there.
    assert data.sources["image"].fetched in (0, sum(data.count(part) for part in ("train", "val")))


def test_mirrored_features_are_those_of_the_mirrored_image(root):
    config = crop_run(root, network__features="cached")
    data = CropModule(config)
    features.attach_features(data, config, root)
    rows = torch.tensor([[3], [1], [2]])
    trunk = registry.get(MODEL).trunk(config.network, root)
    images = data.sources["image"].fetch("train", rows, torch.tensor([True, False, True]))
    expected = trunk(images[:, 0])
    found = data.sources["features"].fetch("train", rows, torch.tensor([True, False, True]))
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-5, atol=1e-5)


def fresh_maps(root, trunk="trunk.safetensors", **changes):
    """Fetches from a new data module; says how many images the trunk saw."""
    config = crop_run(root, network__features="cached", network__trunk_weights=trunk, **changes)
    data = CropModule(config)
    features.attach_features(data, config, root)
    found = data.sources["features"].fetch("val", torch.tensor([[0], [4]]), None)
    return found, data.sources["image"].fetched


def test_a_file_of_features_is_read_again_and_made_again_when_it_is_not_whole(tmp_path):
    root = store(tmp_path)
    first, seen = fresh_maps(root)
    assert seen > 0
    again, seen = fresh_maps(root, network__feature_store="file")
    assert torch.equal(again, first)
    assert seen == 0
    (file,) = (root / "cache" / "features").glob("*.f32")
    manifest = file.with_suffix(".json")
    content, told = file.read_bytes(), json.loads(manifest.read_text())
    for damage in (
        lambda: file.write_bytes(content[:-4]),
        lambda: manifest.unlink(),
        lambda: manifest.write_text(json.dumps(told | {"fingerprint": "0"})),
        lambda: manifest.write_text("{"),
    ):
        damage()
        found, seen = fresh_maps(root)
        assert torch.equal(found, first)
        assert seen > 0


def test_a_build_that_breaks_off_leaves_no_features(tmp_path, monkeypatch):
    root = store(tmp_path)
    monkeypatch.setattr(features, "IMAGES", 2)
    made = features.Maps._made

    def breaks(self, part, is_mirrored):
        yield next(made(self, part, is_mirrored))
        raise KeyboardInterrupt

    monkeypatch.setattr(features.Maps, "_made", breaks)
    with pytest.raises(KeyboardInterrupt):
        fresh_maps(root)
    left = [path.suffix for path in (root / "cache" / "features").iterdir()]
    assert left == [".lock"]


def test_another_trunk_gets_features_of_its_own(tmp_path):
    root = store(tmp_path)
    trunk_file(root / "other.safetensors", seed=6)
    first, _ = fresh_maps(root)
    second, seen = fresh_maps(root, trunk="other.safetensors")
    assert seen > 0
    assert not torch.equal(first, second)
    assert len(list((root / "cache" / "features").glob("*.f32"))) == 2


def test_a_data_module_keeps_the_features_of_the_same_trunk_only(root, tmp_path):
    config = crop_run(root, network__features="cached")
    data = CropModule(config)
    features.attach_features(data, config, root)
    held = data.sources["features"]
    features.attach_features(data, crop_run(root, network__features="cached", network__depth=3), root)
    assert data.sources["features"] is held
    trunk_file(tmp_path / "other.safetensors", seed=7)
    other = crop_run(root, network__features="cached", network__trunk_weights=str(tmp_path / "other.safetensors"))
    features.attach_features(data, other, root)
    assert data.sources["features"] is not held


def test_features_that_do_not_fit_a_device_are_refused_or_stay_on_disk(tmp_path, monkeypatch):
    root = store(tmp_path)
    monkeypatch.setattr(features, "free_memory", lambda device: 1000)
    with pytest.raises(ConfigError, match=r"device does not hold the features: .* use file"):
        fresh_maps(root, network__feature_store="device")
    fresh_maps(root)
    config = crop_run(root, network__features="cached")
    data = CropModule(config)
    features.attach_features(data, config, root)
    maps = data.sources["features"]
    maps.fetch("val", torch.tensor([[0]]), None)
    assert isinstance(maps._tables["val", False], np.memmap)


def test_data_without_images_is_refused(root):
    config = crop_run(root, network__features="cached")
    data = CropModule(config)
    del data.sources["image"]
    with pytest.raises(ConfigError, match="has no images to make features of"):
        features.attach_features(data, config, root)


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
