"""Windows of consecutive samples that share their frames: what a network sees of scored samples without seeing a frame
once for every window that it is in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .tracks import Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Input of N consecutive samples: pose2d [L, V, J, C] screen units, the frames of the windows, those of one track
    behind those of another, edge frames repeated; starts [N] int64: window i has the F frames from `starts[i]`."""

    pose2d: Tensor
    starts: Tensor


def stretch_rows(spans: Sequence[Span], low: int, high: int, before: int, after: int) -> tuple[Tensor, Tensor]:
    """Returns the stored rows [L] of the frames of a `Stretch`, and its starts [N], for the samples [low, high), low <
    high: each is one stored frame with so many before and after it, of its own track."""
    rows, starts, placed = [], [], 0
    for span in spans[bisect_right(spans, low, key=lambda span: span.end) :]:
        if span.first >= high:
            break
        first, end = max(low, span.first), min(high, span.end)
        rows.append(torch.arange(first - before, end + after).clamp_(span.first, span.end - 1))
        starts.append(torch.arange(placed, placed + end - first))
        placed += len(rows[-1])
    return torch.cat(rows), torch.cat(starts)
