"""A pose set small enough to read by eye: two subjects, five clips, the calibration of Human3.6M."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.formats import h36m
from data.geometry import project, to_pixels, world_to_camera
from data.poseset import PoseSet, Sequence
from data.skeleton import H36M_17, Skeleton, kept_joints

LENGTHS = {("S1", "Walking"): 9, ("S1", "Walking 1"): 5, ("S9", "Sitting"): 7, ("S9", "SittingDown 2"): 1}


def made_poses(name: str = "made", keypoints: str = "gt", skeleton: Skeleton = H36M_17, lengths: Any = None) -> PoseSet:
    """Joints within half a metre of a point 1 m above the origin; 2D is the exact projection."""
    generator = np.random.default_rng(7)
    rigs = h36m.h36m_cameras()
    clips = []
    for (subject, action), count in (lengths or LENGTHS).items():
        pose3d = generator.uniform(-0.5, 0.5, (count, skeleton.num_joints, 3)).astype(np.float32)
        pose3d[..., 2] += 1
        seen = pose3d if skeleton.num_joints < 32 else pose3d[:, kept_joints(skeleton, H36M_17)]
        pose2d = tuple(projected(seen, camera) for camera in rigs[subject])
        clips.append(Sequence(subject=subject, action=action, pose3d=pose3d, pose2d=pose2d, cameras=rigs[subject]))
    return PoseSet(name=name, keypoints=keypoints, skeleton=skeleton, fps=50.0, sequences=tuple(clips))


def projected(points, camera):
    orientation, translation = torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)
    in_camera = world_to_camera(torch.from_numpy(points), orientation, translation)
    return to_pixels(project(in_camera, torch.from_numpy(camera.intrinsics)), camera.width, camera.height).numpy()


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Applies `change` to the dictionaries of an .npz file that the test itself has written."""
    with np.load(path, allow_pickle=True) as stored:
        content = {key: stored[key].item() for key in stored.files}
    change(content)
    np.savez(path, **{key: np.array(value, dtype=object) for key, value in content.items()})
