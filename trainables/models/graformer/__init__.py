"""GraFormer: single-frame lifting by graph attention (CVPR 2022)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "infer": "network:infer",
    "slide": "folded:slide",
    "tiny": {"network.width": 16, "network.layers": 1, "network.heads": 2},
}
