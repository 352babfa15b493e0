"""Data knobs (`DataConfig`): which set and split a run reads, windows, augmentation, loading. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces.schema import LARGEST_SIZE, knob

from .poses.families import FAMILIES, Family, family_of
from .poses.skeleton import BODY_24, HAND_21, Skeleton
from .poses.splits import mesh_split_named, set_of

NO_MIRROR = "mirrored images are of no pose that the world's axes could tell"

CROP_STEP = 32  # pixels; an image trunk halves its maps five times
LARGEST_CROP = 4096  # pixels of a side
MOST_DECODERS = 256  # processes
HANDS = RIGHT, LEFT = ("right", "left")  # of images of hands; networks know right ones
MESH_CROP = (224, 224)  # of mesh sets, as published: the networks on them are wired for it


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Sizes of the data that a network is built for: views V, frames F, and the skeleton with its J joints; `stride`:
    target frames of a training sample; `causal`: whether a window ends with its target instead of having it in the
    middle; `scores`: whether each joint of the 2D has a detector's score behind x and y; `crop`: height Y and width X
    of an image crop in pixels; `mesh`: kind of the labelled mesh, body, hand, or none ('')."""

    views: int
    frames: int
    skeleton: Skeleton
    stride: int = 1
    causal: bool = False
    scores: bool = False
    crop: tuple[int, int] = (256, 192)
    mesh: str = ""

    @property
    def channels(self) -> int:
        """The numbers of each joint of the 2D: x and y, and the score."""
        return 3 if self.scores else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Data knobs of a run. Subjects left empty come from the named split."""

    name: str = knob(
        "synthetic",
        help="named split (synthetic, synthetic_images, h36m, cmu, humaneva, 3dhp: table of splits) or a set of files",
    )
    root: str = knob("data/store", help="folder of the data files")
    keypoints: str = knob("gt", help="source of the 2D: gt, or the detector in the name of the 2D file")
    scores: bool = knob(False, help="the detector's score of each joint is a third number of the input")
    joints: int = knob(
        17,
        choices=(15, 16, 17),
        help="joints; Human3.6M: 17, or 16 without Neck/Nose; HumanEva-I: 15; MPI-INF-3DHP: 17",
    )
    views: int = knob(
        1, least=1, most=4, help="synchronised cameras in one sample; 1: each camera is a sample of its own"
    )
    axes: str = knob(
        "camera",
        choices=("camera", "world"),
        help="axes of the 3D poses: those of a sample's first camera, or the world's",
    )
    frames: int = knob(1, least=1, most=LARGEST_SIZE, help="frames of the input window, odd")
    stride: int = knob(
        1,
        least=1,
        most=LARGEST_SIZE,
        help="target frames of a training sample, side by side; scoring takes every frame",
    )
    causal: bool = knob(False, help="the target is the last frame of the window, not the middle one")
    flip: bool = knob(False, help="train on every sample a second time, mirrored")
    flip_by: str = knob(
        "samples",
        choices=("samples", "batches"),
        help="what flip does: every sample twice, or each batch whole, mirrored or not by a coin",
    )
    order: str = knob(
        "seeded", choices=("seeded", "reference"), help="sample order of training; reference: RandomState(1234)"
    )
    actions: tuple[str, ...] = knob((), help="actions to use, by exact name without the take number; empty: all")
    downsample: int = knob(1, least=1, help="training keeps every n-th target frame; val and test keep all")
    subset: float = knob(1.0, above=0, most=1, help="share of each training track to keep, from a drawn start")
    workers: int = knob(
        0, least=0, most=MOST_DECODERS, help="processes that decode images; pose files live on the device and use none"
    )
    crop_height: int = knob(256, least=32, most=LARGEST_CROP, unit="px", help="height of image crops, a multiple of 32")
    crop_width: int = knob(192, least=32, most=LARGEST_CROP, unit="px", help="width of image crops, a multiple of 32")
    cache: str = knob("cache", help="folder of decoded crops, as seen from data.root; may be deleted at any time")
    broken_images: str = knob(
        "stop", choices=("stop", "skip"), help="missing or broken images: stop and name them, or go on without"
    )
    turn_deg: float = knob(
        30.0, least=0, unit="degrees", help="mesh sets: deviation of turns in training; published: body 30, hand 90"
    )
    zoom: float = knob(0.25, least=0, below=1, help="mesh sets: deviation, and limit, of the size of training boxes")
    gain: float = knob(0.4, least=0, below=1, help="mesh sets: most that a colour is off in training, as a share")
    mirror: float = knob(0.5, least=0, most=1, help="mesh sets: share of mirrored training samples; hands never are")
    train_subjects: tuple[str, ...] = knob((), help="subjects to train on; empty: those of the split")
    val_subjects: tuple[str, ...] = knob((), help="subjects that select; empty: those of the split")
    test_subjects: tuple[str, ...] = knob((), help="subjects for `evaluate`; empty: those of the split")

    @property
    def family(self) -> Family:
        """The data set family (Human3.6M, HumanEva-I or MPI-INF-3DHP) that the name of the set belongs to."""
        return family_of(set_of(self.name))

    @property
    def sizes(self) -> Sizes:
        """The sizes that a network is built for, computed without reading a file; where `joints` does not fit the
        family, those of the family's first skeleton."""
        mesh = mesh_split_named(self.name)
        if mesh is not None:
            skeleton = BODY_24 if mesh.kind == "body" else HAND_21
            return Sizes(views=1, frames=1, skeleton=skeleton, crop=MESH_CROP, mesh=mesh.kind)
        return Sizes(
            views=self.views,
            frames=self.frames,
            skeleton=self.family.skeleton(self.joints) or self.family.skeletons[0],
            stride=self.stride,
            causal=self.causal,
            scores=self.scores,
            crop=(self.crop_height, self.crop_width),
        )

    @property
    def cache_folder(self) -> Path:
        """The folder of the crop cache: below `root`, unless `cache` is an absolute path."""
        return Path(self.root) / self.cache

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for every inconsistency: joints and 2D source must be the family's, windows odd, axes
        fit the views, crop sides multiples of 32, training subjects disjoint from scored ones, mesh sets read image by
        image."""
        family = self.family
        if mesh_split_named(self.name) is not None:
            yield from self._mesh_problems()
        elif self.joints not in family.counts:
            yield "joints", f"does not go with data.name = {self.name}: {_remedy(family, self.joints)}"
        if family.keypoints and self.keypoints != family.keypoints:
            yield "keypoints", f"is not in the files of {family.title}; use {family.keypoints}"
        if self.frames % 2 == 0:
            yield "frames", f"must be odd; legal near it: {self.frames - 1}, {self.frames + 1}"
        if self.axes == "world" and self.views == 1:
            told = "each camera is a sample of its own, and nothing tells the network where it stands"
            yield "axes", f"must be camera while data.views = 1: {told}; or raise data.views"
        if self.axes == "world" and self.flip:
            yield "flip", f"must be false while data.axes = world: {NO_MIRROR}; or set data.axes = camera"
        for field in ("crop_height", "crop_width"):
            side = getattr(self, field)
            if side % CROP_STEP:
                below = max(side // CROP_STEP, 1) * CROP_STEP
                yield field, f"must be a multiple of {CROP_STEP}; legal near it: {below}, {below + CROP_STEP}"
        for field in ("val_subjects", "test_subjects"):
            shared = sorted(set(self.train_subjects) & set(getattr(self, field)))
            if shared:
                yield (
                    field,
                    f"shares {', '.join(shared)} with train_subjects; a subject is trained on or scored, not both",
                )

    def _mesh_problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for knobs that mesh sets do not have: their samples are single images without subject
        and action."""
        for field in ("frames", "views", "stride"):
            if getattr(self, field) != 1:
                yield field, f"must be 1: {self.name} is a set of single images"
        for field in ("actions", "train_subjects", "val_subjects", "test_subjects"):
            if getattr(self, field):
                yield field, f"must be empty: images of {self.name} have neither subject nor action"
        if self.flip:
            yield "flip", f"must be off: samples of {self.name} are mirrored by data.mirror"
        if self.broken_images != "stop":
            yield "broken_images", "must be stop: take broken rows out of the linelist of a mesh set"


def _remedy(family: Family, joints: int) -> str:
    """Returns the advice for a joint count that the family does not have."""
    counts = " or ".join(map(str, family.counts))
    others = [other.split for other in FAMILIES.values() if joints in other.counts]
    return (
        f"{family.title} has {counts}; set data.joints = {counts}, or name a set with {joints} (as {', '.join(others)})"
    )


def chosen_data(name: str) -> dict[str, object]:
    """Returns the knobs that `--data NAME` sets: the name, and the joints of a family that has one skeleton."""
    counts = family_of(set_of(name)).counts
    return {"data.name": name} | ({"data.joints": counts[0]} if len(counts) == 1 else {})
