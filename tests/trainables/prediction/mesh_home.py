"""A folder to predict meshes in, the command that does it, and what it writes."""

import json

import numpy as np

from data.formats.meshes.mesh_tsv import MeshSet
from data.images.crops import SCALE_PX
from data.synthetic.meshes.mesh_sets import write_mesh_set
from spaces.schema import dump
from tests.made.commands import predict_with
from trainables import registry
from trainables.config import default_config
from trainables.weights.checkpoint import save_weights

MODEL = "mesh_graphormer"
SHAPES = {"hand": (21, 778), "body": (14, 6890)}


def run_of(root, kind="hand"):
    values = {**registry.get(MODEL).tiny, "network.mesh": kind, "data.name": f"synthetic_{kind}"}
    return default_config(MODEL, {**values, "data.root": str(root)}, "tests")


def write_home(root):
    """A made set of hands, its test images as files with boxes, configs and weights of both kinds; gives the folder."""
    write_mesh_set(root / "synthetic_hand", "hand", 0, 50)
    for kind in SHAPES:
        config = run_of(root, kind)
        network = registry.get(MODEL).build(config.network, config.data.sizes)
        (root / f"{kind}.yaml").write_text(dump(config))
        save_weights(root / f"{kind}.safetensors", network.state_dict(), config, {"epoch": 7})
    hands = MeshSet(root / "synthetic_hand" / "test.yaml", "hand")
    images = []
    for number in range(len(hands)):
        (root / f"{number}.jpg").write_bytes(hands.jpeg(number))
        (x, y), scale = hands.box(number)
        side = scale * SCALE_PX / 1.2  # labels hold the box with its margin
        images.append({"file": f"{number}.jpg", "box": [x - side / 2, y - side / 4, side, side / 2]})
    (root / "list.json").write_text(json.dumps({"images": images, "fps": 5}))
    return root


def predict(home, out, *more, source="synthetic_hand/test.yaml", kind="hand"):
    return predict_with(home, kind, source, out, *more)


def loaded(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}
