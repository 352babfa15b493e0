"""`predict`: 2D keypoints of a video as 3D poses, every frame, in bounded memory."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.batch import Batch
from data.config import DataConfig
from data.geometry import to_screen
from data.joint_maps import fill_gaps, long_gaps, to_skeleton
from data.keypoints import Keypoints, Told, read_keypoints
from data.windows import windows
from spaces.cli import FAILED, OK
from spaces.files import replacing
from spaces.schema import config_id

from . import registry
from .checkpoint import load_into
from .device import pick_device
from .entry import Model
from .evaluation import poses_of
from .options_predict import PredictRequest
from .render import Scene, render

INPUT_FRAMES = 8192  # frames, windows counted whole, in one forward pass; a speed choice, and what bounds the memory
GAPS_SHOWN = 12  # lines


def predict(request: PredictRequest) -> int:
    """Writes the 3D poses, and the film if asked for: both whole, or neither."""
    config, skeleton = request.config, request.config.data.sizes.skeleton
    told = Told(width=request.width, height=request.height, fps=request.fps, layout=request.layout)
    keypoints = read_keypoints(request.input, told)
    mapped, made = to_skeleton(keypoints, skeleton)
    pixels, is_missing = fill_gaps(mapped, skeleton.joints)
    device, model = pick_device(), registry.get(config.model)
    network = model.build(config.network, config.data.sizes)
    load_into(network, request.weights, config)
    _tell(request, keypoints, made, is_missing)
    started = time.perf_counter()
    screen = to_screen(torch.from_numpy(pixels), keypoints.width, keypoints.height).float()
    pose3d = lift(network.to(device), model, screen, config.data, device, flip=request.flip).numpy()
    seconds = time.perf_counter() - started
    bad = ~np.isfinite(pose3d).all((1, 2))
    if bad.any():
        what = f"{bad.sum()} of {len(bad)} poses are not finite, the first one frame {bad.argmax()}"
        print(f"{request.weights}: {what}; nothing is written, use other weights", file=sys.stderr)
        return FAILED
    with ExitStack() as files:
        out = files.enter_context(replacing(request.out))
        np.savez(
            out, pose3d=pose3d, keypoints=pixels.astype(np.float32), joints=np.array(skeleton.joints),
            parents=np.array(skeleton.parents), fps=np.float64(keypoints.fps), is_filled=is_missing.any(1),
            is_joint_filled=is_missing, width=np.int64(keypoints.width), height=np.int64(keypoints.height),
            config_id=np.array(config_id(config)),
        )  # fmt: skip
        print(f"{len(pose3d)} poses in {seconds:.1f} s on {device}", flush=True)
        if request.render is not None:
            film = files.enter_context(replacing(request.render))
            scene = Scene(
                pose3d=pose3d, keypoints=pixels, is_filled=np.asarray(is_missing.all(1)), skeleton=skeleton,
                width=keypoints.width, height=keypoints.height, fps=keypoints.fps,
            )  # fmt: skip
            print(f"rendering {scene.told}", flush=True)
            render(scene, film, request.render.suffix.lower())
    written = " and ".join(str(path) for path in (request.out, request.render) if path)
    print(
        f"{request.input} -> {written}: {skeleton.num_joints} joints, metres from the hip, x right, y down, z forward"
    )
    return OK


def _tell(request: PredictRequest, keypoints: Keypoints, made: list[str], is_missing: NDArray[np.bool_]) -> None:
    """What the user should know of the input, each once."""
    skeleton, count = request.config.data.sizes.skeleton, len(is_missing)
    print(
        f"{request.input}: {count} frames, {len(keypoints.joints)} {keypoints.layout} joints, "
        f"{keypoints.width} x {keypoints.height} pixels, {keypoints.fps:g} frames a second"
    )
    for note in keypoints.notes:
        print(f"note: {note}")
    if made:
        print(
            f"note: {', '.join(made)}; the weights saw {skeleton.name} joints of keypoints "
            f"'{request.config.data.keypoints}', which stand elsewhere: expect larger errors than in its table"
        )
    filled = is_missing.any(1)
    if filled.any():
        print(f"note: {filled.sum()} frames lack a pose or some joints; they are filled and marked in is_filled")
    gaps = long_gaps(is_missing, skeleton.joints, keypoints.fps)
    for gap in gaps[:GAPS_SHOWN]:
        what = "no pose" if gap.is_whole else f"no {', '.join(gap.joints)}"
        seconds = (gap.last - gap.first + 1) / keypoints.fps
        print(f"note: frames {gap.first} to {gap.last} ({seconds:.1f} s): {what}; do not trust what fills them")
    if len(gaps) > GAPS_SHOWN:
        print(f"note: and {len(gaps) - GAPS_SHOWN} more gaps of over a second")


@torch.no_grad()
def lift(
    network: nn.Module, model: Model, screen: Tensor, data: DataConfig, device: torch.device, *, flip: bool = False
) -> Tensor:
    """Poses [n, J, 3] metres, root at zero, camera axes, on the CPU, of keypoints [n, J, 2] in screen units.

    A window around every frame, edge frames repeated, as in evaluation; the windows of INPUT_FRAMES frames exist at a
    time."""
    count, joints, _ = screen.shape
    skeleton, frames = data.sizes.skeleton, data.frames
    rows = screen.flatten(1).to(device)
    cut = windows(torch.tensor([count], device=device), frames=frames, shift=(frames - 1) // 2 if data.causal else 0)
    network.eval()
    found = torch.empty(count, joints, 3)
    for index in torch.arange(count, device=device).split(max(1, INPUT_FRAMES // frames)):
        picked = rows.index_select(0, cut.rows(index).reshape(-1))
        batch = Batch(size=len(index), pose2d=picked.view(len(index), 1, frames, joints, 2))
        pose = poses_of(lambda batch: model.poses(network(batch)), batch, skeleton, flip=flip).flatten(-4, -3)
        assert len(pose) == len(index), (pose.shape, len(index))
        # Published protocols differ in whether the network's own root stays; who draws poses wants it at zero.
        found[index[0] : index[-1] + 1] = (pose - pose[:, skeleton.root, None]).float().cpu()
    return found
