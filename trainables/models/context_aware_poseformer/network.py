"""Network of Context-Aware PoseFormer (NeurIPS 2023): an HRNet trunk on the crop, and a head that lifts the 2D pose
with its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from data.batches.batch import Batch, Sizes
from spaces.errors import ConfigError

from ...entry import Prediction
from ...layers.hrnet import PoseHRNet, Shape, normalise, shape_of
from ...weights.trunks import load_trunk
from .config import LEVELS, WIDTHS, NetworkConfig
from .head import LiftingHead

IMAGES = 32  # in one pass of a frozen trunk; bounds the memory, not the result
FILES = {
    "tiny": "pose_hrnet_tiny.safetensors",
    "w32": "pose_hrnet_w32_256x192.pth",
    "w48": "pose_hrnet_w48_256x192.pth",
}


class Trunk(PoseHRNet):
    """HRNet pose trunk on uint8 pixels; frozen, it stays in evaluation mode and has no gradient."""

    def __init__(self, shape: Shape, *, is_frozen: bool) -> None:
        super().__init__(shape)
        self.is_frozen = is_frozen
        self.requires_grad_(not is_frozen)
        self.train(True)

    def train(self, mode: bool = True) -> Trunk:
        """Switches the mode of a trainable trunk; a frozen one keeps its batch norm statistics."""
        return super().train(mode and not self.is_frozen)

    def forward(self, image_BCYX: Tensor) -> list[Tensor]:
        """uint8 RGB [B, 3, Y, X] -> the four maps, finest first."""
        if not self.is_frozen:
            return super().forward(self.normalised(image_BCYX))
        with torch.no_grad():
            parts = [super(Trunk, self).forward(self.normalised(part)) for part in image_BCYX.split(IMAGES)]
            return parts[0] if len(parts) == 1 else [torch.cat(level) for level in zip(*parts, strict=True)]

    def normalised(self, image_BCYX: Tensor) -> Tensor:
        """Normalises uint8 pixels as the trunk was trained."""
        return normalise(image_BCYX.to(self.conv1.weight.dtype))


class ContextAwarePoseFormer(nn.Module):
    """Whole network, or the head alone on cached trunk features. `crop`: height and width of an image; `shape` of the
    trunk: that of the config unless given."""

    def __init__(
        self, config: NetworkConfig, *, joints: int, crop: tuple[int, int], shape: Shape | None = None
    ) -> None:
        super().__init__()
        shape = shape or trunk_shape(config.trunk)
        self.crop = crop
        self.channels = shape.stages[-1].channels
        # The head comes first, so that a seed starts it alike with a trunk beside it and without.
        self.volume_net = LiftingHead(config, self.channels, joints)
        self.is_blind = config.features == "none"
        self.backbone: Trunk | None = None
        if config.features == "live":
            self.backbone = Trunk(shape, is_frozen=config.trunk_lr_factor == 0)

    def forward(self, batch: Batch) -> Prediction:
        """Predicts poses from `batch.pose2d` and `batch.crop2d` [B, 1, 1, J, 2] with `image` [B, 1, 3, Y, X], or
        `features` [B, 1, N] where the trunk was run before, or from `pose2d` alone; in the camera's frame."""
        assert batch.pose2d is not None, "context_aware_poseformer needs Batch.pose2d"
        if self.is_blind:
            return Prediction(pose3d=self.volume_net(batch.pose2d[:, 0, 0], None, ()).unsqueeze(1))
        assert batch.crop2d is not None, "context_aware_poseformer needs Batch.crop2d"
        if self.backbone is not None:
            assert batch.image is not None, "context_aware_poseformer needs Batch.image"
            maps: Sequence[Tensor] = self.backbone(batch.image[:, 0])
        else:
            assert batch.features is not None, "context_aware_poseformer needs Batch.features"
            # Cached maps are float32 whatever the run computes in.
            maps = split_maps(batch.features[:, 0].to(batch.crop2d.dtype), self.channels, self.crop)
        return Prediction(pose3d=self.volume_net(batch.pose2d[:, 0, 0], batch.crop2d[:, 0, 0], maps).unsqueeze(1))


def trunk_shape(trunk: str) -> Shape:
    """Returns the sizes of a published trunk; the tiny one is narrow and shallow enough to train on a CPU in a
    minute."""
    if trunk == "tiny":
        return shape_of(WIDTHS[trunk], modules=(1, 1, 1), blocks=1, stem=16)
    return shape_of(WIDTHS[trunk])


