"""What the registry knows of a model: the names of its parts first, the parts themselves when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from data.batches.batch import Batch
    from data.config import DataConfig, Sizes
    from data.poses.skeleton import Skeleton

Infer = Callable[[Mapping[str, tuple[int, ...]]], dict[str, object]]
Scores = dict[str, tuple["Tensor", "Tensor"]]  # metric -> its values [B] and the weight [B] of each sample
Demands = Callable[[Any, "DataConfig", bool], Iterator[str]]
Spares = Callable[[Any, "Sizes"], frozenset[str]]
Laws = Callable[[Any, "Sizes"], Iterator[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a network's config decides about how it is fed and trained.

    reads: Batch fields it needs; unfusable: why it cannot be a lane of an array, '' if it can
    rate_factors: factor on the learning rate of the parameters whose names begin so; 0: they are frozen
    """

    reads: tuple[str, ...]
    unfusable: str = ""
    rate_factors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """A model's record in its package: parts as "module:attribute", so that naming them imports none.

    `reads` and `unfusable` are the traits of a model that has them whatever its config; others name their `traits`.
    `selectable`: metrics whose lowest value may choose the best epoch."""

    name: str
    network: str = "config:NetworkConfig"
    objective: str = "config:ObjectiveConfig"
    laws: str = "config:laws"
    build: str = "network:build"
    rename: str = "network:rename"
    terms: str = "objective:terms"
    poses: str = "objective:poses"
    scores: str = ""
    meshes: str = ""
    surface: str = ""
    selectable: tuple[str, ...] = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjve_mm")
    reads: tuple[str, ...] = ("pose2d", "pose3d")
    tiny: Mapping[str, Any] = field(default_factory=dict)
    unfusable: str = ""
    traits: str = ""
    demands: str = ""
    begin: str = ""
    trunk: str = ""
    infer: str = ""
    spares: str = ""
    strangers: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The part of a model that configuration needs. `laws` yields (dotted path, message) where network and data sizes
    do not go together; `traits` of a network config; the metrics that may select; whether mirrored input is averaged.
    """

    network: type
    objective: type
    laws: Laws
    traits: Callable[[Any], Traits]
    selectable: tuple[str, ...]
    can_flip: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A whole model.

    build(network_config, sizes) -> module that maps Batch to Prediction
    terms(prediction, batch, objective_config) -> loss terms, scalars that the engine adds up
    poses(prediction) -> [B, F, J, 3] metres as the published protocol scores them
    scores(prediction, meshes) -> the metrics of each sample, of these meshes instead of its own where they are given;
    None where poses alone are scored, as all lifting models are
    meshes(prediction) -> its Meshes, and surface(module) -> what all of them share; None where there are none
    rename(name) -> our name of a published weight
    traits(network_config) -> what it reads, whether it can be a lane, which parameters have rates of their own
    demands(network_config, data_config, is_fresh) yields what is missing or wrong of the files that it is built from,
    and, where a run starts anew, begun from; None where it needs none
    begin(network, network_config, root): puts in what a fresh run takes from files, whose paths begin at the folder
    root; None where it takes nothing
    trunk(network_config, root) -> module that makes features [B, N] of crops uint8 [B, 3, Y, X]; None where none is run
    beforehand
    tiny: overrides that train in a second
    strangers: what to say of published weights that are taken for this network's and are not
    infer(shapes) -> knobs that the shapes of published weights (by our names) tell; None where nobody wrote it down
    spares(network_config, sizes) -> published tensors, by our names, that this network does without; None: it has all
    """

    name: str
    network: type
    objective: type
    laws: Laws
    build: Callable[[Any, Sizes], nn.Module]
    rename: Callable[[str], str]
    terms: Callable[[Prediction, Batch, Any], dict[str, Tensor]]
    poses: Callable[[Prediction], Tensor]
    scores: Callable[..., Scores] | None
    meshes: Callable[[Any], Meshes] | None
    surface: Callable[[Any], Surface] | None
    traits: Callable[[Any], Traits]
    tiny: Mapping[str, Any]
    strangers: str
    demands: Demands | None
    begin: Callable[[Any, Any, Path], None] | None
    trunk: Callable[[Any, Path], nn.Module] | None
    infer: Infer | None
    spares: Spares | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a network answers: pose3d [B, F', J, 3] metres, in the axes of the targets; window3d [B, F, J, 3] from a
    network that gives a pose for every frame of its window; root: the joint that is zero in the targets."""

    pose3d: Tensor
    window3d: Tensor | None = None
    root: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Meshes:
    """joints [B, J, 3], those of the mesh, and its vertices [B, P, 3], in metres from its root joint, x right, y down,
    z forward; camera [B, 3] scale and shift: scale * (x + shift x, y + shift y) of such a point is its place in the
    crop, which reaches from -1 to 1."""

    joints: Tensor
    vertices: Tensor
    camera: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """Of every mesh of a network: faces [n, 3], and the skeleton of its J joints; root: the joint at the origin, which
    need not be one of them."""

    faces: NDArray[np.int64]
    skeleton: Skeleton
    root: str
