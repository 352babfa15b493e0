"""A network's poses over a whole split, scored as the papers do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from data.geometry import mirror_points
from data.module import DataModule, mirror_batch

from .entry import Model
from .metrics import Sums, score_sequences
from .team import Team

BATCH = 1024  # samples per forward pass; a speed choice, the poses do not depend on it


@torch.no_grad()
def predict(
    network: nn.Module, model: Model, data: DataModule, part: str, low: int, high: int, *, flip: bool = False
) -> Tensor:
    """Scored poses [N, J, 3] metres of the stored frames [low, high) of a split. `flip` averages each with the
    mirrored prediction of the mirrored input (test-time augmentation)."""
    was_training = network.training
    network.eval()
    skeleton = data.sizes.skeleton
    poses = []
    for index in data.order(part, 0, 0)[low:high].split(BATCH):
        batch = data.gather(part, index, [name for name in model.reads if name != "pose3d"])
        pose = model.poses(network(batch))
        if flip:
            mirrored = model.poses(network(mirror_batch(batch, skeleton)))
            pose = (pose + mirror_points(mirrored, skeleton.mirror)) / 2
        poses.append(pose.flatten(0, 1))
    network.train(was_training)
    return torch.cat(poses)


def score(
    network: nn.Module, model: Model, data: DataModule, part: str, team: Team | None = None, *, flip: bool = False
) -> Sums:
    """Sums of every metric over a split, by action. The ranks of a team share the frames and answer alike."""
    true, track, action, frames = data.truth(part)
    low, high = data.span(part)
    first = max(low - 1, 0)  # a rank's first step begins at the frame before
    poses = predict(network, model, data, part, first, high, flip=flip)
    held = slice(first, high)
    sums = score_sequences(
        poses, true[held], track[held], action[held], frames[held], len(data.actions), lead=low - first
    )
    return sums if team is None else sums.over(team)


def table(sums: Sums, data: DataModule, protocol: dict[str, Any]) -> dict[str, Any]:
    """The result of `evaluate`: frame mean, action mean, and every action, in millimetres."""
    return {
        "metrics": {"frame_mean": sums.frame_mean(), "action_mean": sums.action_mean()},
        "per_action": sums.per_action(data.actions),
        "protocol": protocol,
    }
