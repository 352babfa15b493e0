"""Mesh Graphormer: the joints and the mesh of a body or a hand from one image (ICCV 2021)."""

from ...entry import Entry

__all__ = ["ENTRY"]

ENTRY: Entry = {
    "traits": "config:traits",
    "demands": "demands:demands",
    "begin": "network:begin",
    "infer": "network:infer",
    "spares": "config:spares",
    "scores": "objective:scores",
    "meshes": "objective:meshes",
    "surface": "network:surface",
    "can_flip": False,
    "selectable": ("mpjpe_mm", "p_mpjpe_mm", "mpvpe_mm", "pa_mpvpe_mm"),
    "tiny": {
        "network.mesh": "hand",
        "network.trunk": "tiny",
        "network.hidden": (16, 8, 8),
        "network.widths": (16, 8),
        "network.layers": 1,
        "network.heads": 2,
        "network.feed_forward": 1.0,
        "network.mask_rate": 0.0,
        "network.compact": True,
        "data.crop_height": 64,
        "data.crop_width": 64,
        "optim.lr": 1e-4,
        "objective.joints3d": 1.0,
        "objective.vertices": 1.0,
        "objective.joints2d": 0.01,
        "objective.coarse": 0.5,
        "objective.full": 0.5,
    },
}
