"""The error of whoever answers every image with the mean joints of training: python bench/mean_mesh.py synthetic_hand

The yardstick of a mesh set: millimetres on its `val`, as they stand and after alignment (PA-MPJPE).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor

from data.config import DataConfig
from data.batches.meshes import MeshModule, read_mesh_sets
from data.synthetic.provide import provide
from trainables.scoring.freihand import aligned
from trainables.layers.smpl import BodyLayer, hand_joints
from trainables.scoring.metrics import MM, mpjpe_mm, p_mpjpe_mm
from trainables.models.mesh_graphormer.files import models_of
from trainables.models.mesh_graphormer.mesh import HIPS, OF_UNION, WRIST
from trainables.models.mesh_graphormer.objective import centred

PIECE = 256  # samples whose meshes are made at a time


def scored_joints(data: MeshModule, part: str, files: str) -> Tensor:
    """The joints [N, J, 3] that are scored, metres: a hand's come from its model, a body's from the labels."""
    truth = data.labels(part)
    if data.sizes.mesh == "body":
        return centred(truth.joints3d[:, list(OF_UNION), :3], HIPS)
    layer = BodyLayer(models_of("hand", files)[0])
    parts = []
    for pose, betas in zip(truth.body_pose.split(PIECE), truth.betas.split(PIECE), strict=True):
        vertices, skeleton = layer(pose, betas)
        parts.append(hand_joints(skeleton, vertices))
    return centred(torch.cat(parts), (WRIST,))


def main() -> None:
    """Prints the two errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], allow_abbrev=False)
    parser.add_argument("data", metavar="NAME", help="split of a mesh set, e.g. synthetic_hand")
    parser.add_argument("--data-root", default=DataConfig().root, metavar="DIR")
    parser.add_argument("--body-files", default="", metavar="DIR", help="folder of the licensed model (default: made)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = DataConfig(name=options.data, root=options.data_root)
    provide(config)
    sets, _ = read_mesh_sets(config, ("train", "val"))
    data = MeshModule(sets, config)
    train, val = (scored_joints(data, part, options.body_files) for part in ("train", "val"))
    mean = train.mean(0, keepdim=True).expand_as(val).contiguous()
    # As each is scored: hands by FreiHAND's evaluator, whose alignment may reflect.
    is_body = config.sizes.mesh == "body"
    near = p_mpjpe_mm(mean, val) if is_body else (aligned(mean, val) - val).norm(dim=-1).mean(-1) * MM
    found = f"MPJPE {mpjpe_mm(mean, val).mean():.2f} mm, PA-MPJPE {near.mean():.2f} mm"
    print(f"{options.data}, val, {len(val)} images: the mean of training has {found}")


if __name__ == "__main__":
    main()
