"""Pose errors in millimetres, from poses in metres, and their sums. The only place where metres become millimetres."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from data.geometry import procrustes

from .team import Team

MM = 1000.0
CHUNK = 65_536  # poses in one decomposition; bounds the memory, not the result


def mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean joint distance [...] of pred to true, [..., J, 3] metres."""
    distance: Tensor = (pred - true).norm(dim=-1)
    return distance.mean(-1) * MM


def p_mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean joint distance [...] after the best similarity fit of pred to true, [..., J, 3]; no reflections, as in the
    published tables."""
    return mpjpe_mm(procrustes(pred, true), true)


def n_mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean joint distance [...] after the best scale of pred, [..., J, 3]; nothing is moved or turned."""
    scale = (true * pred).sum(-1).mean(-1) / pred.square().sum(-1).mean(-1)
    return mpjpe_mm(scale[..., None, None] * pred, true)


def mpjve_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean joint distance [N - 1] between the steps from frame to frame, of [N, J, 3]; millimetres a frame."""
    return mpjpe_mm(pred.diff(dim=0), true.diff(dim=0))


class Sums:
    """Totals and counts of metrics by action, on one device: they add over batches and ranks, and a mean is taken once.

    total and count: metric -> [A]."""

    def __init__(self, num_actions: int) -> None:
        self.num_actions = num_actions
        self.total: dict[str, Tensor] = {}
        self.count: dict[str, Tensor] = {}

    def add(self, name: str, values: Tensor, action: Tensor, weight: Tensor | None = None) -> None:
        """Adds values [N] of frames with actions [N]; each counts once, or `weight` [N] times."""
        values = values.double()
        counts = torch.ones_like(values) if weight is None else weight.double()
        for table, numbers in ((self.total, values * counts), (self.count, counts)):
            zeros = torch.zeros(self.num_actions, dtype=torch.float64, device=values.device)
            table[name] = table.get(name, zeros).index_add(0, action, numbers)

    def over(self, team: Team) -> Sums:
        """The sums of all ranks."""
        whole = Sums(self.num_actions)
        whole.total = {name: team.sum(total) for name, total in self.total.items()}
        whole.count = {name: team.sum(count) for name, count in self.count.items()}
        return whole

    def frame_mean(self) -> dict[str, float]:
        """Mean over all frames; a metric that no frame has is left out, here and below."""
        return {name: float(total.sum() / count.sum()) for name, total, count in self._rows() if count.any()}

    def action_mean(self) -> dict[str, float]:
        """Plain mean of the actions' means, as the papers report; actions without frames do not count."""
        return {name: float((total / count)[count > 0].mean()) for name, total, count in self._rows() if count.any()}

    def per_action(self, actions: Sequence[str]) -> dict[str, dict[str, float]]:
        """Every action's means; `actions` names them by index, those without frames are left out."""
        table: dict[str, dict[str, float]] = {}
        for name, total, count in self._rows():
            for i in count.nonzero().flatten().tolist():
                table.setdefault(actions[i], {})[name] = float(total[i] / count[i])
        return {action: table[action] for action in actions if action in table}

    def _rows(self) -> list[tuple[str, Tensor, Tensor]]:
        return [(name, total.cpu(), self.count[name].cpu()) for name, total in self.total.items()]


FRAME_METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mpjpe_mm": mpjpe_mm,
    "p_mpjpe_mm": p_mpjpe_mm,
    "n_mpjpe_mm": n_mpjpe_mm,
}


def score_sequences(
    pred: Tensor, true: Tensor, track: Tensor, action: Tensor, frames: Tensor, num_actions: int, lead: int = 0
) -> Sums:
    """Sums over N frames: pred and true [N, J, 3] metres, track [N] (its frames in order, side by side), action [N],
    frames [N] of the whole track. The first `lead` frames only begin a step: they are another rank's to count.

    MPJVE is a mean over the steps of a track, weighted by the track's number of frames, one more than its steps
    (VideoPose3D); a track of one frame has none."""
    sums = Sums(num_actions)
    for name, metric in FRAME_METRICS.items():
        parts = [metric(*part) for part in zip(pred[lead:].split(CHUNK), true[lead:].split(CHUNK), strict=True)]
        sums.add(name, torch.cat(parts), action[lead:])
    is_step = track[1:] == track[:-1]
    weight = frames[1:][is_step] / (frames[1:][is_step] - 1)
    sums.add("mpjve_mm", mpjve_mm(pred, true)[is_step], action[1:][is_step], weight)
    return sums
