"""Dropout and stochastic depth whose masks depend on seed and step only, alike in a solo run and as a lane of an
array."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

from ..kernels.functions import Draw, Kind, is_native, masked, mixed, takes_mix
from .graph import mix_joints
from .linear import linear
from .stream import Dialled

LEVELS = 65536  # of the 16 random bits that decide on one element; the chance to be kept is a multiple of 1 / LEVELS
DECISIONS = 4  # in one 64-bit random number


Act = Callable[[Tensor], Tensor]
KINDS: dict[Act | None, Kind] = {None: "", relu: "relu", gelu: "gelu"}


class Fate(NamedTuple):
    """Threshold and scale that a dropout rate means for 16 random bits: below the threshold an element is kept, scaled
    by minus `scale`."""

    threshold: float | Tensor
    scale: float | Tensor

    @staticmethod
    def of_rate(rate: float) -> Fate:
        """Returns the threshold and scale of one rate."""
        return Fate(round((1 - rate) * LEVELS) - LEVELS // 2, -1 / (1 - rate))

    @staticmethod
    def of_rates(rates: Tensor) -> list[Fate]:
        """Returns the thresholds and scales of the rates [S] of one lane."""
        keep = 1 - rates
        return [Fate(*pair) for pair in zip(_thresholds(keep).unbind(), (-1 / keep).unbind(), strict=True)]


class Dropout(Dialled):
    """Zeroes elements with probability `rate`, its dial, while training and scales the others to keep the mean."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self._fate: tuple[float, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drops elements of x of any shape; in evaluation mode unchanged."""
        return self.behind(x)

    def behind(
        self, x: Tensor, *, bias: Tensor | None = None, act: Act | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """Computes drop(act(x + bias)) + residual: x and residual [..., C], bias [C]."""
        is_more = bias is not None or act is not None or residual is not None
        kind = kind_of(act)
        if (is_more or self.is_dropping) and kind is not None and self.is_drawable and is_native(x, bias, residual):
            return masked(x, self.draw(), bias=bias, residual=residual, act=kind)
        x = x if bias is None else x + bias
        x = x if act is None else act(x)
        if self.is_dropping:
            x = x * self.factor(x)
        elif self.training:
            self.stream.skip()
        return x if residual is None else x + residual

    def after(self, layer: nn.Linear, x: Tensor, *, act: Act | None = None, residual: Tensor | None = None) -> Tensor:
        """Computes drop(act(layer(x))) + residual: x [..., C_in], residual [..., C_out]."""
        if kind_of(act) is not None and self.is_drawable and is_native(x, residual):
            # A product with a bias first copies the bias to every row.
            return self.behind(linear(x, layer.weight), bias=layer.bias, act=act, residual=residual)
        return self.behind(layer(x), act=act, residual=residual)

    def mixing(
        self, mixer: Tensor, x: Tensor, *, bias: Tensor, act: Act | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """Computes drop(act(mixer x + bias)) + residual: x and residual [J, B, C], bias [C], mixer [J, J]."""
        kind = kind_of(act)
        is_taken = kind in ("", "relu") and takes_mix(len(mixer), x[0].numel())
        if is_taken and self.is_drawable and is_native(mixer, x, bias, residual):
            return mixed(mixer, x, self.draw(), bias=bias, residual=residual, is_relu=kind == "relu")
        return self.behind(mix_joints(mixer, x), bias=bias, act=act, residual=residual)

    @property
    def is_dropping(self) -> bool:
        """Whether the next call drops anything."""
        return self.training and not self.is_off

    @property
    def is_drawable(self) -> bool:
        """Whether a kernel may draw the next mask itself."""
        return self.stream.has_key or not self.is_dropping

    def draw(self) -> Draw | None:
        """Counts a call and returns its randomness, for a kernel; None where nothing is dropped."""
        if not self.is_dropping:
            if self.training:
                self.stream.skip()
            return None
        if self.stream.dials is not None:
            fate = self.stream.once("kernel fates", _stacked)[self.place]
        else:
            if self._fate is None or self._fate[0] != self.dial:
                self._fate = self.dial, torch.tensor(Fate.of_rate(self.dial))
            fate = self._fate[1]
        key, call = self.stream.draw()
        return Draw(key, fate, call)

    def factor(self, x: Tensor) -> Tensor:
        """Returns the mask, shaped like x: 0, or the scale that keeps the mean."""
        stream = self.stream
        bits = stream.bits(-(-x.numel() // DECISIONS), x.device)
        fate = Fate.of_rate(self.dial) if stream.dials is None else stream.once("fates", Fate.of_rates)[self.place]
        level = bits.view(torch.int16)[: x.numel()].to(x.dtype)
        # Whole numbers, so clipping leaves -1 or 0; a comparison gives bools, 5 times slower to turn into a factor.
        is_kept = nn.functional.hardtanh_(level.sub_(fate.threshold), -1.0, 0.0)
        return is_kept.mul_(fate.scale).view(x.shape)


def active(layer: nn.Linear, x: Tensor, act: Act) -> Tensor:
    """Computes act(layer(x)): x [..., C_in] -> [..., C_out]."""
    kind = kind_of(act)
    if kind is not None and is_native(x):
        return masked(linear(x, layer.weight), None, bias=layer.bias, act=kind)
    return act(layer(x))


def kind_of(act: Act | None) -> Kind | None:
    """Returns the kernels' name of an activation, None for one that they do not know."""
    if isinstance(act, nn.GELU) and act.approximate == "none":
        return "gelu"
    return KINDS.get(act)


def _stacked(rates: Tensor) -> tuple[Tensor, ...]:
    """Returns threshold and scale [2] float32 of each of the rates [S]."""
    keep = 1 - rates
    return torch.stack((_thresholds(keep), -1 / keep), 1).float().unbind()


def _thresholds(keep: Tensor) -> Tensor:
    return torch.round(keep * LEVELS) - LEVELS // 2


class DropPath(Dropout):
    """Stochastic depth: drops whole samples, the entries of `axis`, of a residual branch (Huang et al. 2016)."""

    def __init__(self, rate: float, axis: int = 0) -> None:
        super().__init__(rate)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Drops samples of x; in evaluation mode unchanged."""
        if self.is_dropping:
            return x * self.factor(x)
        if self.training:
            self.stream.skip()
        return x

    def beside(self, x: Tensor, branch: Callable[[Tensor | None], Tensor]) -> Tensor:
        """Computes x + drop(branch): `branch` makes a tensor like x, and adds x to it itself where it is given x."""
        if self.is_dropping:
            found = branch(None)
            return torch.addcmul(x, found, self.factor(found))
        out = branch(x)
        if self.training:
            self.stream.skip()
        return out

    def factor(self, x: Tensor) -> Tensor:
        """Returns the mask: 0, or the scale that keeps the mean, for each sample; axes of length 1 stand for the
        others."""
        return super().factor(x[tuple(slice(None) if axis == self.axis else slice(0, 1) for axis in range(x.ndim))])
