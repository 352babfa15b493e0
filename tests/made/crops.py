"""A data module with images in memory, a bright spot at every joint, and weights of a tiny trunk in a file."""

import dataclasses

import torch

from data.batches.poses import FIELDS, DataModule
from data.formats.poses import h36m
from data.formats.source import split_of
from tests.made.small import tiny_run, write_tiny
from trainables import registry
from trainables.config import default_config
from trainables.engines.single import SingleEngine
from trainables.runs.loop import train_alone
from trainables.weights.checkpoint import save_weights

MODEL = "context_aware_poseformer"


class Crops:
    """Images by number, as a source of batches gives them; counts what is fetched."""

    def __init__(self, points, crop):
        self.images = {part: painted(found, *crop) for part, found in points.items()}
        self.fetched = 0

    def count(self, part):
        return len(self.images[part])

    def fingerprint(self, part):
        return str(int(self.images[part].sum()))

    def expect(self, part, rows):
        pass

    def fetch(self, part, rows, is_mirrored):
        self.fetched += rows.numel()
        found = self.images[part][rows.cpu()].to(rows.device)
        if is_mirrored is None:
            return found
        return torch.where(is_mirrored.view(-1, 1, 1, 1, 1), found.flip(-1), found)


def painted(points_NJC, height, width):
    """Images [N, 3, Y, X] uint8 with a bright square at every keypoint in [-1, 1]."""
    make = torch.Generator().manual_seed(3)
    coarse = torch.randint(60, (len(points_NJC), 3, height // 32, width // 32), generator=make, dtype=torch.uint8)
    images = coarse.repeat_interleave(32, 2).repeat_interleave(32, 3)
    x = ((points_NJC[..., 0] + 1) * (width / 2)).long().clamp(2, width - 3)
    y = ((points_NJC[..., 1] + 1) * (height / 2)).long().clamp(2, height - 3)
    for number, (columns, rows) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        for joint, (column, row) in enumerate(zip(columns, rows, strict=True)):
            images[number, joint % 3, row - 2 : row + 3, column - 2 : column + 3] = 200 + joint
    return images


class CropModule(DataModule):
    """The tiny set, one camera's frames of it, with a crop for each."""

    def __init__(self, config, **options):
        poses = h36m.read(config.data.root, "tiny", "gt", joints=config.data.joints)
        super().__init__(poses, split_of(config.data), config.data, **options)
        parts = options.get("parts", ("train", "val"))
        self.crops = {part: self._crop_units(part) for part in parts}
        self.sources["image"] = Crops(
            {part: found[:, 0, 0].cpu() for part, found in self.crops.items()}, self.sizes.crop
        )

    def _crop_units(self, part):
        pose = super().gather(part, torch.arange(self.count(part), device=self.device), ("pose2d",)).pose2d
        low, high = pose.amin(-2, keepdim=True), pose.amax(-2, keepdim=True)
        return ((pose - low) / (high - low) - 0.5) * 1.6

    def gather(self, part, index, fields=FIELDS, **options):
        batch = super().gather(part, index, [name for name in fields if name in FIELDS], **options)
        found = {
            name: source.fetch(part, index.unsqueeze(1), None)
            for name, source in self.sources.items()
            if name in fields
        }
        return dataclasses.replace(batch, crop2d=self.crops[part][index], **found)


def store(root, frames=2):
    """A folder with the tiny set and weights of a tiny trunk."""
    write_tiny(root, frames=frames)
    trunk_file(root / "trunk.safetensors", seed=5)
    return root


def trunk_file(path, seed):
    """Weights of a tiny trunk whose batch norms have seen something."""
    config = default_config(MODEL, dict(registry.get(MODEL).tiny), "tests")
    torch.manual_seed(seed)
    trunk = registry.get(MODEL).build(config.network, config.data.sizes).backbone
    with torch.no_grad():
        for _ in range(12):
            trunk(torch.randint(256, (4, 3, 64, 64), dtype=torch.uint8))
    save_weights(path, trunk.state_dict(), config, {})


def crop_run(root, **changes):
    """A run on the tiny set with a frozen tiny trunk; dotted names are written with two underscores."""
    frozen = {"network__trunk_weights": "trunk.safetensors", "network__trunk_lr_factor": 0.0, "loop__batch": 8}
    return tiny_run(MODEL, root, **(frozen | changes))


class Silent:
    """A folder that keeps nothing."""

    def record(self, report, state):
        pass


def curve(config, data, engine=None):
    """Losses of every epoch of a run, and its last state."""
    engine = engine or SingleEngine()
    heard, states = [], []

    def tell(report):
        heard.append(report.losses.mean)
        states[:] = [engine.state(report.lane)]

    train_alone(config, data, Silent(), engine, None, tell)
    return heard, states[0]
