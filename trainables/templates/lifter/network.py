"""The network of lifter.

A sweep may train several trials as one stacked step, under torch.func.vmap, which has two traps:

1. Random numbers of torch: vmap refuses nn.Dropout, torch.rand and the like. Dropout and DropPath of layers.dropout
   draw their masks from the trial's seed and step instead, so that a trial does not depend on those beside it.
2. Tensors from nowhere: torch.zeros(...) is one tensor for all trials, and vmap refuses to write a trial's values into
   it. Join parts (torch.cat), compute what would be written, or begin with x.new_zeros(...).
"""

from __future__ import annotations

from torch import Tensor, nn

from data.batches.batch import Batch, Sizes

from ...entry import Prediction
from ...layers.dropout import Dropout
from .config import NetworkConfig


def layer(inputs: int, width: int, dropout: float) -> nn.Sequential:
    """Linear layer, norm, activation and dropout: [B, inputs] -> [B, width]."""
    # Dropout is the one of layers.dropout: trap 1.
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(), Dropout(dropout))


class Block(nn.Module):
    """Two layers, added to their input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = layer(width, width, dropout)
        self.second = layer(width, width, dropout)

    def forward(self, x_BC: Tensor) -> Tensor:
        """[B, C] -> [B, C]."""
        # Not `x_BC += ...`: the first block's input may be the batch itself, which the next step reads again.
        out: Tensor = x_BC + self.second(self.first(x_BC))
        return out


class Lifter(nn.Module):
    """A residual MLP from all 2D joints of a frame to all 3D joints; `root` is the joint at zero."""

    def __init__(self, config: NetworkConfig, joints: int, root: int) -> None:
        super().__init__()
        self.root = root
        self.first = layer(2 * joints, config.width, config.dropout)
        self.blocks = nn.ModuleList(Block(config.width, config.dropout) for _ in range(config.blocks))
        self.last = nn.Linear(config.width, 3 * joints)

    def forward(self, batch: Batch) -> Prediction:
        """Poses [B, 1, J, 3] metres for `batch.pose2d` [B, 1, 1, J, 2] screen units, in the camera's frame."""
        assert batch.pose2d is not None, "the network needs Batch.pose2d"
        x_BC = self.first(batch.pose2d.flatten(1))
        for block in self.blocks:
            x_BC = block(x_BC)
        pose_BFJC = self.last(x_BC).unflatten(1, (1, -1, 3))
        # A difference puts the root at zero. To write the joints into torch.zeros(...) would be trap 2.
        return Prediction(pose3d=pose_BFJC - pose_BFJC[:, :, self.root, None], root=self.root)


def build(config: NetworkConfig, sizes: Sizes) -> Lifter:
    """The network for a skeleton; frames and views are checked by `config.laws`."""
    return Lifter(config, sizes.skeleton.num_joints, sizes.skeleton.root)
