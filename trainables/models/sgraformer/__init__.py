"""SGraFormer: lifting from several synchronised views, told by the bones between joints (AAAI 2024)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "traits": "config:traits",
    "infer": "network:infer",
    "slide": "network:slide",
    "spares": "network:spares",
    "tiny": {
        "network.embed_dim_ratio": 4,
        "network.heads": 2,
        "network.mvf_kernel": 3,
        "data.frames": 3,
        "data.views": 2,
    },
}
