"""The optimiser step, Adam with decoupled decay and global clipping, on one network or on the rows of an array; and the
references' staircase of rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import OptimConfig

EPS = 1e-8
CLIP_EPS = 1e-6  # torch's own, in the division by the norm
BLOCK = 32_768  # numbers of a row in one pass on CPU: what four matrices of them need fits into a core's own cache


def make_optimizer(parameters: Iterable[nn.Parameter], config: OptimConfig, device: torch.device) -> torch.optim.AdamW:
    """Adam with decoupled decay; without decay it is the plain Adam of GraFormer."""
    return torch.optim.AdamW(
        parameters,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=EPS,
        weight_decay=config.weight_decay,
        fused=True,
        capturable=device.type == "cuda",
    )


def learning_rates(config: OptimConfig, steps: Tensor) -> Tensor:
    """Rates float64 of steps 1, 2, ... counted over all epochs: lr * decay^(s / stair), s = 1 before the first stair
    and the last multiple of `lr_decay_steps` from then on, as GraFormer's published schedule has it."""
    stair = steps // config.lr_decay_steps * config.lr_decay_steps
    exponent = stair.clamp_min(1).double() / config.lr_decay_steps
    return config.lr * torch.pow(torch.tensor(config.lr_decay, dtype=torch.float64), exponent)


def take_step(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], lr: Tensor, clip: float) -> None:
    """One step on the gradients at hand, clipped to global L2 norm `clip` (0: not clipped); lr is a scalar on their
    device, or on the CPU with them."""
    if clip > 0:
        nn.utils.clip_grad_norm_(parameters, clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()


class StepSettings(NamedTuple):
    """What the optimiser needs to know of one step, numbers or [K, 1] columns with one for each row.

    size: rate over the first moment's bias correction; shrink: 1 - rate * decay; second_correction: root of the second
    moment's bias correction; clip: limit of the gradient norm, inf for none."""

    size: Tensor
    shrink: Tensor
    beta1: Tensor
    beta2: Tensor
    second_correction: Tensor
    clip: Tensor


def settings_table(config: OptimConfig, first: int, count: int) -> Tensor:
    """The fields of StepSettings [fields, count] float64 of the steps first, first + 1, ..."""
    steps = torch.arange(first, first + count)
    lr = learning_rates(config, steps)
    fixed = torch.ones(count, dtype=torch.float64)
    correction1, correction2 = (1 - (fixed * beta).pow(steps) for beta in (config.beta1, config.beta2))
    fields = StepSettings(
        size=lr / correction1,
        shrink=1 - lr * config.weight_decay,
        beta1=fixed * config.beta1,
        beta2=fixed * config.beta2,
        second_correction=correction2.sqrt(),
        clip=fixed * (config.clip or torch.inf),
    )
    return torch.stack(fields)


@torch.no_grad()
def step_rows(values: Tensor, grads: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, settings: StepSettings) -> None:
    """AdamW in place on [K, P] matrices whose rows are networks, each clipped to its own norm, with its own settings.

    A row takes part in no other row's numbers. torch's own optimisers take one rate and one decay for all."""
    norm = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    scale = (settings.clip / (norm + CLIP_EPS)).clamp(max=1.0)
    keep1, keep2 = 1 - settings.beta1, (1 - settings.beta2)
    step = values.shape[1] if values.is_cuda else BLOCK
    for row in [slice(None)] if values.is_cuda else [slice(i, i + 1) for i in range(len(values))]:
        own = StepSettings(*(field[row] for field in settings))
        for low in range(0, values.shape[1], step):
            at = (row, slice(low, low + step))
            grad, average, square = grads[at].mul_(scale[row]), exp_avg[at], exp_avg_sq[at]
            average.lerp_(grad, keep1[row])
            square.mul_(own.beta2).addcmul_(grad, grad * keep2[row])
            denominator = square.sqrt().div_(own.second_correction).add_(EPS)
            values[at].mul_(own.shrink).sub_(average / denominator * own.size)


def first_bad_step(losses: Tensor) -> int | None:
    """Index of the first loss that is not finite, None when all are."""
    bad = torch.nonzero(~torch.isfinite(losses))
    return int(bad[0]) if len(bad) else None
