"""Context-Aware PoseFormer: a 2D pose lifted with what a 2D pose network sees around every joint (NeurIPS 2023)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "traits": "config:traits",
    "begin": "network:begin",
    "trunk": "network:trunk_of",
    "infer": "network:infer",
    "tiny": {
        "network.trunk": "tiny",
        "network.trunk_weights": "",
        "network.trunk_lr_factor": 1.0,
        "network.embed_dim": 8,
        "network.depth": 1,
        "network.heads": 2,
        "network.context_heads": 2,
        "network.points": 2,
        "data.crop_height": 96,
        "data.crop_width": 64,
    },
}
