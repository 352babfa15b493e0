"""Objective of SGraFormer: its loss, and poses as the published protocol scores them."""

from __future__ import annotations

from torch import Tensor

from data.batches.batch import Batch

from ...entry import Prediction
from ...layers.losses import mean_joint_distance
from .config import ObjectiveConfig


def terms(prediction: Prediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Returns the mean joint distance (MPJPE) over all frames of the window, in metres; the root counts, its target is
    0."""
    assert batch.window3d is not None, "the loss needs Batch.window3d"
    assert prediction.window3d is not None, "the network answers with its window"
    return {"mpjpe": mean_joint_distance(prediction.window3d, batch.window3d)}


def poses(prediction: Prediction) -> Tensor:
    """Returns [B, 1, J, 3] metres: the middle frame, relative to its own predicted root."""
    return prediction.pose3d - prediction.pose3d[..., prediction.root, None, :]
