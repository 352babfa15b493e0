"""HRNet image trunk: pose form (four maps of a crop) and classification form (a pooled feature and a grid of features).

Module names are the official state-dict names. Branches are listed from fine to coarse; a branch has half the height
and width of the one before it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .convolution import Conv, Step, normed
from .replay import replayed

STEM = 64  # channels of the stem, and planes of stage 1, in every published form
EXPANSION = 4  # output channels of a bottleneck, as a multiple of its planes
CLASSES = 1000
# Of ImageNet, on which the published trunks were trained: red, green, blue in [0, 1].
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalise(pixels: Tensor) -> Tensor:
    """Normalises RGB pixels [B, 3, Y, X], floats from 0 to 255, in place, as the published trunks were trained."""
    mean, deviation = (pixels.new_tensor(numbers).view(3, 1, 1) for numbers in (MEAN, DEVIATION))
    return pixels.div_(255).sub_(mean).div_(deviation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Sizes of a stage: consecutive modules, each with a branch per entry of `channels`, of so many basic blocks."""

    modules: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Sizes of an HRNet: stages 2, 3 and 4 with 2, 3 and 4 branches; stage 1 is `bottlenecks` blocks of `planes`. Of
    the classification form: planes of the bottlenecks behind the branches, and channels of the pooled feature."""

    stages: tuple[Stage, Stage, Stage]
    bottlenecks: int = 4
    planes: int = STEM
    stem: int = STEM
    increased: tuple[int, int, int, int] = (32, 64, 128, 256)
    pooled: int = 2048

    @property
    def grid(self) -> int:
        """The channels of the grid feature of the classification form."""
        return self.increased[-1] * EXPANSION


def shape_of(width: int, *, modules: Sequence[int] = (1, 4, 3), blocks: int = 4, stem: int = STEM) -> Shape:
    """Returns the published sizes with `width` channels in the finest branch, doubling from branch to branch: W32, W48
    and so on; fewer modules, blocks and stem channels give a smaller network."""
    second, third, fourth = (
        Stage(modules=count, channels=tuple(width * 2**i for i in range(branches)), blocks=(blocks,) * branches)
        for count, branches in zip(modules, (2, 3, 4), strict=True)
    )
    return Shape(stages=(second, third, fourth), bottlenecks=blocks, planes=stem, stem=stem)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv(channels, channels, 3), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = Conv(channels, channels, 3), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, Y, X] -> the same shape."""
        out = normed(self.conv1, self.bn1, x, is_active=True)
        return normed(self.conv2, self.bn2, out, x, is_active=True)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions; the shortcut is a 1x1 convolution where the channels change."""

    def __init__(self, channels: int, planes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv(channels, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = Conv(planes, planes, 3), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = Conv(planes, planes * EXPANSION, 1), nn.BatchNorm2d(planes * EXPANSION)
        changes = channels != planes * EXPANSION
        self.downsample = Step(channels, planes * EXPANSION, 1, is_active=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, Y, X] -> [B, 4 planes, Y, X]."""
        out = normed(self.conv1, self.bn1, x, is_active=True)
        out = normed(self.conv2, self.bn2, out, is_active=True)
        return normed(self.conv3, self.bn3, out, x if self.downsample is None else self.downsample(x), is_active=True)


class Exchange(nn.Module):
    """HRNet module: every branch by itself, then multi-scale fusion into each of the first `targets` branches."""

    def __init__(self, stage: Stage, targets: int) -> None:
        super().__init__()
        channels = stage.channels
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(count)))
            for width, count in zip(channels, stage.blocks, strict=True)
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(channels, source, target) for source in range(len(channels)))
            for target in range(targets)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the fused maps, one a target, and the branches' own outputs, which the pose form returns."""
        own = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [_sum_at(target, own, list(paths.children())) for target, paths in enumerate(self.fuse_layers)], own


def _sum_at(target: int, own: Sequence[Tensor], paths: Sequence[nn.Module]) -> Tensor:
    """Sums all maps at the resolution of one. Coarser ones are upsampled a level at a time and take the next one with
    them, which moves less memory than upsampling each."""
    total: Tensor | None = None
    for source in range(len(own) - 1, target, -1):
        total = interpolate(paths[source](own[source], total), scale_factor=2, mode="nearest")
    for source in range(target):
        *steps, last = paths[source].children()
        x = own[source]
        for step in steps:
            x = step(x)
        total = last(x, total)
    assert total is not None, "one branch has nothing to add"
    return total.add_(own[target]).relu_()