def split_maps(features_BN: Tensor, channels: Sequence[int], crop: tuple[int, int]) -> list[Tensor]:
    """Splits features [B, N] into the maps [B, C, Y, X], each channel-first, one after the other."""
    sides = [tuple(pixels // (4 * 2**level) for pixels in crop) for level in range(LEVELS)]
    shapes = [(count, *side) for count, side in zip(channels, sides, strict=True)]
    parts = features_BN.split([torch.Size(shape).numel() for shape in shapes], 1)
    return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]


def join_maps(maps: Sequence[Tensor]) -> Tensor:
    """Joins maps [B, C, Y, X] to features [B, N]; the reverse of `split_maps`."""
    return torch.cat([level.flatten(1) for level in maps], 1)


def build(config: NetworkConfig, sizes: Sizes) -> ContextAwarePoseFormer:
    """Builds the network for crops of a skeleton; `config.laws` checks views and frames."""
    return ContextAwarePoseFormer(config, joints=sizes.skeleton.num_joints, crop=sizes.crop)


def begin(network: ContextAwarePoseFormer, config: NetworkConfig, root: Path) -> None:
    """Loads the published weights into the trunk of a fresh network."""
    if network.backbone is not None and config.trunk_weights:
        load_trunk(network.backbone, trunk_file(config, root))


class JoinedMaps(nn.Module):
    """Frozen trunk that returns its maps as one row of features for each image."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, image_BCYX: Tensor) -> Tensor:
        """uint8 RGB [B, 3, Y, X] -> features [B, N]."""
        return join_maps(self.trunk(image_BCYX))


def trunk_of(config: NetworkConfig, root: Path) -> JoinedMaps:
    """Builds the trunk whose features the head alone reads."""
    trunk = Trunk(trunk_shape(config.trunk), is_frozen=True)
    load_trunk(trunk, trunk_file(config, root))
    return JoinedMaps(trunk)


def trunk_file(config: NetworkConfig, root: Path) -> Path:
    """Returns the file that `trunk_weights` names, relative to `root`; in a folder, that of the trunk."""
    path = root / config.trunk_weights
    return path / FILES[config.trunk] if path.is_dir() else path


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers sizes from the shapes of weights; heads, of levels and of joints, and rates cannot be inferred.

    ConfigError when the maps have the widths of no trunk here."""
    found: dict[str, object] = {}
    levels = [shapes.get(f"volume_net.feat_embed.{level}.weight", ()) for level in range(LEVELS)]
    if all(len(shape) == 2 for shape in levels):
        found["network.trunk"] = _trunk_named([shape[1] for shape in levels])
        found["network.features"] = "live" if any(name.startswith("backbone.") for name in shapes) else "cached"
    if len(shape := shapes.get("volume_net.Spatial_pos_embed", ())) == 4:
        found |= {"network.embed_dim": shape[3], "data.joints": shape[2]}
    if blocks := {name.split(".")[2] for name in shapes if name.startswith("volume_net.joint_blocks.")}:
        found["network.depth"] = len(blocks)
        found["network.context"] = "volume_net.context_blocks.0.norm1.weight" in shapes
    # Of the wider stack: there the ratio is rounded down less.
    if len(shape := shapes.get("volume_net.joint_blocks.0.mlp.fc1.weight", ())) == 2:
        found["network.mlp_ratio"] = shape[0] / shape[1]
    project = shapes.get("volume_net.context_blocks.0.embed_proj.0.weight", ())
    weights = shapes.get("volume_net.context_blocks.0.attention_weights.weight", ())
    if len(project) == len(weights) == 2 and project[0]:
        heads = weights[1] // project[0]
        found |= {"network.context_heads": heads, "network.points": weights[0] // max(heads, 1)}
    return found


def _trunk_named(widths: Sequence[int]) -> str:
    for trunk, width in WIDTHS.items():
        if list(widths) == [width * 2**level for level in range(LEVELS)]:
            return trunk
    known = ", ".join(f"{trunk} ({width})" for trunk, width in WIDTHS.items())
    found = f"the head reads maps of {', '.join(map(str, widths))} channels, which no trunk here makes"
    raise ConfigError("network.trunk", [f"{found}; trunks, with the channels of their finest map: {known}"])
