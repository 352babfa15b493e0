"""The optimiser step: Adam with decoupled decay, global clipping, and the references' staircase of rates."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .config import OptimConfig


def make_optimizer(parameters: Iterable[nn.Parameter], config: OptimConfig) -> torch.optim.AdamW:
    """Adam (betas 0.9, 0.999, eps 1e-8) with decoupled decay; without decay it is the plain Adam of GraFormer."""
    return torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def learning_rate(config: OptimConfig, step: int) -> float:
    """Rate of step 1, 2, ... counted over all epochs: lr * decay^(s / steps), s = 1 before the first stair and the last
    multiple of `lr_decay_steps` from then on, as GraFormer's published schedule has it."""
    stair = step // config.lr_decay_steps * config.lr_decay_steps
    return config.lr * math.pow(config.lr_decay, max(stair, 1) / config.lr_decay_steps)


def take_step(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], lr: float, clip: float) -> None:
    """One step on the gradients at hand, clipped to global L2 norm `clip` (0: not clipped)."""
    if clip > 0:
        nn.utils.clip_grad_norm_(parameters, clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()


def first_bad_step(losses: Tensor) -> int | None:
    """Index of the first loss that is not finite, None when all are."""
    bad = torch.nonzero(~torch.isfinite(losses))
    return int(bad[0]) if len(bad) else None
