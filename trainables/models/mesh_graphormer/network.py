"""Network of Mesh Graphormer (ICCV 2021): one image to the joints and the mesh of a body or a hand, and a
weak-perspective camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.batches.batch import Batch, Sizes
from data.bodies.body_model import BodyModel
from data.config import CROP_STEP
from data.poses.skeleton import BODY_14, HAND_21
from spaces.errors import ConfigError

from ...entry import Surface
from ...layers.exact import Exact
from ...layers.hrnet import ClassHRNet, Shape, normalise, shape_of
from ...layers.smpl import BodyLayer, hand_joints
from ...weights.trunks import load_trunk
from .config import BLOCKS, POSITIONS, REDUCED, WIDTHS, NetworkConfig
from .encoder import WORDS, BlockShape, Plain, Queries, stack_of
from .files import models_of
from .masking import TokenMask
from .mesh import WRIST, Mesh, coarser, mesh_of
from .start import interpolate, look_at

CAMERA = {"body": 250, "hand": 150}  # channels of the camera head


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshTruth:
    """Ground truth of a batch: joints2d [B, J, 3] and joints3d [B, J, 4] with confidences; meshes as predicted, their
    root at zero; has3d and has_mesh [B] 0 or 1."""

    joints2d: Tensor
    joints3d: Tensor
    meshes: tuple[Tensor, ...]
    has3d: Tensor
    has_mesh: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshPrediction:
    """Prediction of Mesh Graphormer: camera [B, 3] scale, x, y; pose3d [B, 1, J, 3]: the joint tokens' joints; meshes
    [B, V, 3] ... [B, P, 3], coarsest first; mesh_joints [B, J, 3] and mesh_root [B, 1, 3] of the finest; metres.
    middle: joints whose mid point losses and scores subtract. truth: None for a batch without pose and shape."""

    camera: Tensor
    pose3d: Tensor
    meshes: tuple[Tensor, ...]
    mesh_joints: Tensor
    mesh_root: Tensor
    middle: tuple[int, ...]
    truth: MeshTruth | None


class MeshGraphormer(nn.Module):
    """Whole network for a mesh; with a body model it also computes the ground-truth meshes of a batch."""

    def __init__(self, config: NetworkConfig, mesh: Mesh, body: BodyModel | None) -> None:
        super().__init__()
        shape = trunk_shape(config.trunk)
        self.backbone = ClassHRNet(shape, is_compact=config.compact)
        self.backbone.is_replayed = self.is_replayed = config.checkpointing
        self.reduced = REDUCED.get(config.trunk, 1)
        self.is_body = config.mesh == "body"
        self.num_joints, self.annotated, self.middle = mesh.num_joints, mesh.annotated, mesh.middle
        channels = shape.pooled + 3
        self.trans_encoder = stack_of(block_shapes(config, channels))
        self.token_mask = TokenMask(config.mask_rate, (mesh.num_joints, mesh.sizes[0]))
        self.grid_feat_dim = nn.Linear(shape.grid, channels)
        seen = mesh.sizes[0] if self.is_body else mesh.num_joints + mesh.sizes[0]
        self.cam_param_fc = nn.Linear(3, 1)
        self.cam_param_fc2 = nn.Linear(seen, CAMERA[config.mesh])
        self.cam_param_fc3 = nn.Linear(CAMERA[config.mesh], 3)
        self.upsampling = nn.Linear(mesh.sizes[0], mesh.sizes[1])
        if self.is_body:
            self.upsampling2 = nn.Linear(mesh.sizes[1], mesh.sizes[2])
        self.constants = Exact(
            {"template": mesh.template, "adjacency": mesh.adjacency, "regressor": mesh.regressor, "root": mesh.root}
        )
        self.down = Exact({f"level{i}": index for i, index in enumerate(mesh.down)})
        self.num_down = len(mesh.down)
        self.body_layer = None if body is None else BodyLayer(body)
        self.faces = None if body is None else body.faces

    def forward(self, batch: Batch) -> MeshPrediction:
        """Predicts joints and meshes from `batch.image` [B, 1, 3, Y, X]."""
        assert batch.image is not None, "mesh_graphormer needs Batch.image"
        mask = self.token_mask(batch.size, batch.image.device) if self.training else None
        camera, joints, *meshes = self.finish(self.tokens(batch.image[:, 0], mask))
        with torch.autocast(camera.device.type, enabled=False):
            return MeshPrediction(
                camera=camera,
                pose3d=joints.unsqueeze(1),
                meshes=tuple(meshes),
                mesh_joints=self.constants.regressor @ meshes[-1],
                mesh_root=(self.constants.root @ meshes[-1]).unsqueeze(1),
                middle=self.middle,
                truth=None if batch.body_pose is None or self.body_layer is None else self._truth(batch),
            )

    def tokens(self, image_BCYX: Tensor, mask_BT: Tensor | None) -> Queries:
        """Returns the input tokens from uint8 pixels: the template's joints and vertices, each with the image feature,
        and the image's grid; with a mask [B, J + V] that is 0 where a token is hidden."""
        pooled, grid = self.backbone(self.normalised(image_BCYX))
        places = self.grid_feat_dim(grid.flatten(2).permute(2, 0, 1))
        return Queries(places=self.constants.template, feature=pooled, grid=places, mask=mask_BT)

    def finish(self, tokens: Queries) -> tuple[Tensor, ...]:
        """Encodes `tokens` to camera [B, 3], joints [B, J, 3] and meshes, coarsest first."""
        adjacency, joints = self.constants.adjacency, self.num_joints
        one, *more, last = self.trans_encoder
        x = Plain(one(tokens, adjacency, joints, is_replayed=self.is_replayed))
        for block in more:
            x = Plain(block(x, adjacency, joints, is_replayed=self.is_replayed))
        # Coordinates of a metre in bfloat16 are 4 mm apart, so the last block and what follows are exact.
        with torch.autocast(adjacency.device.type, enabled=False):
            x_TBC = last(Plain(x.x_TBC.to(adjacency.dtype)), adjacency, joints, is_replayed=self.is_replayed)
            found = x_TBC[: joints + len(adjacency)].transpose(0, 1)
            coarse = found[:, joints:]
            return self._camera(coarse if self.is_body else found), found[:, :joints], *self._finer(coarse)

    def normalised(self, image_BCYX: Tensor) -> Tensor:
        """Normalises uint8 pixels as the trunk was trained, to the network's dtype."""
        # In float32 whatever the type: so are the published inputs.
        pixels = image_BCYX.to(torch.float32)
        if self.reduced > 1:
            pixels = functional.avg_pool2d(pixels, self.reduced)
        pixels = normalise(pixels)
        if self.reduced > 1:
            # Evenly on both sides, so that the middle of a crop stays the middle of the grid.
            edges = [(-side % CROP_STEP + more) // 2 for side in reversed(pixels.shape[-2:]) for more in (0, 1)]
            pixels = functional.pad(pixels, edges)
        return pixels.to(self.backbone.conv1.weight.dtype)

    def _camera(self, points_BTC: Tensor) -> Tensor:
        mixed = self.cam_param_fc(points_BTC).squeeze(-1)
        return self.cam_param_fc3(self.cam_param_fc2(mixed))

    def _finer(self, coarse_BVC: Tensor) -> list[Tensor]:
        """Upsamples the coarse mesh by learned layers; returns it on every level."""
        levels = [coarse_BVC]
        for step in self.steps_up:
            levels.append(step(levels[-1].mT).mT)
        return levels

    @property
    def steps_up(self) -> list[nn.Linear]:
        """The upsampling layers from each level of the mesh to the next finer one, from the coarsest on."""
        return [self.upsampling, self.upsampling2] if self.is_body else [self.upsampling]

    @torch.no_grad()
    def _truth(self, batch: Batch) -> MeshTruth:
        """Computes the meshes of the labelled pose and shape, their root at zero. A hand's joints are those of its
        model."""
        assert self.body_layer is not None
        for name in ("joints2d", "joints3d", "betas", "has"):
            assert getattr(batch, name) is not None, f"mesh_graphormer needs Batch.{name}"
        pick, has = list(self.annotated), batch.has.unbind(1)  # type: ignore[union-attr]
        vertices, parts = self.body_layer(batch.body_pose, batch.betas)
        if self.is_body:
            origin = (self.constants.root @ vertices).unsqueeze(1)
            joints3d = batch.joints3d[:, pick]  # type: ignore[index]
        else:
            joints = hand_joints(parts, vertices)
            origin = joints[:, WRIST : WRIST + 1]
            joints3d = torch.cat((joints - origin, torch.ones_like(joints[..., :1])), -1)
        down = [getattr(self.down, f"level{i}") for i in range(self.num_down)]
        return MeshTruth(
            joints2d=batch.joints2d[:, pick],  # type: ignore[index]
            joints3d=joints3d,
            meshes=tuple(coarser(vertices - origin, down)),
            has3d=has[1] if self.is_body else has[2],
            has_mesh=has[2],
        )


def trunk_shape(trunk: str) -> Shape:
    """Returns the sizes of a published trunk; the tiny one is narrow and shallow enough to train on a CPU in
    minutes."""
    if trunk == "tiny":
        shape = shape_of(WIDTHS[trunk], modules=(1, 1, 1), blocks=1, stem=16)
        return Shape(stages=shape.stages, bottlenecks=1, planes=8, stem=16, increased=(4, 8, 16, 32), pooled=128)
    return shape_of(WIDTHS[trunk])


def block_shapes(
    config: NetworkConfig, channels: int, *, words: int = WORDS, positions: int = POSITIONS
) -> list[BlockShape]:
    """Returns the sizes of the three blocks for tokens of so many channels."""
    outs = (*config.widths, 3)
    return [
        BlockShape(
            channels=(channels, *config.widths)[block],
            hidden=config.hidden[block],
            out=outs[block],
            layers=config.layers,
            heads=config.heads,
            scale=config.feed_forward,
            has_graph=config.graph[block],
            is_compact=config.compact,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            words=words,
            positions=positions,
        )
        for block in range(BLOCKS)
    ]


def build(config: NetworkConfig, sizes: Sizes) -> MeshGraphormer:
    """Builds the network with its body or hand model; `config.laws` checks the data's sizes."""
    body, levels = models_of(config.mesh, config.body_files)
    return MeshGraphormer(config, mesh_of(config.mesh, body, levels), body)


def begin(network: MeshGraphormer, config: NetworkConfig, root: Path) -> None:
    """Loads the published weights into the trunk of a fresh network, and initialises its last layers as the config
    says."""
    if config.trunk_weights:
        load_trunk(network.backbone, root / config.trunk_weights)
    if config.start == "template":
        interpolate(network.steps_up, *models_of(config.mesh, config.body_files))
        look_at(network.cam_param_fc3, network.constants.template)


def surface(network: MeshGraphormer) -> Surface:
    """Returns the faces of the body or hand model, and the joints that are regressed from the mesh."""
    assert network.faces is not None, "a network without its body model has no faces"
    skeleton, root = (BODY_14, "pelvis") if network.is_body else (HAND_21, "wrist")
    return Surface(faces=network.faces, skeleton=skeleton, root=root)


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers sizes from the shapes of weights; heads and rates cannot be inferred. ConfigError for a trunk of an
    unknown width."""
    found: dict[str, object] = {}
    blocks = [f"trans_encoder.{block}." for block in range(BLOCKS)]
    inside = [shapes.get(f"{block}bert.img_embedding.weight", ()) for block in blocks]
    if all(len(shape) == 2 for shape in inside):
        found["network.hidden"] = tuple(shape[0] for shape in inside)
        found["network.widths"] = tuple(shape[1] for shape in inside[1:])
        layer = "bert.encoder.layer.0."
        found["network.graph"] = tuple(f"{block}{layer}graph_conv.lin1.W" in shapes for block in blocks)
        if f"{blocks[0]}bert.pooler.dense.weight" not in shapes:
            found["network.compact"] = True
        found["network.layers"] = len(
            {name.split(".")[5] for name in shapes if name.startswith(f"{blocks[0]}bert.encoder.")}
        )
        if len(wide := shapes.get(f"{blocks[0]}{layer}intermediate.dense.weight", ())) == 2:
            found["network.feed_forward"] = wide[0] / wide[1]
    if len(shape := shapes.get("backbone.stage2.0.branches.0.0.conv1.weight", ())) == 4:
        found["network.trunk"] = _trunk_named(shape[0])
    if len(shape := shapes.get("cam_param_fc2.weight", ())) == 2:
        found["network.mesh"] = "body" if "upsampling2.weight" in shapes else "hand"
    return found


def _trunk_named(width: int) -> str:
    if width in WIDTHS.values():
        return next(trunk for trunk, own in WIDTHS.items() if own == width)
    known = ", ".join(f"{trunk} ({own})" for trunk, own in WIDTHS.items())
    raise ConfigError(
        "network.trunk", [f"the finest branch of these weights has {width} channels; trunks, with theirs: {known}"]
    )
