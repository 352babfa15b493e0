"""Training samples per CPU second of Context-Aware PoseFormer on one core: python bench/trunk.py

The whole step (trunk, head, backward, AdamW) with the live HRNet-W32 trunk at 256 x 192, and with its maps made before.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from data.batches.batch import Batch
from spaces.table import text_table
from trainables import registry
from trainables.config import TrainConfig, default_config
from trainables.devices.device import keep_freed_memory
from trainables.engines.engine import build_network, summed
from trainables.models.context_aware_poseformer.network import join_maps
from trainables.engines.optim import make_optimizer, parameter_groups, take_step

MODEL = "context_aware_poseformer"


def noise_batch(config: TrainConfig, size: int) -> Batch:
    """A step's work does not depend on values."""
    height, width = config.data.sizes.crop
    maps = [torch.randn(size, 32 << level, (height // 4) >> level, (width // 4) >> level) for level in range(4)]
    return Batch(
        size=size,
        pose2d=0.3 * torch.randn(size, 1, 1, 17, 2),
        crop2d=0.4 * torch.randn(size, 1, 1, 17, 2),
        pose3d=0.3 * torch.randn(size, 1, 17, 3),
        image=torch.randint(256, (size, 1, 3, height, width), dtype=torch.uint8),
        features=join_maps(maps).unsqueeze(1),
    )


def seconds_of_steps(features: str, size: int, count: int) -> list[float]:
    """CPU seconds of each of `count` steps, after two others."""
    config = default_config(MODEL, {"network.features": features}, "bench")
    model = registry.get(MODEL)
    network = build_network(model, config).train()
    groups = parameter_groups(network, config.traits.rate_factors)
    optimizer = make_optimizer(groups, config.optim, torch.device("cpu"))
    trained = [parameter for group in groups for parameter in group["params"]]
    batch, found = noise_batch(config, size), []
    for _ in range(count + 2):
        started = time.process_time()
        loss = summed(model.terms(network(batch), batch, config.objective))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        take_step(optimizer, trained, torch.tensor(1e-4), 0.0)
        found.append(time.process_time() - started)
    return sorted(found[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = []
    for features, size in (("live", 8), ("cached", 64)):
        seconds = seconds_of_steps(features, size, options.steps)
        rows.append([features, size, round(size / seconds[len(seconds) // 2], 2), round(size / seconds[0], 2)])
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, {options.steps} steps")
    print(text_table(["features", "batch", "samples/CPU s, median step", "best step"], rows))


if __name__ == "__main__":
    main()
