"""Evaluation protocols of data sets: metrics, root handling and groupings beyond the common ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from .metrics import FRAME_METRICS, FrameMetric, auc, pck

# Head top to ankles; pelvis, spine and head are not counted.
COUNTED_3DHP = 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """Evaluation protocol of a family. metrics: of a frame. is_root_zeroed: the predicted root is replaced by the
    truth, zero. scenes: names of subjects that are also scored together, by scene. has_cells: the table lists every
    action of every subject."""

    metrics: Mapping[str, FrameMetric] = field(default_factory=lambda: FRAME_METRICS)
    is_root_zeroed: bool = False
    scenes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    has_cells: bool = False


def _pck_3dhp(pred: Tensor, true: Tensor) -> Tensor:
    return pck(pred[..., :COUNTED_3DHP, :], true[..., :COUNTED_3DHP, :])


def _auc_3dhp(pred: Tensor, true: Tensor) -> Tensor:
    return auc(pred[..., :COUNTED_3DHP, :], true[..., :COUNTED_3DHP, :])


# By the key of the family.
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "h36m": Protocol(),
        "humaneva": Protocol(has_cells=True),
        "3dhp": Protocol(
            metrics=MappingProxyType({**FRAME_METRICS, "pck_150mm": _pck_3dhp, "auc_150mm": _auc_3dhp}),
            is_root_zeroed=True,
            scenes=MappingProxyType(
                {
                    "studio, green screen": ("TS1", "TS2"),
                    "studio, no green screen": ("TS3", "TS4"),
                    "outdoors": ("TS5", "TS6"),
                }
            ),
        ),
    }
)
