"""The loss of lifter, and its poses as they are scored."""

from __future__ import annotations

from torch import Tensor

from data.batches.batch import Batch

from ...entry import Prediction
from ...layers.losses import mean_joint_distance
from .config import ObjectiveConfig


def terms(prediction: Prediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Mean distance over all joints in metres (MPJPE). Terms have names and are added up."""
    assert batch.pose3d is not None, "the loss needs Batch.pose3d"
    return {"mpjpe": mean_joint_distance(prediction.pose3d, batch.pose3d)}


def poses(prediction: Prediction) -> Tensor:
    """[B, F, J, 3] metres as the network gives them."""
    return prediction.pose3d
