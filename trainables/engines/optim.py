"""Optimiser: AdamW with global norm clipping, on one network or on the rows of an array, and the published
learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..config import OptimConfig

EPS = 1e-8
CLIP_EPS = 1e-6  # torch's own, in the division by the norm


def prefix_of(name: str, factors: Iterable[str]) -> str:
    """Returns the longest of the prefixes with which a parameter's name begins; '' when none does."""
    return max((prefix for prefix in factors if name.startswith(prefix)), key=len, default="")


def parameter_groups(network: nn.Module, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """Groups the trained parameters by their factor on the learning rate: that of the longest prefix of their name, 1
    without one. With factor 0 they are in no group and get no gradient, nor do those that the network keeps idle."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        factor = {"": 1.0, **factors}[prefix_of(name, factors)]
        parameter.requires_grad_(factor > 0 and parameter.requires_grad)
        if parameter.requires_grad:
            groups.setdefault(factor, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


def make_optimizer(groups: list[dict[str, Any]], config: OptimConfig, device: torch.device) -> torch.optim.AdamW:
    """Returns AdamW for groups of `parameter_groups`; without decay it is the plain Adam of GraFormer."""
    return torch.optim.AdamW(
        groups,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=EPS,
        weight_decay=config.weight_decay,
        amsgrad=config.amsgrad,
        fused=True,
        capturable=device.type == "cuda",
    )


def learning_rates(config: OptimConfig, steps: Tensor, epoch_steps: int, epochs: int) -> Tensor:
    """Returns the learning rates float64 of steps 1, 2, ... counted over all `epochs` of `epoch_steps` steps.

    By epochs: lr * decay^e behind e epochs, where every `large_decay_epochs`-th factor is `lr_decay_large` instead. By
    steps: lr * decay^(s / stair), s = 1 before the first stair and the last multiple of `lr_decay_steps` from then on,
    as GraFormer's published schedule has it. By share: lr * decay^i behind i shares of the epochs, where a step that
    ends an epoch counts to the next one, as Mesh Graphormer has it."""
    large = torch.zeros_like(steps)
    if config.lr_decay_by == "epochs":
        exponent = ((steps - 1) // epoch_steps).double()
        if config.large_decay_epochs:
            large = (steps - 1) // epoch_steps // config.large_decay_epochs
    elif config.lr_decay_by == "share":
        exponent = (steps // epoch_steps / (epochs * config.lr_decay_share)).double().floor()
    else:
        stair = steps // config.lr_decay_steps * config.lr_decay_steps
        exponent = stair.clamp_min(1).double() / config.lr_decay_steps
    small, big = (torch.tensor(factor, dtype=torch.float64) for factor in (config.lr_decay, config.lr_decay_large))
    return config.lr * torch.pow(small, exponent - large) * torch.pow(big, large)


def take_step(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], lr: Tensor, clip: float) -> None:
    """Takes one step on the accumulated gradients, clipped to global L2 norm `clip` (0: not clipped); lr is a scalar on
    their device, or on the CPU with them."""
    if clip > 0:
        nn.utils.clip_grad_norm_(parameters, clip)
    for group in optimizer.param_groups:
        group["lr"] = lr if group["factor"] == 1 else lr * group["factor"]
    optimizer.step()


class Stepper:
    """Steps of one network's optimiser, as `take_step` takes them.

    On CPU it calls the optimiser's own kernel: torch's bookkeeping around it takes three times as long for a small
    network."""

    def __init__(self, optimizer: torch.optim.AdamW, clip: float) -> None:
        self._optimizer = optimizer
        self._clip = clip
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._groups: list[_Group] = []
        # The kernel takes the clipping factor as a float32.
        self._is_plain = not all(each.is_cpu and each.dtype == torch.float32 for each in self._parameters)

    def forget(self) -> None:
        """Drops the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def take(self, lr: Tensor) -> None:
        """Takes one step; lr is a scalar on the parameters' device, or on the CPU with them."""
        grads = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._is_plain or len(grads) < len(self._parameters) or not self._optimizer.state:
            self._groups = []
            take_step(self._optimizer, self._parameters, lr, self._clip)
            return
        self._groups = self._groups or [_Group.of(group, self._optimizer) for group in self._optimizer.param_groups]
        divisor = None
        if self._clip > 0:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
            divisor = ((norm + CLIP_EPS) / self._clip).clamp_min(1.0)
        rest = iter(grads)
        for group in self._groups:
            group.take([next(rest) for _ in group.parameters], lr, divisor)


class _Group(NamedTuple):
    """Parameters of one learning rate with their moments and counts of steps. All have their axes in the order in which
    the parameter's lie in memory, `orders`: the kernel would copy others."""

    orders: list[tuple[int, ...]]
    parameters: list[Tensor]
    moments: list[list[Tensor]]
    steps: list[Tensor]
    factor: float
    settings: dict[str, Any]

    @staticmethod
    def of(group: dict[str, Any], optimizer: torch.optim.AdamW) -> _Group:
        states = [optimizer.state[parameter] for parameter in group["params"]]
        orders = [_order(parameter) for parameter in group["params"]]
        kinds = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        moments = [_permuted([state[kind] for state in states], orders) for kind in kinds]
        kept = {name: group[name] for name in ("weight_decay", "eps", "amsgrad", "maximize")}
        settings = {**kept, **dict(zip(("beta1", "beta2"), group["betas"], strict=True))}
        parameters = _permuted([parameter.detach() for parameter in group["params"]], orders)
        return _Group(orders, parameters, moments, [state["step"] for state in states], group["factor"], settings)

    def take(self, grads: list[Tensor], lr: Tensor, divisor: Tensor | None) -> None:
        torch._foreach_add_(self.steps, 1)
        exp_avg, exp_avg_sq, *largest = self.moments
        torch._fused_adamw_(
            self.parameters,
            _permuted(grads, self.orders),
            exp_avg,
            exp_avg_sq,
            largest[0] if largest else [],
            self.steps,
            lr=lr if self.factor == 1 else lr * self.factor,
            grad_scale=divisor,
            **self.settings,
        )


def _order(parameter: Tensor) -> tuple[int, ...]:
    """Returns a tensor's axes in their order in memory, () where that is its own."""
    return () if parameter.is_contiguous() else tuple(sorted(range(parameter.ndim), key=parameter.stride, reverse=True))


def _permuted(tensors: Sequence[Tensor], orders: Sequence[tuple[int, ...]]) -> list[Tensor]:
    return [tensor.permute(order) if order else tensor for tensor, order in zip(tensors, orders, strict=True)]


def moment_kinds(config: OptimConfig) -> tuple[str, ...]:
    """Returns the names, torch's own, of the moments that the optimiser keeps of every parameter."""
    return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if config.amsgrad else ()))


