"""Maps of a frozen trunk, made once over all crops: they train as the trunk does, and heads on them are lanes."""

import json

import numpy as np
import pytest
import torch

from spaces.errors import ConfigError
from tests.made.crops import MODEL, CropModule, crop_run, curve, store, trunk_file
from trainables import registry
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.runs import features


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return store(tmp_path_factory.mktemp("crops"))


# --- maps made beforehand


@pytest.fixture(scope="module")
def expected(root):
    """Losses of two epochs with the live trunk."""
    live = crop_run(root, loop__epochs=2)
    return curve(live, CropModule(live))[0]


@pytest.mark.parametrize("where", ["auto", "device", "file"])
def test_cached_features_train_as_the_live_trunk_does(root, expected, where):
    cached = crop_run(root, loop__epochs=2, network__features="cached", network__feature_store=where)
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


@pytest.mark.parametrize("kind", ["live", "cached"])
def test_data_without_images_is_refused(root, kind):
    config = crop_run(root, network__features=kind)
    data = CropModule(config)
    del data.sources["image"]
    with pytest.raises(ConfigError, match=r"reads images, and data\.name = tiny has none"):
        features.attach_features(data, config, root)


# --- heads as lanes


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
