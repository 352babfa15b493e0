"""PoseFormer: attention within each frame, then over frames, for the pose in the middle of a window (ICCV 2021)."""

from trainables.entry import ModelEntry

__all__ = ["ENTRY"]

ENTRY = ModelEntry(
    name="poseformer",
    reads=("pose2d", "pose3d"),
    infer="network:infer",
    tiny={"network.embed_dim_ratio": 4, "network.depth": 2, "network.heads": 2, "data.frames": 3},
)
