"""Objective of PoseFormer: its loss, and poses as the published protocol scores them."""

from __future__ import annotations

from torch import Tensor

from data.batches.batch import Batch

from ...entry import Prediction
from ...layers.losses import mean_joint_distance
from .config import ObjectiveConfig


def terms(prediction: Prediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Returns the mean joint distance (MPJPE) in metres; the root counts, its target is 0."""
    assert batch.pose3d is not None, "the loss needs Batch.pose3d"
    return {"mpjpe": mean_joint_distance(prediction.pose3d, batch.pose3d)}


def poses(prediction: Prediction) -> Tensor:
    """Returns [B, F, J, 3] metres as predicted: the published protocol does not subtract the predicted root."""
    return prediction.pose3d
