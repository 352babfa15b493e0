"""What a run reads and how it is cut into samples. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces.schema import knob

from .skeleton import BODY_24, H36M_16, H36M_17, HAND_21, Skeleton
from .splits import mesh_split_named

CROP_STEP = 32  # pixels; an image trunk halves its maps five times
MESH_CROP = (224, 224)  # of mesh sets, as published: the networks on them are wired for it


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What a network must know of its data: views V, frames F, and the skeleton with its J joints; target frames of a
    training sample; whether a window ends with its target instead of having it in the middle; height Y and width X in
    pixels of the crop that an image is; the mesh that is labelled: body, hand, or none ('')."""

    views: int
    frames: int
    skeleton: Skeleton
    stride: int = 1
    causal: bool = False
    crop: tuple[int, int] = (256, 192)
    mesh: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The data knobs. Subjects left empty come from the named split."""

    name: str = knob("synthetic", help="named split (synthetic, synthetic_images, h36m, ...: README) or a set of files")
    root: str = knob("data/store", help="folder of the data files")
    keypoints: str = knob("gt", help="source of the 2D: gt, or the detector in the name of the 2D file")
    joints: int = knob(17, choices=(16, 17), help="joints of the Human3.6M skeleton; 16 drops Neck/Nose")
    views: int = knob(
        1, least=1, most=4, help="synchronised cameras in one sample; 1: each camera is a sample of its own"
    )
    frames: int = knob(1, least=1, help="frames of the input window, odd")
    stride: int = knob(1, least=1, help="target frames of a training sample, side by side; scoring takes every frame")
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
    workers: int = knob(0, least=0, help="processes that decode images; pose files live on the device and use none")
    crop_height: int = knob(256, least=32, unit="px", help="height of image crops, a multiple of 32")
    crop_width: int = knob(192, least=32, unit="px", help="width of image crops, a multiple of 32")
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
    def sizes(self) -> Sizes:
        """Known without reading a file."""
        mesh = mesh_split_named(self.name)
        if mesh is not None:
            skeleton = BODY_24 if mesh.kind == "body" else HAND_21
            return Sizes(views=1, frames=1, skeleton=skeleton, crop=MESH_CROP, mesh=mesh.kind)
        skeleton = H36M_16 if self.joints == H36M_16.num_joints else H36M_17
        return Sizes(
            views=self.views,
            frames=self.frames,
            skeleton=skeleton,
            stride=self.stride,
            causal=self.causal,
            crop=(self.crop_height, self.crop_width),
        )

    @property
    def cache_folder(self) -> Path:
        """Beside the data, wherever a node has it, unless `cache` is a whole path."""
        return Path(self.root) / self.cache

    def problems(self) -> Iterator[tuple[str, str]]:
        """Windows have a middle frame, crops halve five times, and training never sees what selects."""
        if mesh_split_named(self.name) is not None:
            yield from self._mesh_problems()
        if self.frames % 2 == 0:
            yield "frames", f"must be odd; legal near it: {self.frames - 1}, {self.frames + 1}"
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
        """Samples of mesh sets are single images without subject and action."""
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
