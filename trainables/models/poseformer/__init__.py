"""PoseFormer: attention within each frame, then over frames, for the pose in the middle of a window (ICCV 2021)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "infer": "network:infer",
    "slide": "network:slide",
    "strangers": "HMSFT's checkpoints are of a network that was never published and load nowhere; what is published, "
    "its training, are the recipes hmsft_h36m, hmsft_h36m_gt, hmsft_humaneva and hmsft_3dhp",
    "tiny": {"network.embed_dim_ratio": 4, "network.depth": 2, "network.heads": 2, "data.frames": 3},
}
