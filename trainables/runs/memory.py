"""Memory estimate of a run, measured by one pass before the first step."""

from __future__ import annotations

import torch

from data.batches.samples import Samples
from spaces.files import GIB

from ..config import TrainConfig
from ..devices.memory import peak_memory, total_memory
from ..engines.optim import moment_kinds
from ..engines.single import SingleEngine

WORTH_TELLING = 10_000_000  # parameters; smaller networks fit anywhere


def memory_line(engine: SingleEngine, config: TrainConfig, data: Samples) -> str:
    """Describes the memory that a step of this run takes on its device; '' for a small network. It runs a forward and a
    backward pass, so that a run that does not fit fails before it has begun."""
    if sum(parameter.numel() for parameter in engine.trained) < WORTH_TELLING:
        return ""
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
    samples = engine.rehearse(data)
    peak = peak_memory(engine.device) + _moments(engine, config)
    whole = total_memory(engine.device)
    place = f"rank {engine.team.rank}, {engine.device}" if engine.team.world > 1 else str(engine.device)
    return (
        f"memory on {place}: {peak / GIB:.1f} of {whole / GIB:.1f} GiB, with {samples} samples at a time, forward and "
        "backward, and what the optimiser keeps; a larger loop.accumulate takes less"
    )


def _moments(engine: SingleEngine, config: TrainConfig) -> int:
    """Returns the bytes of the optimiser's moments, allocated in its first step."""
    kinds = len(moment_kinds(config.optim))
    return kinds * sum(parameter.numel() * parameter.element_size() for parameter in engine.trained)
