"""VideoPose3D: lifting of a video window by dilated convolutions over time (CVPR 2019)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "traits": "config:traits",
    "infer": "network:infer",
    "slide": "network:slide",
    "tiny": {"data.frames": 9, "network.channels": 16},
}
