"""Every model on a CUDA device: a step, and recorded steps against plain ones."""

import math

import pytest
import torch

from tests.made.crops import CropModule, crop_run, store
from tests.made.small import pose_models, tiny_module, tiny_run, write_tiny
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.runs.features import attach_features
from trainables.runs.loop import first_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("name", pose_models())
def test_every_model_takes_a_step_on_the_gpu(tmp_path, name):
    config = tiny_run(name, write_tiny(tmp_path), loop__batch=480)
    engine = SingleEngine(device="cuda")
    engine.join(0, config)
    module = tiny_module(config, device="cuda")
    assert math.isfinite(engine.train_epoch(module)[0].mean)
    assert math.isfinite(engine.evaluate(module, [0])[0]["val/mpjpe_mm"])
    assert all(tensor.device.type == "cpu" for tensor in engine.export(0).values())


@pytest.mark.parametrize("name", [name for name in pose_models() if not tiny_run(name, "store").traits.unfusable])
def test_recorded_steps_equal_plain_ones_alone_and_in_an_array(tmp_path, name):
    root = write_tiny(tmp_path)
    configs = [tiny_run(name, root, optim__lr=lr, loop__seed=seed) for seed, lr in enumerate((1e-3, 3e-3))]
    module = tiny_module(configs[0], device="cuda", dtype=torch.float64)
    array = FusedEngine(3, device="cuda", dtype=torch.float64)
    for lane, config in enumerate(configs):
        array.join(lane, config)
    fused = [array.train_epoch(module) for _ in range(3)]
    for lane, config in enumerate(configs):
        engines = [SingleEngine(device="cuda", dtype=torch.float64, is_captured=flag) for flag in (False, True)]
        for engine in engines:
            engine.join(lane, config)
        plain, recorded = ([engine.train_epoch(module)[lane].mean for _ in range(3)] for engine in engines)
        assert recorded == pytest.approx(plain, rel=1e-9)
        assert [losses[lane].mean for losses in fused] == pytest.approx(plain, rel=1e-9)


def test_a_lane_joins_a_recorded_array(tmp_path):
    configs = [tiny_run("graformer", write_tiny(tmp_path), loop__seed=seed) for seed in range(3)]
    module = tiny_module(configs[0], device="cuda", dtype=torch.float64)
    array = FusedEngine(2, device="cuda", dtype=torch.float64)
    array.join(0, configs[0])
    array.join(1, configs[1])
    array.train_epoch(module)  # fifteen steps: recorded by now
    array.leave(0)
    array.join(2, configs[2])
    found = array.train_epoch(module)[2].mean
    alone = SingleEngine(device="cuda", dtype=torch.float64, is_captured=False)
    alone.join(2, configs[2])
    assert found == pytest.approx(alone.train_epoch(module)[2].mean, rel=1e-9)


@pytest.mark.parametrize("changes", [{}, {"network__trunk_lr_factor": 0.1}, {"network__features": "cached"}])
def test_recorded_steps_on_images_equal_plain_ones(tmp_path, changes):
    root = store(tmp_path)
    config = crop_run(root, **changes)
    losses = []
    for is_captured in (False, True):
        data = CropModule(config, device="cuda", dtype=torch.float64)
        attach_features(data, config, root)
        engine = SingleEngine(device="cuda", dtype=torch.float64, is_captured=is_captured)
        engine.join(0, config, weights=first_weights(config, root))
        losses.append([engine.train_epoch(data)[0].mean for _ in range(3)])
        assert math.isfinite(engine.evaluate(data, [0])[0]["val/mpjpe_mm"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)  # cached maps are float32
