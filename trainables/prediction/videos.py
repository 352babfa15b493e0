"""`predict` for networks that read keypoints: lifts those of one or several synchronised videos frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from data.batches.batch import Batch
from data.batches.tracks import with_scores
from data.batches.windows import windows
from data.config import DataConfig
from data.inputs.footage import Footage, Frames
from data.inputs.joint_maps import long_gaps
from data.inputs.videos import Videos
from data.poses.geometry import to_screen

from ..cli.predict import PredictRequest
from ..entry import Model
from ..pictures.rendering import render
from ..pictures.skeletons import Scene
from ..scoring.evaluation import from_root, poses_of
from .input import Lifted, lifted_poses

INPUT_FRAMES = 8192  # of all views, windows counted whole, in one forward pass; a speed choice, bounds the memory
GAPS_SHOWN = 12  # lines of a view
# The world has z up; a film has x right, y down, z forward. A rotation, so that left stays left.
UPRIGHT = np.array(((1, 0, 0), (0, 0, -1), (0, 1, 0)), np.float32)


@dataclass(frozen=True, slots=True)
class GivenVideos:
    """Keypoints of videos as an `Input` of `predict`; footage: the photo or clip of each, where they were detected
    here."""

    request: PredictRequest
    videos: Videos
    footage: tuple[Footage, ...] = ()

    @property
    def made(self) -> tuple[str, ...]:
        return self.videos.made

    def told(self) -> list[str]:
        views = zip(self.videos.paths, self.videos.keypoints, strict=True)
        return [
            f"{path}: {len(keypoints.points)} frame{'s' if len(keypoints.points) > 1 else ''}, {len(keypoints.joints)} "
            f"{keypoints.layout} joints, {keypoints.width} x {keypoints.height} pixels, {keypoints.fps:g} frames a "
            "second"
            for path, keypoints in views
        ]

    def notes(self) -> list[str]:
        videos, joints = self.videos, self.request.config.data.sizes.skeleton.joints
        notes = []
        if first := videos.keypoints[0].first:
            notes.append(f"frame 0 of the output is frame {first} of the file")
        for path, keypoints in zip(videos.paths, videos.keypoints, strict=True):
            view = f"{path}: " if len(videos.paths) > 1 else ""
            notes += [view + note for note in keypoints.notes]
        for path, is_missing in zip(videos.paths, videos.is_missing, strict=True):
            view = f"{path}: " if len(videos.paths) > 1 else ""
            notes += [view + note for note in _gap_notes(is_missing, joints, videos.fps)]
        return notes

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Lifted:
        data = self.request.config.data
        views = zip(self.videos.pixels, self.videos.sizes, strict=True)
        screen = torch.stack([to_screen(torch.from_numpy(view), *size) for view, size in views]).float()
        if data.scores:
            assert self.videos.scores is not None, "looked for when they were read"
            screen = with_scores(screen, self.videos.scores)
        pose3d = lift(network, model, screen, data, device, flip=self.request.flip).numpy()
        return lifted_poses(pose3d, self._arrays(), data)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """Returns the arrays of each view, with a leading axis of views where there are several."""
        videos = self.videos
        width, height = np.array(videos.sizes).T
        by_view = {
            "keypoints": videos.pixels.astype(np.float32),
            "is_filled": videos.is_missing.any(2),
            "is_joint_filled": videos.is_missing,
            "width": width,
            "height": height,
        }
        own = {name: np.asarray(array[0] if len(array) == 1 else array) for name, array in by_view.items()}
        return {**own, "frame": videos.frames, "fps": np.array(videos.fps)}

    def draw(self, lifted: Lifted, file: BinaryIO, suffix: str) -> None:
        videos, pose3d = self.videos, lifted.found["pose3d"]
        if self.request.config.data.axes == "world":
            pose3d = pose3d @ UPRIGHT.T
        sizes = np.broadcast_to(np.array(videos.sizes)[:, None], (len(videos.sizes), len(pose3d), 2))
        scene = Scene(
            pose3d=pose3d, keypoints=videos.pixels, is_filled=np.asarray(videos.is_missing.all(2)),
            skeleton=lifted.skeleton, sizes=sizes, fps=videos.fps, photo=self._photo(),
        )  # fmt: skip
        render(scene, file, suffix, ", ".join(path.name for path in self.request.inputs))

    def _photo(self) -> Callable[[int, int], Image.Image | None] | None:
        """Returns the frames of each view, which the keypoints are drawn over."""
        if not self.footage:
            return None
        views = [Frames(footage) for footage in self.footage]
        numbers = self.videos.frames
        return lambda view, at: views[view](int(numbers[at]))


def _gap_notes(is_missing: NDArray[np.bool_], joints: tuple[str, ...], fps: float) -> list[str]:
    """Describes the interpolated joints of one view [n, J]."""
    notes, filled = [], is_missing.any(1)
    if filled.any():
        notes.append(f"{filled.sum()} frames lack a pose or some joints; they are filled and marked in is_filled")
    gaps = long_gaps(is_missing, joints, fps)
    for gap in gaps[:GAPS_SHOWN]:
        what = "no pose" if gap.is_whole else f"no {', '.join(gap.joints)}"
        seconds = (gap.last - gap.first + 1) / fps
        notes.append(f"frames {gap.first} to {gap.last} ({seconds:.1f} s): {what}; do not trust what fills them")
    if len(gaps) > GAPS_SHOWN:
        notes.append(f"and {len(gaps) - GAPS_SHOWN} more gaps of over a second")
    return notes


@torch.no_grad()
def lift(
    network: nn.Module, model: Model, screen: Tensor, data: DataConfig, device: torch.device, *, flip: bool = False
) -> Tensor:
    """Lifts keypoints [V, n, J, 2] in screen units, or [V, n, J, 3] with scores, to poses [n, J, 3] metres, root at
    zero, axes of the targets, on the CPU.

    A window around every frame, edge frames repeated, as in evaluation; the windows of INPUT_FRAMES frames exist at a
    time."""
    views, count, joints, channels = screen.shape
    skeleton, frames = data.sizes.skeleton, data.frames
    rows = screen.transpose(0, 1).flatten(1).to(device)
    cut = windows(torch.tensor([count], device=device), frames=frames, shift=(frames - 1) // 2 if data.causal else 0)
    network.eval()
    found = torch.empty(count, joints, 3)
    for index in torch.arange(count, device=device).split(max(1, INPUT_FRAMES // (frames * views))):
        picked = rows.index_select(0, cut.rows(index).reshape(-1))
        batch = Batch(size=len(index), pose2d=picked.view(len(index), frames, views, joints, channels).transpose(1, 2))
        pose = poses_of(lambda batch: model.poses(network(batch)), batch, skeleton, flip=flip).flatten(-4, -3)
        assert len(pose) == len(index), (pose.shape, len(index))
        found[index[0] : index[-1] + 1] = from_root(pose, skeleton)
    return found
