"""Checkpoints as published training scripts write them, of small networks."""

import numpy as np
import torch

from tests.made.small import tiny_config
from trainables import registry

GRAFORMER = registry.get("graformer")


def network(width=8, layers=1, heads=2, joints=16):
    """A small GraFormer and its config."""
    changes = {"network__width": width, "network__layers": layers, "network__heads": heads, "data__joints": joints}
    config = tiny_config("store", **changes)
    torch.manual_seed(5)
    return GRAFORMER.build(config.network, config.data.sizes), config


def published(content, path, **options):
    """Saves it as torch does; returns the file."""
    torch.save(content, path, **options)
    return path


def script_checkpoint(weights, prefix="module.", random=True):
    """What training scripts save: weights named by their wrapper, optimiser and generator beside."""
    named = {prefix + name: tensor for name, tensor in weights.items()}
    moments = {n: {"step": torch.tensor(9.0), "exp_avg": 0 * tensor} for n, tensor in enumerate(weights.values())}
    group = {"lr": 9e-4, "betas": (0.9, 0.999), "amsgrad": False, "params": list(moments)}
    content = {"epoch": 7, "lr": 9e-4, "step": 1234, "state_dict": named, "error": np.float64(48.9)}
    content["optimizer"] = {"state": moments, "param_groups": [group]}
    return content | ({"random_state": np.random.RandomState(1234)} if random else {})
