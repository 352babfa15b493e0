"""A network's poses over a whole split, scored as the papers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from data.batch import Batch
from data.geometry import mirror_points
from data.module import DataModule, mirror_batch
from data.samples import Samples
from data.skeleton import Skeleton

from . import registry
from .config import TrainConfig
from .entry import Scores
from .metrics import Sums, score_sequences
from .team import Team

Poses = Callable[[Batch], Tensor]  # the scored poses [..., B, F, J, 3] metres of a batch

IMAGES = 32  # in one forward pass of a network that scores samples; bounds the memory, not the result
BATCH = 1024  # samples per forward pass; a speed choice, the poses do not depend on it


@torch.no_grad()
def predict(
    poses: Poses, reads: Sequence[str], data: DataModule, part: str, low: int, high: int, *, flip: bool = False
) -> Tensor:
    """Scored poses [..., N, J, 3] metres of the stored frames [low, high) of a split; `poses` may answer for several
    networks at once. `flip` averages each with the mirrored prediction of the mirrored input (test-time augmentation).
    """
    skeleton = data.sizes.skeleton
    found = []
    for index in data.order(part, 0, 0)[low:high].split(BATCH):
        batch = data.gather(part, index, [name for name in reads if name != "pose3d"])
        found.append(poses_of(poses, batch, skeleton, flip=flip).flatten(-4, -3))
    return torch.cat(found, -3)


def poses_of(poses: Poses, batch: Batch, skeleton: Skeleton, *, flip: bool) -> Tensor:
    """Scored poses [..., B, F, J, 3] metres of a batch; `flip` as in `predict`."""
    pose = poses(batch)
    if flip:
        mirrored = poses(mirror_batch(batch, skeleton))
        pose = (pose + mirror_points(mirrored, skeleton.mirror)) / 2
    return pose


def score_poses(poses: Tensor, data: DataModule, part: str, first: int, low: int, high: int) -> Sums:
    """Sums of every metric by action over the stored frames [low, high) of a split, from poses [N, J, 3] metres of
    [first, high): a frame before the first one only begins a step."""
    true, track, action, frames = (values[first:high] for values in data.truth(part))
    return score_sequences(poses, true, track, action, frames, len(data.actions), lead=low - first)


def score(
    network: nn.Module,
    config: TrainConfig,
    data: Samples,
    part: str,
    team: Team | None = None,
    *,
    flip: bool = False,
) -> Sums:
    """Sums of every metric of the network of `config` over a split, by action. The ranks of a team share the frames and
    answer alike."""
    model, reads = registry.get(config.model), config.traits.reads
    low, high = data.span(part)
    first = max(low - 1, 0)  # a rank's first step begins at the frame before
    was_training = network.training
    network.eval()
    if (scores := model.scores) is not None:
        assert not flip, f"{config.model} is not scored from mirrored input"
        sums = score_samples(lambda batch: scores(network(batch)), reads, data, part, low, high)
    else:
        assert isinstance(data, DataModule), f"{config.model} is scored by its poses"
        poses = predict(lambda batch: model.poses(network(batch)), reads, data, part, first, high, flip=flip)
        sums = score_poses(poses, data, part, first, low, high)
    network.train(was_training)
    return sums if team is None else sums.over(team)


@torch.no_grad()
def score_samples(
    scores: Callable[[Batch], Scores], reads: Sequence[str], data: Samples, part: str, low: int, high: int
) -> Sums:
    """Sums of every metric by action over the samples [low, high) of a split, each scored by itself. Metrics count
    their samples by weight: of nothing known of a sample, nothing is scored."""
    # Mesh sets know no actions: all samples are then of one.
    sums = Sums(max(1, len(data.actions)))
    for index in data.order(part, 0, 0)[low:high].split(IMAGES):
        batch = data.gather(part, index, [*reads, "action"])
        action = torch.zeros_like(index) if batch.action is None else batch.action
        for name, (values, weight) in scores(batch).items():
            sums.add(name, values, action, weight)
    return sums


def table(sums: Sums, data: Samples, protocol: dict[str, Any]) -> dict[str, Any]:
    """The result of `evaluate`: frame mean, action mean, and every action, in millimetres."""
    return {
        "metrics": {"frame_mean": sums.frame_mean(), "action_mean": sums.action_mean()},
        "per_action": sums.per_action(data.actions) if data.actions else {},
        "protocol": protocol,
    }
