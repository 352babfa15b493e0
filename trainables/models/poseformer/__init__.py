"""PoseFormer: attention over joints, then over frames; the pose of the middle frame (ICCV 2021)."""

from trainables.entry import ModelEntry

__all__ = ["ENTRY"]

ENTRY = ModelEntry(
    name="poseformer",
    reads=("pose2d", "pose3d"),
    infer="network:infer",
    tiny={"data.frames": 3, "network.embed_dim_ratio": 4, "network.depth": 2, "network.heads": 2},
)