class StepSettings(NamedTuple):
    """Optimiser settings of one step for K lanes, each [K] float64 on their device; clip inf: not clipped."""

    lr: Tensor
    weight_decay: Tensor
    beta1: Tensor
    beta2: Tensor
    step: Tensor
    clip: Tensor


def settings_table(config: OptimConfig, first: int, count: int, epoch_steps: int, epochs: int) -> Tensor:
    """Returns the fields of StepSettings [fields, count] float64 of one lane's steps first, first + 1, ..."""
    steps = torch.arange(first, first + count)
    numbers = (config.weight_decay, config.beta1, config.beta2, config.clip or torch.inf)
    decay, beta1, beta2, clip = torch.tensor(numbers, dtype=torch.float64).unsqueeze(1).expand(-1, count)
    return torch.stack((learning_rates(config, steps, epoch_steps, epochs), decay, beta1, beta2, steps.double(), clip))


class Run(NamedTuple):
    """Columns [low, high) of parameters whose learning rate has the factor [K], by lane; None: 1 in all."""

    low: int
    high: int
    factor: Tensor | None


@torch.no_grad()
def step_rows(
    values: Tensor, grads: Tensor, moments: Sequence[Tensor], settings: StepSettings, runs: Sequence[Run] = ()
) -> None:
    """Takes an AdamW step in place on [K, P] matrices whose rows are lanes, each clipped to its own norm, with its own
    settings; no row affects another. `moments` are those of `moment_kinds`; `runs` cover the columns where some have
    rates of their own."""
    # The kernel that needs one pass takes rates as numbers, which a recorded step could not change.
    clip, update = (_clip_matrix, _step_matrix) if values.is_cuda else (_clip_row_by_row, _step_row_by_row)
    clip(grads, settings.clip)
    for low, high, factor in runs or (Run(0, values.shape[1], None),):
        own = settings if factor is None else settings._replace(lr=settings.lr * factor)
        update(values[:, low:high], grads[:, low:high], [matrix[:, low:high] for matrix in moments], own)


def _clip_row_by_row(grads: Tensor, limits: Tensor) -> None:
    for row, limit in enumerate(limits.tolist()):
        if limit < torch.inf:
            norm = torch.linalg.vector_norm(grads[row])
            grads[row].mul_((limit / (norm + CLIP_EPS)).clamp(max=1.0))


def _clip_matrix(grads: Tensor, limits: Tensor) -> None:
    norm = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    grads.mul_((limits.unsqueeze(1).to(norm) / (norm + CLIP_EPS)).clamp(max=1.0))


def _step_row_by_row(values: Tensor, grads: Tensor, moments: Sequence[Tensor], settings: StepSettings) -> None:
    exp_avg, exp_avg_sq, *largest = moments
    for row, numbers in enumerate(torch.stack(settings, 1).tolist()):
        lr, weight_decay, beta1, beta2, step, _ = numbers
        # Its wrapper in torch takes as long again for a small network.
        torch._fused_adamw_(
            [values[row]],
            [grads[row]],
            [exp_avg[row]],
            [exp_avg_sq[row]],
            [matrix[row] for matrix in largest],
            [torch.tensor(step)],
            amsgrad=bool(largest),
            beta1=beta1,
            beta2=beta2,
            lr=lr,
            weight_decay=weight_decay,
            eps=EPS,
            maximize=False,
        )


def _step_matrix(values: Tensor, grads: Tensor, moments: Sequence[Tensor], settings: StepSettings) -> None:
    exp_avg, exp_avg_sq, *largest = moments
    lr, weight_decay, beta1, beta2, step, _ = (field.unsqueeze(1) for field in settings)
    # In float64: 1 - 0.999 has only four digits left in float32.
    size, shrink = lr / (1 - beta1**step), 1 - lr * weight_decay
    root, keep1, keep2 = (1 - beta2**step).sqrt(), 1 - beta1, 1 - beta2
    exp_avg.lerp_(grads, keep1.to(grads))
    exp_avg_sq.mul_(beta2.to(grads)).addcmul_(grads, grads * keep2.to(grads))
    for matrix in largest:
        torch.maximum(matrix, exp_avg_sq, out=matrix)
    denominator = (largest or [exp_avg_sq])[0].sqrt().div_(root.to(grads)).add_(EPS)
    values.mul_(shrink.to(grads)).sub_((exp_avg / denominator).mul_(size.to(grads)))


def first_bad_step(losses: Tensor) -> int | None:
    """Returns the index of the first loss that is not finite, None when all are."""
    bad = torch.nonzero(~torch.isfinite(losses))
    return int(bad[0]) if len(bad) else None
