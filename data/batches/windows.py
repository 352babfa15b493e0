"""Temporal windows over tracks by index arithmetic: padding, chunks of target frames, mirrored copies, reference order.

The T tracks lie one after the other in arrays of R rows, one row a frame. Sampling follows VideoPose3D: repeated edge
frames as padding, chunks of target frames centred on their track, each plain and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..poses.geometry import mirror_points
from ..poses.thinning import thinned


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """N samples, each a chunk of target frames and the input window around it; built by `windows`.

    row [N] of the first target frame, not clamped: it lies before the track where the chunk overhangs; track [N];
    is_mirrored [N], None where no sample is; first and last [T] rows of the tracks; offsets of a window's frames from
    row."""

    row: Tensor
    track: Tensor
    is_mirrored: Tensor | None
    first: Tensor
    last: Tensor
    input_offsets: Tensor
    target_offsets: Tensor

    def __len__(self) -> int:
        return self.row.shape[0]

    @property
    def start(self) -> Tensor:
        """First target frame [N] counted within its track; negative where the chunk overhangs."""
        return self.row - self.first[self.track]

    def rows(self, index: Tensor) -> Tensor:
        """Returns the rows [B, frames - 1 + chunk] that samples index [B] read; edge frames repeat beyond the track."""
        return self._around(index, self.input_offsets)

    def target_rows(self, index: Tensor) -> Tensor:
        """Returns the rows [B, chunk] of the target frames of samples index [B]; edge frames repeat."""
        return self._around(index, self.target_offsets)

    def _around(self, index: Tensor, offsets: Tensor) -> Tensor:
        row = self.row.index_select(0, index).unsqueeze(1)
        if len(offsets) == 1:  # a frame at its own place cannot leave its track, so the clamp would be wasted
            return row
        track = self.track.index_select(0, index)
        first, last = self.first.index_select(0, track), self.last.index_select(0, track)
        return (row + offsets).clamp(first.unsqueeze(1), last.unsqueeze(1))


def windows(
    lengths: Tensor,
    *,
    frames: int,
    chunk: int = 1,
    shift: int = 0,
    mirrored: bool = False,
    downsample: int = 1,
    subset: float = 1.0,
) -> Windows:
    """Builds the samples of tracks with the given lengths [T] (int64, frames), on their device, track by track.

    frames is the odd receptive field. A track of n frames has ceil(n / chunk) chunks, overhanging both ends alike.
    shift moves the input window back in time; (frames - 1) / 2 makes it causal. With mirrored, every track lists its
    chunks a second time, marked. Of a track's chunks those of `thinned` stay; their windows see all frames, so that a
    network trained on fewer targets is scored on motion of the same speed."""
    assert frames % 2 == 1, frames
    assert chunk >= 1, chunk
    pad, device = (frames - 1) // 2, lengths.device
    assert 0 <= shift <= pad, (shift, pad)
    end = lengths.cumsum(0)
    first = end - lengths
    num_chunks = (lengths + chunk - 1) // chunk
    counts = num_chunks * 2 if mirrored else num_chunks
    track = torch.arange(len(lengths), device=device).repeat_interleave(counts)
    number = torch.arange(len(track), device=device) - (counts.cumsum(0) - counts)[track]
    is_mirrored = number >= num_chunks[track]
    overhang = (num_chunks * chunk - lengths) // 2
    number -= num_chunks[track] * is_mirrored
    if downsample > 1 or subset < 1:
        stays = _staying(num_chunks, downsample, subset)
        kept = stays[(num_chunks.cumsum(0) - num_chunks)[track] + number]
        number, track, is_mirrored = number[kept], track[kept], is_mirrored[kept]
    return Windows(
        row=number * chunk + (first - overhang)[track],
        track=track,
        is_mirrored=is_mirrored if mirrored else None,
        first=first,
        last=end - 1,
        input_offsets=torch.arange(-pad - shift, chunk + pad - shift, device=device),
        target_offsets=torch.arange(chunk, device=device),
    )


def mirror_where(points: Tensor, is_mirrored: Tensor, mirror: Sequence[int] | Tensor) -> Tensor:
    """Mirrors the samples of points [B, ..., J, C] that is_mirrored [B] marks; the others stay unchanged."""
    marked = is_mirrored.view(-1, *(1,) * (points.ndim - 1))
    return torch.where(marked, mirror_points(points, mirror), points)


def _staying(counts: Tensor, downsample: int, subset: float) -> Tensor:
    """Returns the mask of the sum(counts) samples of tracks with the given counts [T] that are kept."""
    stays = torch.zeros(int(counts.sum()), dtype=torch.bool)
    for part in stays.split(counts.tolist()):
        part[thinned(len(part), downsample, subset)] = True
    return stays.to(counts.device)


def reference_order(count: int, epoch: int, seed: int = 1234) -> Tensor:
    """Returns the order [count] in which the lifting models' published code visits its samples in an epoch, from 0.

    One generator is carried through all epochs, so this repeats the permutations of the epochs before."""
    generator = np.random.RandomState(seed)
    for _ in range(epoch):
        generator.permutation(count)
    return torch.from_numpy(generator.permutation(count))
