"""One step of every model on a CUDA device."""

import math

import pytest
import torch
from small import tiny_module, tiny_run, write_tiny

from trainables import registry
from trainables.single import SingleEngine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("name", registry.names())
def test_every_model_takes_a_step_on_the_gpu(tmp_path, name):
    config = tiny_run(name, write_tiny(tmp_path), loop__batch=480)
    engine = SingleEngine(device="cuda")
    engine.join(0, config)
    module = tiny_module(config, device="cuda")
    assert math.isfinite(engine.train_epoch(module)[0].mean)
    assert math.isfinite(engine.evaluate(module, [0])[0]["val/mpjpe_mm"])
    assert all(tensor.device.type == "cpu" for tensor in engine.export(0).values())
