"""Ground truth of a whole split, which predictions are scored against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Ground truth of N target frames in stored order.

    pose3d [N, J, 3] metres, root at zero; action, subject [N] int64; valid [N] bool mask of the frames that count, None
    where all do; step_weight [N]: see `step_weights`."""

    pose3d: Tensor
    action: Tensor
    subject: Tensor
    valid: Tensor | None
    step_weight: Tensor

    def stretch(self, first: int, end: int) -> Truth:
        """Returns the frames [first, end)."""
        return Truth(
            pose3d=self.pose3d[first:end],
            action=self.action[first:end],
            subject=self.subject[first:end],
            valid=None if self.valid is None else self.valid[first:end],
            step_weight=self.step_weight[first:end],
        )


def step_weights(lengths: Tensor, valid: Tensor | None = None) -> Tensor:
    """Returns the MPJVE weight of the step from the previous frame to each of N frames, [N] float64; 0 where there is
    none.

    Tracks have the given lengths [T] and lie one after the other; a step joins two frames of a track that both
    count. The steps of a track share the weight of its frames that count (VideoPose3D), one more than they are
    without gaps."""
    track = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
    counts = torch.ones_like(track, dtype=torch.bool) if valid is None else valid
    is_step = torch.zeros_like(counts)
    is_step[1:] = counts[1:] & counts[:-1] & (track[1:] == track[:-1])
    frames, steps = (
        torch.zeros(len(lengths), dtype=torch.float64, device=lengths.device).index_add(0, track, marked.double())
        for marked in (counts, is_step)
    )
    return torch.where(is_step, (frames / steps.clamp(min=1))[track], 0.0)
