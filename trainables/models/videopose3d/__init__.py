"""VideoPose3D: lifting of a video window by dilated convolutions over time (CVPR 2019)."""

from ...entry import ModelEntry

__all__ = ["ENTRY"]

ENTRY = ModelEntry(
    name="videopose3d",
    reads=("pose2d", "pose3d"),
    infer="network:infer",
    tiny={"data.frames": 9, "network.channels": 16},
)
