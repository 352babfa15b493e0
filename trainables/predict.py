"""`predict`: 2D keypoints of a video, or of several at once, or images, as 3D poses, every frame, in bounded memory."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.batch import Batch
from data.config import DataConfig
from data.geometry import to_screen
from data.joint_maps import long_gaps
from data.keypoints import Told
from data.videos import Videos, read_videos
from data.windows import windows
from spaces.cli import FAILED, OK
from spaces.files import replacing
from spaces.schema import config_id

from . import registry
from .checkpoint import load_into
from .config import TrainConfig
from .device import pick_device
from .entry import Model
from .evaluation import from_root, poses_of
from .options_predict import PredictRequest
from .predict_images import given_photos
from .render import Scene, render

INPUT_FRAMES = 8192  # of all views, windows counted whole, in one forward pass; a speed choice, bounds the memory
GAPS_SHOWN = 12  # lines of a view
# The world has z up; a film has x right, y down, z forward. A rotation, so that left stays left.
UPRIGHT = np.array(((1, 0, 0), (0, 0, -1), (0, 1, 0)), np.float32)


class Input(Protocol):
    """What is lifted. made: words on joints that are only approximated."""

    @property
    def made(self) -> tuple[str, ...]: ...

    def told(self) -> list[str]:
        """What it is, in a line for each file."""
        ...

    def notes(self) -> list[str]:
        """What the user should know of it."""
        ...

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Tensor:
        """Poses [n, J, 3] metres, root at zero, axes of the targets, on the CPU."""
        ...

    def arrays(self) -> dict[str, Any]:
        """What the file of poses holds of it."""
        ...

    def scene(self, pose3d: NDArray[np.float32]) -> Scene:
        """Poses [n, J, 3] beside it."""
        ...


def predict(request: PredictRequest) -> int:
    """Writes the 3D poses, and the film if asked for: both whole, or neither."""
    config, skeleton = request.config, request.config.data.sizes.skeleton
    told = Told(width=request.width, height=request.height, fps=request.fps, layout=request.layout)
    given: Input
    if request.has_images:
        given = given_photos(request, told)
    else:
        given = GivenVideos(request, read_videos(request.inputs, told, skeleton))
    device, model = pick_device(), registry.get(config.model)
    network = model.build(config.network, config.data.sizes)
    load_into(network, request.weights, config)
    _tell(config, given)
    started = time.perf_counter()
    pose3d = given.lift(network.to(device).eval(), model, device).numpy()
    seconds = time.perf_counter() - started
    bad = ~np.isfinite(pose3d).all((1, 2))
    if bad.any():
        what = f"{bad.sum()} of {len(bad)} poses are not finite, the first one frame {bad.argmax()}"
        print(f"{request.weights}: {what}; nothing is written, use other weights", file=sys.stderr)
        return FAILED
    with ExitStack() as files:
        out = files.enter_context(replacing(request.out))
        np.savez(out, **_arrays(config, given, pose3d))
        print(f"{len(pose3d)} poses in {seconds:.1f} s on {device}", flush=True)
        if request.render is not None:
            film = files.enter_context(replacing(request.render))
            scene = given.scene(pose3d @ UPRIGHT.T if config.data.axes == "world" else pose3d)
            print(f"rendering {scene.told}", flush=True)
            render(scene, film, request.render.suffix.lower())
    read, written = (
        ", ".join(str(path) for path in paths if path) for paths in (request.inputs, (request.out, request.render))
    )
    axes = "axes of the training set's world" if config.data.axes == "world" else "x right, y down, z forward"
    print(f"{read} -> {written}: {skeleton.num_joints} joints, metres from the hip, {axes}")
    return OK


def _arrays(config: TrainConfig, given: Input, pose3d: NDArray[np.float32]) -> dict[str, Any]:
    """The content of the file."""
    skeleton = config.data.sizes.skeleton
    return {
        "pose3d": pose3d,
        **given.arrays(),
        "joints": np.array(skeleton.joints),
        "parents": np.array(skeleton.parents),
        "axes": np.array(config.data.axes),
        "config_id": np.array(config_id(config)),
    }


def _tell(config: TrainConfig, given: Input) -> None:
    """What the user should know of the input, each once."""
    for line in given.told():
        print(line)
    for note in dict.fromkeys(given.notes()):
        print(f"note: {note}")
    if given.made:
        print(
            f"note: {', '.join(given.made)}; the weights saw {config.data.sizes.skeleton.name} joints of keypoints "
            f"'{config.data.keypoints}', which stand elsewhere: expect larger errors than in its table"
        )


@dataclass(frozen=True, slots=True)
class GivenVideos:
    """Keypoints of videos as `Input`."""

    request: PredictRequest
    videos: Videos

    @property
    def made(self) -> tuple[str, ...]:
        return self.videos.made

    def told(self) -> list[str]:
        return [
            f"{path}: {len(keypoints.points)} frames, {len(keypoints.joints)} {keypoints.layout} joints, "
            f"{keypoints.width} x {keypoints.height} pixels, {keypoints.fps:g} frames a second"
            for path, keypoints in zip(self.videos.paths, self.videos.keypoints, strict=True)
        ]

    def notes(self) -> list[str]:
        videos, joints = self.videos, self.request.config.data.sizes.skeleton.joints
        notes = [note for keypoints in videos.keypoints for note in keypoints.notes]
        for path, is_missing in zip(videos.paths, videos.is_missing, strict=True):
            view = f"{path}: " if len(videos.paths) > 1 else ""
            notes += [view + note for note in _gap_notes(is_missing, joints, videos.fps)]
        return notes

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Tensor:
        views = zip(self.videos.pixels, self.videos.sizes, strict=True)
        screen = torch.stack([to_screen(torch.from_numpy(view), *size) for view, size in views]).float()
        return lift(network, model, screen, self.request.config.data, device, flip=self.request.flip)

    def arrays(self) -> dict[str, Any]:
        """What each view has of its own has an axis of views in front where there are several."""
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
        return {**own, "fps": np.array(videos.fps)}

    def scene(self, pose3d: NDArray[np.float32]) -> Scene:
        videos = self.videos
        sizes = np.broadcast_to(np.array(videos.sizes)[:, None], (len(videos.sizes), len(pose3d), 2))
        return Scene(
            pose3d=pose3d, keypoints=videos.pixels, is_filled=np.asarray(videos.is_missing.all(2)),
            skeleton=self.request.config.data.sizes.skeleton, sizes=sizes, fps=videos.fps,
        )  # fmt: skip


def _gap_notes(is_missing: NDArray[np.bool_], joints: tuple[str, ...], fps: float) -> list[str]:
    """What was filled in one view [n, J]."""
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
    """Poses [n, J, 3] metres, root at zero, axes of the targets, on the CPU, of keypoints [V, n, J, 2] in screen units.

    A window around every frame, edge frames repeated, as in evaluation; the windows of INPUT_FRAMES frames exist at a
    time."""
    views, count, joints, _ = screen.shape
    skeleton, frames = data.sizes.skeleton, data.frames
    rows = screen.transpose(0, 1).flatten(1).to(device)
    cut = windows(torch.tensor([count], device=device), frames=frames, shift=(frames - 1) // 2 if data.causal else 0)
    network.eval()
    found = torch.empty(count, joints, 3)
    for index in torch.arange(count, device=device).split(max(1, INPUT_FRAMES // (frames * views))):
        picked = rows.index_select(0, cut.rows(index).reshape(-1))
        batch = Batch(size=len(index), pose2d=picked.view(len(index), frames, views, joints, 2).transpose(1, 2))
        pose = poses_of(lambda batch: model.poses(network(batch)), batch, skeleton, flip=flip).flatten(-4, -3)
        assert len(pose) == len(index), (pose.shape, len(index))
        found[index[0] : index[-1] + 1] = from_root(pose, skeleton)
    return found
