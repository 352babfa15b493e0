"""A model as the rest of the code sees it: its hooks, each said once, and what its network answers. No torch.

A model's package names its parts in ENTRY, a mapping from fields of `Model` to where they are, "module:attribute", so
that naming them imports none. `registry` reads it. A new hook is one more field here.
"""

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
    from data.batches.stretch import Stretch
    from data.config import DataConfig, Sizes
    from data.poses.skeleton import Skeleton

Entry = Mapping[str, object]  # what ENTRY of a model's package is: a field of Model -> its place, or a fact's value
Scores = dict[str, tuple["Tensor", "Tensor"]]  # metric -> its values [B] and the weight [B] of each sample


# --- what a network answers


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Poses of a batch: pose3d [B, F', J, 3] metres, in the axes of the targets; window3d [B, F, J, 3] from a network
    that gives a pose for every frame of its window; root: the joint that is zero in the targets."""

    pose3d: Tensor
    window3d: Tensor | None = None
    root: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Meshes:
    """Meshes of a batch: their joints [B, J, 3] and vertices [B, P, 3], in metres from the root joint, x right, y down,
    z forward; camera [B, 3] scale and shift: scale * (x + shift x, y + shift y) of such a point is its place in the
    crop, which reaches from -1 to 1."""

    joints: Tensor
    vertices: Tensor
    camera: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """What all meshes of a network share: faces [n, 3], and the skeleton of the J joints; root: the joint at the
    origin, which need not be one of them."""

    faces: NDArray[np.int64]
    skeleton: Skeleton
    root: str


# --- hooks


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """How a network is fed and trained, which its config decides.

    reads: Batch fields that network and loss need
    unfusable: why the network cannot be a lane of an array; '' if it can
    rate_factors: name prefix of parameters -> factor on their learning rate; 0 freezes them
    paced: knobs of the network that spread a change over all epochs of a run
    takes_scores: whether the network is built for a third number of each joint, the detector's score (data.scores)
    """

    reads: tuple[str, ...] = ("pose2d", "pose3d")
    unfusable: str = ""
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    paced: tuple[str, ...] = ()
    takes_scores: bool = False


def lifting_traits(network: Any) -> Traits:
    """Traits of a model that names none: it lifts 2D poses to 3D poses of the middle frame."""
    return Traits()


def plain_name(name: str) -> str:
    """A published weight's name without the level that saving from several GPUs adds."""
    return name.removeprefix("module.")


def _part(help: str, place: str = "") -> dict[str, str]:
    """Metadata of a hook that is a part of the model's package, at `place` unless ENTRY names another."""
    return {"help": help, "place": place}


def _fact(help: str) -> dict[str, str]:
    """Metadata of a hook whose value ENTRY gives as it is."""
    return {"help": help}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The hooks that configuration needs; their parts import no torch. A hook with a default is left out at will."""

    name: str
    network: type = field(metadata=_part("knobs of the network, a frozen dataclass", "config:NetworkConfig"))
    objective: type = field(metadata=_part("knobs of the loss, a frozen dataclass", "config:ObjectiveConfig"))
    laws: Callable[[Any, Sizes], Iterator[tuple[str, str]]] = field(
        metadata=_part(
            "laws(network_config, sizes): (dotted path, message) where network and data do not go together",
            "config:laws",
        )
    )
    traits: Callable[[Any], Traits] = field(
        default=lifting_traits,
        metadata=_part(
            "traits(network_config): Batch fields that are read, whether an array takes it, rates of parameters; "
            "without: pose2d and pose3d, an array takes it, one rate"
        ),
    )
    selectable: tuple[str, ...] = field(
        default=("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjve_mm"),
        metadata=_fact("metrics whose lowest value may choose the best epoch"),
    )
    can_flip: bool = field(
        default=True,
        metadata=_fact("whether poses of mirrored input may be averaged in; False for a model with scores"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Model(ModelConfig):
    """All hooks of a model."""

    build: Callable[[Any, Sizes], nn.Module] = field(
        metadata=_part("build(network_config, sizes): module that maps a Batch to a Prediction", "network:build")
    )
    terms: Callable[[Prediction, Batch, Any], dict[str, Tensor]] = field(
        metadata=_part(
            "terms(prediction, batch, objective_config): loss terms by name, scalars that the engine adds up",
            "objective:terms",
        )
    )
    poses: Callable[[Prediction], Tensor] = field(
        metadata=_part(
            "poses(prediction): [B, F, J, 3] metres as the published protocol scores them", "objective:poses"
        )
    )
    slide: Callable[[Any], Callable[[Stretch], Prediction]] | None = field(
        default=None,
        metadata=_part(
            "slide(module): the module in evaluation mode, with its weights as they are now, as a function from a "
            "stretch of N samples to their Prediction, the same up to rounding; without: scoring calls the module"
        ),
    )
    rename: Callable[[str], str] = field(
        default=plain_name,
        metadata=_part("rename(name): our name of a published weight; without: the same, less a leading `module.`"),
    )
    infer: Callable[[Mapping[str, tuple[int, ...]]], dict[str, object]] | None = field(
        default=None, metadata=_part("infer(shapes): knobs that the shapes of published weights, by our names, tell")
    )
    spares: Callable[[Any, Sizes], frozenset[str]] | None = field(
        default=None,
        metadata=_part(
            "spares(network_config, sizes): published tensors, by our names, that this network does without"
        ),
    )
    scores: Callable[..., Scores] | None = field(
        default=None,
        metadata=_part(
            "scores(prediction, meshes): metrics of each sample, of these meshes instead of its own where they are "
            "given; without: poses alone are scored"
        ),
    )
    meshes: Callable[[Any], Meshes] | None = field(default=None, metadata=_part("meshes(prediction): its Meshes"))
    surface: Callable[[Any], Surface] | None = field(
        default=None, metadata=_part("surface(module): the Surface that all its meshes share")
    )
    demands: Callable[[Any, DataConfig, bool], Iterator[str]] | None = field(
        default=None,
        metadata=_part(
            "demands(network_config, data_config, is_fresh): what is missing or wrong of the files that the network "
            "is built from and, where a run starts anew, begins from"
        ),
    )
    begin: Callable[[Any, Any, Path], None] | None = field(
        default=None,
        metadata=_part(
            "begin(module, network_config, root): puts in what a fresh run takes from files, whose paths begin at the "
            "folder root"
        ),
    )
    trunk: Callable[[Any, Path], nn.Module] | None = field(
        default=None,
        metadata=_part(
            "trunk(network_config, root): module that makes features [B, N] of crops uint8 [B, 3, Y, X] before training"
        ),
    )
    tiny: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=_fact("overrides by dotted path with which the model trains in a second, for tests"),
    )
    strangers: str = field(
        default="", metadata=_fact("what to say of published weights that are taken for this model's and are not")
    )
