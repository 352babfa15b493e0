"""People are drawn so that a network can learn where their joints are."""

import pytest
import torch
from torch import nn

from data.synthetic.images.images import write_images
from tests.made.images import NAME, opened
from trainables.runs.pretrain import CELL, heatmap_loss

SIDE = 64  # pixels of the crops
READS = ("image", "crop2d")
SUBJECTS = {"train_subjects": ("S1", "S5", "S6", "S7"), "val_subjects": ("S8",)}
UPRIGHT = [7, 8, 9, 10]  # spine, thorax, neck, head
SIZE, EPOCHS, RATE = 16, 12, 5e-3


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Some 230 crops of four people, and 60 of one who is not among them."""
    root = tmp_path_factory.mktemp("people")
    (root / NAME).mkdir()
    write_images(root / NAME, 0, 400, mean_frames=60)
    return opened(root, crop_height=SIDE, crop_width=SIDE, reads=READS, **SUBJECTS)


class Tiny(nn.Module):
    """uint8 RGB [B, 3, Y, X] -> heatmaps [B, 17, Y / 4, X / 4]; a cell sees 61 pixels around it."""

    def __init__(self):
        super().__init__()

        def layer(channels, out, stride=1, apart=1):
            conv = nn.Conv2d(channels, out, 3, stride, apart, dilation=apart, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())

        halved = (layer(5, 16, 2), layer(16, 32, 2))
        around = (layer(32, 32, apart=apart) for apart in (1, 2, 4, 2))
        self.layers = nn.Sequential(*halved, *around, nn.Conv2d(32, 17, 1))

    def forward(self, image):
        x = image / 127.5 - 1
        # With its own place a cell may know which joint is likely there.
        places = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in x.shape[2:]), indexing="ij")
        return self.layers(torch.cat((x, torch.stack(places).expand(len(x), -1, -1, -1)), 1))


class Guess(nn.Module):
    """The same places [17, 2] in [-1, 1] for every image."""

    def __init__(self, places):
        super().__init__()
        x, y = ((places + 1) * (SIDE / CELL / 2)).round().long().clamp(0, SIDE // CELL - 1).unbind(-1)
        self.maps = torch.zeros(17, SIDE // CELL, SIDE // CELL)
        self.maps[torch.arange(17), y, x] = 1

    def forward(self, image):
        return self.maps.expand(len(image), -1, -1, -1)


@torch.no_grad()
def errors_px(network, people):
    """Mean distance [17] of the highest cell to the joint, on the stranger."""
    batch = people.gather("val", people.order("val", 0, 0), READS)
    maps = network.eval()(batch.image[:, 0])
    best, columns = maps.flatten(2).argmax(-1), maps.shape[-1]
    cell = torch.stack((best % columns, best // columns), -1)
    return (CELL * cell - (batch.crop2d[:, 0, 0] + 1) * (SIDE / 2)).norm(dim=-1).mean(0)


def test_a_tiny_network_finds_the_joints_of_a_stranger_far_better_than_a_guess_does(people):
    network = Tiny()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = EPOCHS * people.num_batches("train", SIZE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        for index, _, _ in people.batches("train", epoch + 1, 0, SIZE):
            optimizer.zero_grad()
            heatmap_loss(network.train(), people.gather("train", index, READS), 1.0).backward()
            optimizer.step()
            rates.step()
    seen = people.gather("train", people.order("train", 1, 0), ("crop2d",)).crop2d
    found = errors_px(network, people)
    middle, mean = (errors_px(Guess(places), people) for places in (torch.zeros(17, 2), seen.mean((0, 1, 2))))
    assert found.mean() < 0.6 * middle.mean()
    # Most of that is to know where people are in a crop. The image tells the rest; limbs take longer to be told apart.
    assert found[UPRIGHT].mean() < 0.8 * mean[UPRIGHT].mean()
