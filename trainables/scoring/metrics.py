"""Pose metrics in millimetres from poses in metres (MPJPE, P-MPJPE, N-MPJPE, MPJVE, PCK, AUC), and their sums by group.
The only place where metres become millimetres."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor

from data.poses.geometry import procrustes

from ..devices.team import Team

Name = TypeVar("Name", bound=Hashable)

MM = 1000.0
CHUNK = 65_536  # poses in one decomposition; bounds the memory, not the result


def mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean per-joint position error (MPJPE) [...] of pred to true, [..., J, 3] metres."""
    return _distance(pred, true).mean(-1) * MM


def p_mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Procrustes-aligned MPJPE (P-MPJPE, PA-MPJPE) [...] of pred to true, [..., J, 3] metres; no reflections, as in the
    published tables."""
    return mpjpe_mm(procrustes(pred, true), true)


def n_mpjpe_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Scale-normalised MPJPE (N-MPJPE) [...] of pred, [..., J, 3] metres, after its best scale; nothing is moved or
    rotated."""
    scale = (true * pred).sum((-2, -1)) / pred.square().sum((-2, -1))
    return mpjpe_mm(scale[..., None, None] * pred, true)


def mpjve_mm(pred: Tensor, true: Tensor) -> Tensor:
    """Mean per-joint velocity error (MPJVE) [N - 1] between consecutive frames of [N, J, 3] metres; millimetres a
    frame."""
    return mpjpe_mm(pred.diff(dim=0), true.diff(dim=0))


def pck(pred: Tensor, true: Tensor, within_mm: float = 150) -> Tensor:
    """Percentage of correct keypoints (PCK) [...], from 0 to 1: the share of joints of pred strictly within so many
    millimetres of true, [..., J, 3]; nan is not within."""
    return (_distance_mm(pred, true) < within_mm).double().mean(-1)


def auc(pred: Tensor, true: Tensor, thresholds: Sequence[float] = range(0, 151, 5)) -> Tensor:
    """Area under the PCK curve (AUC) [...]: the mean of `pck` over ascending thresholds in millimetres. With 0 among
    them, as published, no prediction is perfect: exact joints get 30/31 of the default 31."""
    distance = _distance_mm(pred, true)
    steps = torch.tensor(thresholds, dtype=distance.dtype, device=distance.device)
    # Of ascending thresholds those above a distance are the last ones, so one search counts them for all.
    met = len(steps) - torch.bucketize(distance.nan_to_num(torch.inf), steps, right=True)
    return met.double().mean(-1) / len(steps)


def _distance_mm(pred: Tensor, true: Tensor) -> Tensor:
    return _distance(pred, true) * MM


def _distance(pred: Tensor, true: Tensor) -> Tensor:
    # A norm over three numbers takes twice as long on CPUs.
    x, y, z = (pred - true).unbind(-1)
    return torch.addcmul((x * x).addcmul_(y, y), z, z).sqrt_()


