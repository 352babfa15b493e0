"""Costs of a network on the device where it trains: parameters, multiplications, and the time of a forward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection

import torch
from torch.utils.flop_counter import FlopCounterMode

from data.batches.batch import TARGETS
from data.batches.samples import Samples

from ..config import TrainConfig
from ..engines.single import SingleEngine

WARM, LEAST, MOST = 5, 15, 200  # forward passes: before the clock runs, and timed
ENOUGH_S = 1.0  # no more passes once they have taken so long


@torch.no_grad()
def costs_of(engine: SingleEngine, config: TrainConfig, data: Samples, names: Collection[str]) -> dict[str, float]:
    """Measures the costs `names` of the network that `engine` holds, with one validation sample on its device as it is
    there in evaluation, and leaves the network as it was.

    `parameters`: all numbers that it holds as parameters, frozen ones too. `macs`: multiplications with addition of
    matrix products, convolutions and attention in a forward pass of one sample; what is done element by element is not
    counted. `latency_ms`: median time of that forward pass once it is warm, the input on the device, a GPU waited for;
    `latency_ms_spread` beside it: the distance between the quartiles."""
    network, found = engine.network, {}
    if "parameters" in names:
        found["parameters"] = float(sum(parameter.numel() for parameter in network.parameters()))
    fields = [name for name in config.traits.reads if name not in TARGETS]
    batch = data.gather("val", data.order("val", 0, 0)[:1], fields)
    was_training = network.training
    network.eval()
    if "macs" in names:
        with FlopCounterMode(display=False) as counter:
            network(batch)
        # torch counts a multiplication and an addition as two.
        found["macs"] = counter.get_total_flops() / 2
    if "latency_ms" in names:
        times: list[float] = []
        for number in range(WARM + MOST):
            start = time.perf_counter()
            network(batch)
            if engine.device.type == "cuda":
                torch.cuda.synchronize(engine.device)
            if number >= WARM:
                times.append(1000 * (time.perf_counter() - start))
            if len(times) >= LEAST and sum(times) > 1000 * ENOUGH_S:
                break
        low, middle, high = statistics.quantiles(times, n=4)
        found |= {"latency_ms": middle, "latency_ms_spread": high - low}
    network.train(was_training)
    return found
