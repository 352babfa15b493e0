"""Clips as flat arrays: a track is one clip seen by one camera, or by several cameras together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import DataConfig
from ..errors import DataError
from ..poses.geometry import to_screen, world_to_camera
from ..poses.poseset import Camera
from ..poses.poseset import Sequence as Clip
from .truth import Truth, step_weights


@dataclasses.dataclass(frozen=True, slots=True)
class Tracks:
    """Flat arrays of one split with N frames in T tracks; a track is one clip, seen by V cameras.

    pose2d [N, V*J*C] with C = 2, or 3 with scores, pose3d [N, J*3], root3d [N, 3], valid [N] mask of the frames that
    count in a score, camera [T, V, 9], action [T], subject [T], lengths [T]; units as in Batch."""

    pose2d: Tensor
    pose3d: Tensor
    root3d: Tensor
    valid: Tensor
    camera: Tensor
    action: Tensor
    subject: Tensor
    lengths: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Tracks:
        """Returns the tracks on a device; `dtype` applies to floating-point arrays only."""
        arrays = [getattr(self, field.name) for field in dataclasses.fields(self)]
        return Tracks(*(x.to(device, dtype) if x.is_floating_point() else x.to(device) for x in arrays))

    def truth(self) -> Truth:
        """Returns the target poses that predictions are scored against."""
        lengths = self.lengths
        track = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
        valid = None if bool(self.valid.all()) else self.valid
        return Truth(
            pose3d=self.pose3d.view(len(track), -1, 3),
            action=self.action.index_select(0, track),
            subject=self.subject.index_select(0, track),
            valid=valid,
            step_weight=step_weights(lengths, valid),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Stored frames [first, end) of one track. `name`: its subject, action and camera, of several cameras the first;
    `fps`: its frame rate, None where it is not known."""

    name: str
    first: int
    end: int
    fps: float | None


def spans_of(clips: Sequence[Clip], views: int, fps: float | None) -> list[Span]:
    """Lists the spans of the tracks that `tracks_of` makes, in its order. `fps`: frame rate of the set."""
    spans: list[Span] = []
    for clip in clips:
        for cameras in _view_groups(len(clip.cameras), views):
            first = spans[-1].end if spans else 0
            name = f"{clip.subject}, {clip.action}, camera {clip.cameras[cameras[0]].name}"
            rate = clip.fps if clip.fps is not None else fps
            spans.append(Span(name=name, first=first, end=first + len(clip.pose3d), fps=rate))
    return spans


def tracks_of(clips: Sequence[Clip], config: DataConfig, actions: tuple[str, ...], subjects: tuple[str, ...]) -> Tracks:
    """Converts clips to tracks: one per clip and camera with one view, one per clip with several. DataError lists every
    clip with too few cameras, or with 2D and 3D of different lengths."""
    problems = [text for clip in clips for text in _problems(clip, config.views)]
    if config.scores and (without := [clip for clip in clips if clip.scores is None]):
        first = f"subject {without[0].subject}, action {without[0].action}"
        problems.append(
            f"data.scores = true, but the 2D '{config.keypoints}' of {len(without)} clips has no scores, the first one "
            f"{first}; store (n, J, 3) arrays, or set data.scores = false"
        )
    if problems:
        raise DataError(f"data.name = {config.name}", problems)
    pose2d, pose3d, root3d, valid, camera, action, subject, lengths = [], [], [], [], [], [], [], []
    root = config.sizes.skeleton.root
    for clip in clips:
        world = torch.from_numpy(clip.pose3d)
        lenses = [torch.from_numpy(lens.intrinsics) for lens in clip.cameras]
        screens = [
            to_screen(torch.from_numpy(pixels), lens.width, lens.height).float()
            for pixels, lens in zip(clip.pose2d, clip.cameras, strict=True)
        ]
        if config.scores:
            assert clip.scores is not None, "looked for before"
            screens = [with_scores(screen, score) for screen, score in zip(screens, clip.scores, strict=True)]
        for views in _view_groups(len(clip.cameras), config.views):
            poses = world if config.axes == "world" else _to_camera(world, clip.cameras[views[0]])
            pose2d.append(torch.stack([screens[view] for view in views], 1).flatten(1))
            root3d.append(poses[:, root])
            pose3d.append((poses - poses[:, root, None]).flatten(1))
            valid.append(torch.ones(len(world), dtype=torch.bool) if clip.valid is None else torch.tensor(clip.valid))
            camera.append(torch.stack([lenses[view] for view in views]).float())
            action.append(actions.index(clip.group))
            subject.append(subjects.index(clip.subject))
            lengths.append(len(world))
    return Tracks(
        pose2d=torch.cat(pose2d),
        pose3d=torch.cat(pose3d),
        root3d=torch.cat(root3d),
        valid=torch.cat(valid),
        camera=torch.stack(camera),
        action=torch.tensor(action),
        subject=torch.tensor(subject),
        lengths=torch.tensor(lengths),
    )


def _problems(clip: Clip, views: int) -> Iterator[str]:
    """Yields the faults of a clip: too few cameras, and 2D of another length than the 3D (views are paired by frame
    number)."""
    place = f"subject {clip.subject}, action {clip.action}"
    if len(clip.cameras) < views:
        remedy = f"lower data.views to {len(clip.cameras)}, or leave the subject out of the data.*_subjects knobs"
        yield f"{place}: has {len(clip.cameras)} views, but data.views = {views}; {remedy}"
    for at, (pixels, camera) in enumerate(zip(clip.pose2d, clip.cameras, strict=True)):
        if len(pixels) != len(clip.pose3d):
            found = f"2D has {len(pixels)} frames, 3D has {len(clip.pose3d)}"
            yield f"{place}, camera {at} ({camera.name}): {found}; re-run the detector or drop the clip"


def with_scores(screen: Tensor, score: NDArray[np.floating[Any]]) -> Tensor:
    """Appends scores [n, J] to points [n, J, 2] in screen units, each between 0 and 1; 0 stands for a joint that was
    not detected."""
    share = torch.from_numpy(np.nan_to_num(score, nan=0.0)).to(screen).clamp(0, 1)
    return torch.cat((screen, share.unsqueeze(-1)), -1)


def _to_camera(world: Tensor, camera: Camera) -> Tensor:
    orientation, translation = (torch.from_numpy(part).to(world) for part in (camera.orientation, camera.translation))
    return world_to_camera(world, orientation, translation)


def _view_groups(num_cameras: int, views: int) -> list[list[int]]:
    """Returns the cameras of each track; several views are always the first ones: networks identify them by
    position."""
    return [[view] for view in range(num_cameras)] if views == 1 else [list(range(views))]
