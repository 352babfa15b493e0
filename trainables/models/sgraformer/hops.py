"""Hop tables [4, J, J]: which joints are k bones apart; the network weighs joint distances with them."""

from __future__ import annotations

import torch
from torch import Tensor

from data.poses.skeleton import Skeleton

HOPS = 4


def hop_counts(skeleton: Skeleton) -> Tensor:
    """Counts the bones between joints i and j, [J, J] int64."""
    joints = skeleton.num_joints
    steps = torch.full((joints, joints), joints)
    steps.fill_diagonal_(0)
    for parent, child in skeleton.edges:
        steps[parent, child] = steps[child, parent] = 1
    for via in range(joints):
        steps = torch.minimum(steps, steps[:, via, None] + steps[None, via])
    return steps


def raw_hops(skeleton: Skeleton, *, slip: bool) -> Tensor:
    """Returns [4, J, J] float32: 1 where joints are exactly k = 1 to 4 bones apart. `slip`: omits one entry, from the
    right shoulder to the left one, as the published tables do."""
    hops = torch.stack([hop_counts(skeleton) == k for k in range(1, HOPS + 1)]).float()
    if slip:
        hops[1, skeleton.joints.index("RShoulder"), skeleton.joints.index("LShoulder")] = 0
    return hops


def published_hops(skeleton: Skeleton) -> Tensor:
    """Returns [4, J, J] float32 as in the published code: the first table's columns have the sum 1, and the others are
    divided by the row sums of the divided first one, not by their own."""
    first, *others = raw_hops(skeleton, slip=True)
    first = first / first.sum(1)
    return torch.stack([first, *(other / first.sum(1) for other in others)])


def normalised_hops(skeleton: Skeleton) -> Tensor:
    """Returns [4, J, J] float32 as intended: without the slip, the columns of every table have the sum 1; a joint
    without any other so far away has zeros."""
    hops = raw_hops(skeleton, slip=False)
    return hops / hops.sum(1, keepdim=True).clamp_min(1)
