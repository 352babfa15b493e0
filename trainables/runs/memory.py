"""How much memory a run will take, found out by one pass before the first step."""

from __future__ import annotations

import os
import resource
import sys

import torch

from data.batches.samples import Samples

from ..config import TrainConfig
from ..engines.optim import moment_kinds
from ..engines.single import SingleEngine

WORTH_TELLING = 10_000_000  # parameters; smaller networks fit anywhere
GIB = 2**30


def memory_line(engine: SingleEngine, config: TrainConfig, data: Samples) -> str:
    """What a step of this run takes of the memory of its device, in words; '' for a small network. It makes a pass
    forward and backward, in which a run that does not fit fails before it has begun."""
    if sum(parameter.numel() for parameter in engine.trained) < WORTH_TELLING:
        return ""
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
    samples = engine.rehearse(data)
    peak = _peak(engine.device) + _moments(engine, config)
    whole = _whole(engine.device)
    place = f"rank {engine.team.rank}, {engine.device}" if engine.team.world > 1 else str(engine.device)
    return (
        f"memory on {place}: {peak / GIB:.1f} of {whole / GIB:.1f} GiB, with {samples} samples at a time, forward and "
        "backward, and what the optimiser keeps; a larger loop.accumulate takes less"
    )


def _moments(engine: SingleEngine, config: TrainConfig) -> int:
    """Bytes of what the optimiser makes in its first step."""
    kinds = len(moment_kinds(config.optim))
    return kinds * sum(parameter.numel() * parameter.element_size() for parameter in engine.trained)


def _peak(device: torch.device) -> int:
    """Most bytes so far: allocated on a GPU; resident in this process otherwise."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _whole(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