class HRNet(nn.Module):
    """Trunk shared by the pose and the classification form."""

    def __init__(self, shape: Shape, *, last_targets: int) -> None:
        super().__init__()
        self.shape = shape
        self.is_replayed = False  # whether the backward pass computes each module again, see layers/replay.py
        self.conv1, self.bn1 = Conv(3, shape.stem, 3, stride=2), nn.BatchNorm2d(shape.stem)
        self.conv2, self.bn2 = Conv(shape.stem, shape.stem, 3, stride=2), nn.BatchNorm2d(shape.stem)
        wide = shape.planes * EXPANSION
        self.layer1 = nn.Sequential(
            *(Bottleneck(wide if i else shape.stem, shape.planes) for i in range(shape.bottlenecks))
        )
        second, third, fourth = shape.stages
        self.transition1 = _transition((wide,), second.channels)
        self.stage2 = _modules(second, last_targets=len(second.channels))
        self.transition2 = _transition(second.channels, third.channels)
        self.stage3 = _modules(third, last_targets=len(third.channels))
        self.transition3 = _transition(third.channels, fourth.channels)
        self.stage4 = _modules(fourth, last_targets=last_targets)

    def branches(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Computes, from normalised pixels [B, 3, Y, X], the fused maps of the last module, and the four branches of
        the first module of stage 4 before any fusion."""
        run = replayed if self.is_replayed else _plainly
        if image.is_cpu:
            image = image.contiguous(memory_format=torch.channels_last)  # a fifth faster there
        x = normed(self.conv1, self.bn1, image, is_active=True)
        x = normed(self.conv2, self.bn2, x, is_active=True)
        maps = [run(self.layer1, x)]
        for transition, stage in ((self.transition1, self.stage2), (self.transition2, self.stage3)):
            maps = _moved(transition, maps)
            for module in stage:
                maps, _ = run(module, maps)
        maps = _moved(self.transition3, maps)
        first: list[Tensor] = []
        for module in self.stage4:
            maps, own = run(module, maps)
            first = first or own
        return maps, first


class PoseHRNet(HRNet):
    """The pose form, without its heatmap layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, last_targets=1)
        start_convolutions(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised pixels [B, 3, Y, X] -> maps [B, C, Y / 4, X / 4], [B, 2 C, Y / 8, X / 8] and so on.

        The finest is the network's own output. The others are what the published code returns beside it: the branches
        of the first module of stage 4, before any fusion."""
        fused, own = self.branches(image)
        return [fused[0], *own[1:]]


class ClassHRNet(HRNet):
    """Classification form. Its classifier takes no part in `forward`; published weights hold it, and `is_compact`
    leaves it out."""

    def __init__(self, shape: Shape, *, is_compact: bool = False) -> None:
        super().__init__(shape, last_targets=len(shape.stages[2].channels))
        channels = shape.stages[2].channels
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(width, planes)) for width, planes in zip(channels, shape.increased, strict=True)
        )
        widths = [planes * EXPANSION for planes in shape.increased]
        self.downsamp_modules = nn.ModuleList(
            Step(fine, coarse, 3, stride=2, bias=True) for fine, coarse in itertools.pairwise(widths)
        )
        self.final_layer = Step(widths[-1], shape.pooled, 1, bias=True)
        if not is_compact:
            self.classifier = nn.Linear(shape.pooled, CLASSES)
        start_convolutions(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels [B, 3, Y, X] -> pooled feature [B, 2048], grid feature [B, 1024, Y / 32, X / 32]."""
        fused, _ = self.branches(image)
        increased = [module(x) for module, x in zip(self.incre_modules, fused, strict=True)]
        grid = increased[0]
        for step, coarser in zip(self.downsamp_modules, increased[1:], strict=True):
            grid = coarser + step(grid)
        return self.final_layer(grid).mean((2, 3)), grid


def start_convolutions(network: nn.Module) -> None:
    """Initialises every convolution by He's normal scheme with fan-out (He et al. 2015), in the memory layout that is
    fast on this machine; norms start at 1 and 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if not torch.cuda.is_available():
        # As the maps are laid out there: else every pass turns the weights around, and their gradients back.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its annotation


def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """Returns the layers that resample the map of one branch to another; all strided steps but the last keep their
    channels."""
    if source == target:
        return nn.Identity()
    own, other = channels[source], channels[target]
    if source > target:
        return Step(own, other, 1, is_active=False)
    steps = target - source
    return nn.Sequential(
        *(Step(own, other if i == steps - 1 else own, 3, stride=2, is_active=i < steps - 1) for i in range(steps))
    )


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Returns the layers from the branches of one stage to those of the next; new ones come from the coarsest."""
    steps: list[nn.Module] = []
    for i, width in enumerate(after):
        if i >= len(before):
            steps.append(nn.Sequential(Step(before[-1], width, 3, stride=2)))
        elif before[i] != width:
            steps.append(Step(before[i], width, 3))
        else:
            steps.append(nn.Identity())
    return nn.ModuleList(steps)


def _plainly(module: nn.Module, *inputs: Any) -> Any:
    return module(*inputs)


def _moved(transition: nn.ModuleList, maps: Sequence[Tensor]) -> list[Tensor]:
    return [step(maps[min(i, len(maps) - 1)]) for i, step in enumerate(transition)]


def _modules(stage: Stage, *, last_targets: int) -> nn.ModuleList:
    every = len(stage.channels)
    return nn.ModuleList(
        Exchange(stage, last_targets if i == stage.modules - 1 else every) for i in range(stage.modules)
    )