class Sums:
    """Totals and counts of metrics by group (an action, an action of a subject), on one device: they add over batches
    and ranks, and a mean is taken once.

    total and count: metric -> [G]."""

    def __init__(self, num_groups: int) -> None:
        self.num_groups = num_groups
        self.total: dict[str, Tensor] = {}
        self.count: dict[str, Tensor] = {}

    def add(self, name: str, values: Tensor, group: Tensor, weight: Tensor | None = None) -> None:
        """Adds values [N] of frames of groups [N]; each counts once, or `weight` [N] times."""
        values = values.double()
        counts = torch.ones_like(values) if weight is None else weight.double()
        for table, numbers in ((self.total, values * counts), (self.count, counts)):
            zeros = torch.zeros(self.num_groups, dtype=torch.float64, device=values.device)
            table[name] = table.get(name, zeros).index_add(0, group, numbers)

    def over(self, team: Team) -> Sums:
        """Returns the sums over all ranks."""
        whole = Sums(self.num_groups)
        whole.total = {name: team.sum(total) for name, total in self.total.items()}
        whole.count = {name: team.sum(count) for name, count in self.count.items()}
        return whole

    def merged(self, into: Sequence[int], num_groups: int) -> Sums:
        """Returns the sums of larger groups: group i is part of group `into[i]` there, or of none where that is below
        0."""
        kept = [i for i, target in enumerate(into) if target >= 0]
        found = Sums(num_groups)
        for ours, theirs in ((self.total, found.total), (self.count, found.count)):
            for name, numbers in ours.items():
                target = torch.tensor([into[i] for i in kept], dtype=torch.int64, device=numbers.device)
                theirs[name] = numbers.new_zeros(num_groups).index_add(0, target, numbers[kept])
        return found

    def frame_mean(self) -> dict[str, float]:
        """Returns the mean over all frames; a metric without frames is left out, here and below."""
        return {name: float(total.sum() / count.sum()) for name, total, count in self._rows() if count.any()}

    def group_mean(self) -> dict[str, float]:
        """Returns the plain mean of the groups' means, as the papers report of actions; groups without frames do not
        count."""
        return {name: float((total / count)[count > 0].mean()) for name, total, count in self._rows() if count.any()}

    def per_group(self, groups: Sequence[Name]) -> dict[Name, dict[str, float]]:
        """Returns every group's means; `groups` names them by index, those without frames are left out."""
        table: dict[Name, dict[str, float]] = {}
        for name, total, count in self._rows():
            for i in count.nonzero().flatten().tolist():
                table.setdefault(groups[i], {})[name] = float(total[i] / count[i])
        return {group: table[group] for group in groups if group in table}

    def frames(self, groups: Sequence[Name]) -> dict[Name, int]:
        """Returns the scored frames of every group that has some."""
        counts = self.count["mpjpe_mm"].tolist()
        return {group: round(count) for group, count in zip(groups, counts, strict=True) if count}

    def _rows(self) -> list[tuple[str, Tensor, Tensor]]:
        return [(name, total.cpu(), self.count[name].cpu()) for name, total in self.total.items()]


FrameMetric = Callable[[Tensor, Tensor], Tensor]  # pred and true [N, J, 3] metres -> [N]
FRAME_METRICS: Mapping[str, FrameMetric] = MappingProxyType(
    {"mpjpe_mm": mpjpe_mm, "p_mpjpe_mm": p_mpjpe_mm, "n_mpjpe_mm": n_mpjpe_mm}
)
# Metrics from 0 to 1, the more the better.
SHARES = ("pck_150mm", "auc_150mm", "auc_50mm", "mesh_auc_50mm", "pa_f_5mm", "pa_f_15mm")


def in_table(name: str, value: float | None) -> float | None:
    """Converts a metric's value to the unit of its `heading`: shares in percent, as the papers print them."""
    return value if value is None or name not in SHARES else 100 * value


def heading(name: str) -> str:
    """Returns the column heading of a metric."""
    return f"{name} %" if name in SHARES else name


def score_sequences(
    pred: Tensor,
    true: Tensor,
    group: Tensor,
    step_weight: Tensor,
    num_groups: int,
    lead: int = 0,
    *,
    valid: Tensor | None = None,
    metrics: Mapping[str, FrameMetric] = FRAME_METRICS,
) -> Sums:
    """Sums all metrics over N frames: pred and true [N, J, 3] metres, group [N], step_weight [N] of
    `data.batches.truth.step_weights`, valid [N] mask of the frames that count (None: all). The first `lead` frames only
    begin a step of MPJVE: another rank counts them.

    MPJVE is a mean over the steps of a track, weighted by the track's number of frames, one more than its steps
    (VideoPose3D); a track of one frame has none."""
    sums = Sums(num_groups)
    own = (pred[lead:], true[lead:], group[lead:])
    own_pred, own_true, own_group = own if valid is None else (part[valid[lead:]] for part in own)
    for name, metric in metrics.items():
        parts = [metric(*part) for part in zip(own_pred.split(CHUNK), own_true.split(CHUNK), strict=True)]
        sums.add(name, torch.cat(parts), own_group)
    is_step = step_weight[1:] > 0
    sums.add("mpjve_mm", mpjve_mm(pred, true)[is_step], group[1:][is_step], step_weight[1:][is_step])
    return sums
