"""GraFormer: single-frame lifting by graph attention (CVPR 2022)."""

from ...entry import ModelEntry

__all__ = ["ENTRY"]

ENTRY = ModelEntry(
    name="graformer",
    reads=("pose2d", "pose3d"),
    infer="network:infer",
    tiny={"network.width": 16, "network.layers": 1, "network.heads": 2},
)
