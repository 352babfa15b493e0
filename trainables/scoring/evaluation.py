"""Evaluation of a network over a whole split, with the metrics and protocol of the papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from data.batches.batch import TARGETS, Batch
from data.batches.poses import mirror_batch
from data.batches.samples import Samples
from data.batches.stretch import Stretch
from data.poses.geometry import mirror_points
from data.poses.skeleton import Skeleton

from .. import registry
from ..config import TrainConfig
from ..devices.team import Team
from ..entry import Meshes, Model, Scores
from .metrics import Sums, score_sequences
from .multiscale import averaged
from .protocols import PROTOCOLS

Poses = Callable[[Batch], Tensor]  # the scored poses [..., B, F, J, 3] metres of a batch

# Samples per forward pass, and frames of all their views and windows: choices of speed and memory, the poses do not
# depend on them. Images are large.
BATCH, STREAMED, FRAMES = 1024, 64, 32_768


@torch.no_grad()
def predict(
    poses: Poses, reads: Sequence[str], data: Samples, part: str, low: int, high: int, *, flip: bool = False
) -> Tensor:
    """Predicts scored poses [..., N, J, 3] metres of the stored frames [low, high) of a split; `poses` may answer for
    several networks at once. `flip` averages each with the mirrored prediction of the mirrored input (test-time
    augmentation)."""
    sizes, skeleton = data.sizes, data.sizes.skeleton
    found = []
    most = STREAMED if data.is_streamed(reads) else BATCH
    fields = [name for name in reads if name not in TARGETS]
    for index in data.order(part, 0, 0)[low:high].split(max(1, min(most, FRAMES // (sizes.frames * sizes.views)))):
        pose = poses(data.gather(part, index, fields))
        if flip:
            # Gathered again, not turned: what a trunk makes of an image cannot be mirrored.
            mirrored = poses(data.gather(part, index, fields, mirrored=True))
            pose = (pose + mirror_points(mirrored, skeleton.mirror)) / 2
        found.append(pose.flatten(-4, -3))
    return torch.cat(found, -3)


@torch.no_grad()
def predicted(
    network: nn.Module, config: TrainConfig, data: Samples, part: str, low: int, high: int, *, flip: bool = False
) -> Tensor:
    """Predicts scored poses [N, J, 3] metres of the stored frames [low, high) of a split with the network of `config`,
    which is in evaluation mode; `flip` as in `predict`."""
    model = registry.get(config.model)
    if model.slide is not None:
        lift = model.slide(network)
        return _slid(lambda stretch: model.poses(lift(stretch)), data, part, low, high, flip=flip)
    return predict(lambda batch: model.poses(network(batch)), config.traits.reads, data, part, low, high, flip=flip)


def _slid(poses: Callable[[Stretch], Tensor], data: Samples, part: str, low: int, high: int, *, flip: bool) -> Tensor:
    found = [data.truth(part).pose3d[:0]]  # of the right shape where a rank has nothing to score
    for first in range(low, high, BATCH):
        end = min(first + BATCH, high)
        pose = poses(data.stretch(part, first, end))
        if flip:
            mirrored = poses(data.stretch(part, first, end, mirrored=True))
            pose = (pose + mirror_points(mirrored, data.sizes.skeleton.mirror)) / 2
        found.append(pose.flatten(-4, -3))
    return torch.cat(found, -3)


def poses_of(poses: Poses, batch: Batch, skeleton: Skeleton, *, flip: bool) -> Tensor:
    """Predicts scored poses [..., B, F, J, 3] metres of a batch; `flip` as in `predict`."""
    pose = poses(batch)
    if flip:
        mirrored = poses(mirror_batch(batch, skeleton))
        pose = (pose + mirror_points(mirrored, skeleton.mirror)) / 2
    return pose


def from_root(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Moves poses [..., J, 3] to the root joint for drawing, float32, on the CPU. Published protocols differ in whether
    the network's own root stays."""
    return (poses - poses[..., skeleton.root, None, :]).float().cpu()


def as_scored(poses: Tensor, data: Samples) -> Tensor:
    """Returns poses [..., J, 3] metres as the protocol of the data compares them: of some with the root at zero."""
    if not PROTOCOLS[data.config.family.key].is_root_zeroed:
        return poses
    return poses.index_fill(-2, torch.tensor([data.sizes.skeleton.root], device=poses.device), 0)


def score_poses(poses: Tensor, data: Samples, part: str, first: int, low: int, high: int) -> Sums:
    """Sums every metric over the stored frames [low, high) of a split, from poses [N, J, 3] metres of [first, high): a
    frame before `low` only begins a step of MPJVE. Groups are the actions of each subject, see `tables.table`."""
    truth, protocol = data.truth(part).stretch(first, high), PROTOCOLS[data.config.family.key]
    return score_sequences(
        as_scored(poses, data),
        truth.pose3d,
        truth.action * len(data.subjects) + truth.subject,
        truth.step_weight,
        len(data.actions) * len(data.subjects),
        lead=low - first,
        valid=truth.valid,
        metrics=protocol.metrics,
    )


def meshes_in(model: Model, prediction: Any) -> Meshes:
    """Returns the meshes in a mesh network's prediction."""
    assert model.meshes is not None, f"{model.name} has no meshes"
    return model.meshes(prediction)


def meshes_of(network: nn.Module, model: Model, device: torch.device) -> Callable[[Tensor], Meshes]:
    """Returns the network as a function from crops uint8 [B, 1, 3, Y, X] to meshes."""
    return lambda crops: meshes_in(model, network(Batch(size=len(crops), image=crops.to(device))))


def score(
    network: nn.Module,
    config: TrainConfig,
    data: Samples,
    part: str,
    team: Team | None = None,
    *,
    flip: bool = False,
    multiscale: bool = False,
) -> Sums:
    """Sums every metric of the network of `config` over a split, in the groups of `score_poses`. The ranks of a team
    share the frames and return the same sums. multiscale: scores the meshes of `multiscale.averaged`."""
    model, reads = registry.get(config.model), config.traits.reads
    low, high = data.span(part)
    first = max(low - 1, 0)  # a rank's first step begins at the frame before
    was_training = network.training
    network.eval()
    if (scores := model.scores) is not None:
        assert not flip, f"{config.model} is not scored from mirrored input"

        def scored(index: Tensor) -> Scores:
            prediction = network(data.gather(part, index, reads))
            if not multiscale:
                return scores(prediction)
            find, plain = meshes_of(network, model, data.device), meshes_in(model, prediction)
            return scores(prediction, averaged(find, data.boxed(part, index), plain, max(1, config.data.workers)))

        sums = score_samples(scored, data, part, low, high)
    else:
        poses = predicted(network, config, data, part, first, high, flip=flip)
        sums = score_poses(poses, data, part, first, low, high)
    network.train(was_training)
    return sums if team is None else sums.over(team)


@torch.no_grad()
def score_samples(scored: Callable[[Tensor], Scores], data: Samples, part: str, low: int, high: int) -> Sums:
    """Sums every metric over the samples [low, high) of a split, `scored` by index, all in one group: mesh sets have no
    actions. Metrics weigh each sample; one without the labels has weight 0."""
    sums = Sums(1)
    for index in data.order(part, 0, 0)[low:high].split(STREAMED):
        for name, (values, weight) in scored(index).items():
            sums.add(name, values, torch.zeros_like(index), weight)
    return sums
