"""Layer norm, and batch norm whose momentum decays over training (VideoPose3D) to a final value that each lane may
set."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..kernels.functions import is_native, normed
from .stream import Dialled

MOMENTUM = 0.1  # at the start, and outside an engine
EPS = 1e-5


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] -> the same shape."""
        is_plain = len(self.normalized_shape) == 1 and self.weight is not None and self.bias is not None
        if is_plain and is_native(x, self.weight, self.bias):
            return normed(x, self.weight, self.bias, self.eps, is_outside=False)
        return super().forward(x)


class BatchNorm(Dialled):
    """Batch norm over all axes but the second. Its dial is the momentum at the end of training, which falls
    geometrically from 0.1 towards it (VideoPose3D: 0.1 exp(-e / N ln 100) after epoch e of N).

    torch's own takes the momentum as a number, which a recorded step could not change and lanes could not differ in."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, features: int, final_momentum: float) -> None:
        super().__init__(final_momentum)
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, ...] -> the same shape."""
        if not self.training:
            return torch.nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, MOMENTUM, EPS
            )
        out, mean, inverse = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, MOMENTUM, EPS)
        self.learn(mean, inverse, x.numel() // x.shape[1])
        return out

    @torch.no_grad()
    def learn(self, mean: Tensor, inverse: Tensor, count: int) -> None:
        """Updates the running statistics by the mean and the inverse deviation [C] of a batch of `count` numbers of a
        channel."""
        variance = (inverse.detach().square().reciprocal() - EPS) * (count / max(count - 1, 1))
        momentum = self._momentum()
        self.running_mean += momentum * (mean.detach() - self.running_mean)
        self.running_var += momentum * (variance - self.running_var)
        self.num_batches_tracked += 1

    def _momentum(self) -> float | Tensor:
        stream = self.stream
        if stream.progress is None:
            return MOMENTUM
        final = self.dial if stream.dials is None else stream.once("dials", lambda dials: dials.unbind())[self.place]
        return MOMENTUM * (final / MOMENTUM) ** stream.progress
