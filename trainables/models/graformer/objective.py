"""Objective of GraFormer: its loss, and poses as the published protocol scores them."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import mse_loss

from data.batches.batch import Batch

from ...entry import Prediction
from .config import ObjectiveConfig


def terms(prediction: Prediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Returns the mean squared error over all coordinates in square metres; the root counts, its target is 0."""
    assert batch.pose3d is not None, "the loss needs Batch.pose3d"
    return {"mse": mse_loss(prediction.pose3d, batch.pose3d)}


def poses(prediction: Prediction) -> Tensor:
    """Returns [B, F, J, 3] metres relative to the predicted root, as published."""
    return prediction.pose3d - prediction.pose3d[..., prediction.root, None, :]
