"""`pretrain`: trains an image trunk on 2D joint heatmaps of crops, for widths without published weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from data.batches.batch import Batch
from data.batches.samples import Samples
from data.poses.splits import TRAINING_PARTS
from data.synthetic.provide import provide
from spaces.cli import FAILED, OK
from spaces.errors import ConfigError

from .. import registry
from ..cli.pretrain import PretrainRequest
from ..devices.device import pick_device
from ..engines.engine import build_network
from ..layers.hrnet import PoseHRNet
from ..weights.checkpoint import save_weights
from .train import open_data

CELL = 4  # pixels of a crop to a cell of the finest map
READS = ("image", "crop2d")


class HeatmapNet(nn.Module):
    """Trunk with a layer that predicts a heatmap for each joint from its finest map; that layer is dropped
    afterwards."""

    def __init__(self, trunk: PoseHRNet, joints: int) -> None:
        super().__init__()
        self.trunk = trunk
        channels = trunk.shape.stages[-1].channels[0]
        self.final_layer = nn.Conv2d(channels, joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)

    def forward(self, image_BCYX: Tensor) -> Tensor:
        """uint8 RGB [B, 3, Y, X] -> heatmaps [B, J, Y / 4, X / 4]."""
        out: Tensor = self.final_layer(self.trunk(image_BCYX)[0])
        return out


def pretrain(request: PretrainRequest) -> int:
    """Trains the trunk of a config on the crops of its training split and writes its weights."""
    config, device = request.config, pick_device()
    provide(config.data)
    data = open_data(config, TRAINING_PARTS, device)
    if data.image_crops is None:
        raise ConfigError("pretrain", [f"data.name = {config.data.name} has no images; name a set that has"])
    network = HeatmapNet(trunk_in(build_network(registry.get(config.model), config)), data.sizes.skeleton.num_joints)
    network.to(device)
    steps = request.epochs * data.num_batches("train", request.batch)
    optimizer = torch.optim.Adam(network.parameters(), lr=request.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    error = math.nan
    for epoch in range(1, request.epochs + 1):
        network.train()
        total, count = 0.0, 0
        for batch in _batches(data, "train", epoch, config.loop.seed, request.batch):
            loss = heatmap_loss(network, batch, request.sigma)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total, count = total + float(loss.detach()) * batch.size, count + batch.size
        error = pixel_error(network, data, request.batch)
        mean = total / count
        print(f"epoch {epoch}/{request.epochs}: loss {mean:.4f}, mean distance {error:.1f} px of the crop", flush=True)
        if not math.isfinite(mean):
            return FAILED
    facts = {"epochs": request.epochs, "distance_px": error}
    save_weights(request.out, network.trunk.state_dict(), config, facts)
    print(f"{request.out}: use it with --set network.trunk_weights={request.out.resolve()}")
    return OK


def trunk_in(network: nn.Module) -> PoseHRNet:
    """Returns the trunk of a whole network."""
    found = [module for module in network.modules() if isinstance(module, PoseHRNet)]
    assert len(found) == 1, f"{len(found)} trunks in {type(network).__name__}"
    return found[0]


def _batches(data: Samples, part: str, epoch: int, seed: int, size: int) -> Iterator[Batch]:
    for index, _, _ in data.batches(part, epoch, seed, size):
        yield data.gather(part, index, READS)


def heatmap_loss(network: HeatmapNet, batch: Batch, sigma: float) -> Tensor:
    """Computes the mean squared error of heatmaps to Gaussian peaks of height 1 at the joints, times the cells of a
    peak, so that it does not vanish with the size of the crop; a joint outside has its peak outside."""
    assert batch.image is not None, "pretraining needs Batch.image"
    assert batch.crop2d is not None, "pretraining needs Batch.crop2d"
    found: Tensor = network(batch.image[:, 0])
    true = peaks(batch.crop2d[:, 0, 0], (found.shape[-2], found.shape[-1]), sigma).to(found)
    return (found - true).square().sum((-1, -2)).mean() / (math.pi * sigma**2)


def peaks(crop_BJC: Tensor, cells: tuple[int, int], sigma: float) -> Tensor:
    """Returns Gaussians [B, J, Y, X] of height 1 at keypoints [B, J, 2] in [-1, 1]."""
    height, width = cells
    sides = torch.tensor([width, height], device=crop_BJC.device)
    place = ((crop_BJC + 1) * (sides * CELL / 2) / CELL).unsqueeze(-2)
    x = torch.arange(width, device=crop_BJC.device) - place[..., 0]
    y = torch.arange(height, device=crop_BJC.device) - place[..., 1]
    bells = [torch.exp(-line.square() / (2 * sigma**2)) for line in (y, x)]
    return bells[0].unsqueeze(-1) * bells[1].unsqueeze(-2)


@torch.no_grad()
def pixel_error(network: HeatmapNet, data: Samples, size: int) -> float:
    """Computes the mean distance of the highest cell to the true joint, pixels of the crop, over the validation
    split."""
    network.eval()
    total, count = 0.0, 0
    for batch in _batches(data, "val", 1, 0, size):
        assert batch.image is not None, "pretraining needs Batch.image"
        assert batch.crop2d is not None, "pretraining needs Batch.crop2d"
        maps = network(batch.image[:, 0])
        width = maps.shape[-1]
        best = maps.flatten(2).argmax(-1)
        cell = torch.stack((best % width, torch.div(best, width, rounding_mode="floor")), -1)
        sides = torch.tensor([width, maps.shape[-2]], device=maps.device) * CELL
        true = (batch.crop2d[:, 0, 0] + 1) * sides / 2
        total += float((cell * CELL - true).norm(dim=-1).sum())
        count += true.shape[0] * true.shape[1]
    return total / count
