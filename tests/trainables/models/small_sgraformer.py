"""A small SGraFormer in float64, and what it sees."""

import torch

from data.batches.batch import Sizes
from data.poses.skeleton import H36M_17
from trainables.models.sgraformer.config import NetworkConfig
from trainables.models.sgraformer.network import build


def made(frames=3, views=4, skeleton=H36M_17, **knobs):
    """A small network in float64, in evaluation mode."""
    torch.manual_seed(0)
    config = NetworkConfig(**{"embed_dim_ratio": 4, "heads": 2, "mvf_kernel": 3, **knobs})
    return build(config, Sizes(views=views, frames=frames, skeleton=skeleton)).double().eval()


def seen(views=4, frames=3, joints=17, size=2):
    """Joints in screen units, [B, V, F, J, 2]."""
    make = torch.Generator().manual_seed(4)
    return 0.3 * torch.randn(size, views, frames, joints, 2, dtype=torch.float64, generator=make)
