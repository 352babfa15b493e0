"""The tiny Mesh Graphormer of a hand, and a mesh set small enough to train it in a second."""

import torch

from data.config import Sizes
from data.poses.skeleton import H36M_17
from data.synthetic.meshes.mesh_sets import write_mesh_set
from trainables import registry
from trainables.config import default_config
from trainables.models.mesh_graphormer.config import NetworkConfig

MODEL = "mesh_graphormer"
SET = "synthetic_hand"
SIZES = Sizes(views=1, frames=1, skeleton=H36M_17, crop=(64, 64))
# The shape of the tiny hand of the contract tests.
SHAPE = {
    path.removeprefix("network."): value
    for path, value in registry.get(MODEL).tiny.items()
    if path.startswith("network.") and path not in ("network.mesh", "network.mask_rate")
}


def tiny_network(seed=0, **shape):
    """A fresh network of that shape."""
    torch.manual_seed(seed)
    return registry.get(MODEL).build(NetworkConfig(mesh="hand", **{**SHAPE, **shape}), SIZES)


def write_hands(root):
    """24 images of hands to train on, 3 to select and 3 to score, and the made model; returns the folder."""
    write_mesh_set(root / SET, "hand", 0, 30)
    return root


def hand_run(root, **changes):
    """A run on them; dotted names are written with two underscores."""
    wanted = {path.replace("__", "."): value for path, value in changes.items()}
    tiny = {**registry.get(MODEL).tiny, "data.name": SET, "data.root": str(root)}
    return default_config(MODEL, {**tiny, "loop.batch": 12, "loop.epochs": 2, **wanted}, "tests")
