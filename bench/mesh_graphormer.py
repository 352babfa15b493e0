"""Samples per CPU second of Mesh Graphormer's published body network on one thread: python bench/mesh_graphormer.py

Forward and backward of the three encoder blocks alone, of the whole network with its loss, and one optimiser step; the
most memory that the process took.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import nn

from data.batches.batch import Batch
from data.config import Sizes
from data.poses.skeleton import H36M_17
from spaces.table import text_table
from trainables.layers.stream import shared_stream
from trainables.models.mesh_graphormer.config import NetworkConfig, ObjectiveConfig
from trainables.models.mesh_graphormer.encoder import Plain
from trainables.models.mesh_graphormer.network import MeshGraphormer, build
from trainables.models.mesh_graphormer.objective import terms
from trainables.engines.optim import EPS

JOINTS, PARTS = 24, 24


def noise_batch(size: int) -> Batch:
    """Images and labels of noise: nothing here looks at values."""
    return Batch(
        size=size,
        image=torch.randint(256, (size, 1, 3, 224, 224), dtype=torch.uint8),
        joints2d=torch.rand(size, JOINTS, 3),
        joints3d=torch.rand(size, JOINTS, 4),
        body_pose=0.1 * torch.randn(size, 3 * PARTS),
        betas=torch.randn(size, 10),
        has=torch.ones(size, 3),
    )


def seconds(step: Callable[[], None], network: nn.Module, repeats: int) -> float:
    """Process time of the quickest call, the first one not counted: other work on the machine makes the rest slower."""
    taken = []
    for _ in range(repeats + 1):
        network.zero_grad(set_to_none=True)
        started = time.process_time()
        step()
        taken.append(time.process_time() - started)
    return min(taken[1:])


def whole_step(network: MeshGraphormer, batch: Batch) -> Callable[[], None]:
    def step() -> None:
        torch.stack(list(terms(network(batch), batch, ObjectiveConfig()).values())).sum().backward()

    return step


def encoder_step(network: MeshGraphormer, size: int) -> Callable[[], None]:
    tokens = torch.randn(494, size, 2051)

    def step() -> None:
        x = tokens
        for block in network.trans_encoder:
            x = block(Plain(x), network.constants.adjacency, network.num_joints)
        x.square().mean().backward()

    return step


def optimiser_seconds(network: nn.Module) -> float:
    """Adam's first step, in which it makes its averages."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, eps=EPS, fused=True)
    started = time.process_time()
    optimizer.step()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = build(NetworkConfig(compact=True), Sizes(views=1, frames=1, skeleton=H36M_17, crop=(224, 224))).train()
    shared_stream(network).begin(torch.tensor(1))
    rows: list[list[object]] = []
    steps = {
        "three blocks, 494 tokens": encoder_step(network, options.batch),
        "whole body network": whole_step(network, noise_batch(options.batch)),
    }
    for name, step in steps.items():
        taken = seconds(step, network, options.repeats)
        rows.append([f"{name}, forward and backward", f"{options.batch / taken:.3f} samples/s"])
    rows.append(["Adam on all parameters", f"{optimiser_seconds(network):.2f} s"])
    rows.append(["most memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"])
    print(f"torch {torch.__version__}, {platform.machine()}, one thread, batch {options.batch}, process time")
    print(text_table(["what", "figure"], rows))


if __name__ == "__main__":
    main()
