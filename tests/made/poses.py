"""Pose sets small enough to read by eye, one in each layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule
from data.config import DataConfig
from data.formats.poses import h36m, humaneva, mpi_inf_3dhp
from data.formats.source import read_poses
from data.poses.geometry import project, to_pixels, world_to_camera
from data.poses.poseset import PoseSet, Sequence
from data.poses.skeleton import H36M_17, H36M_32, HUMANEVA_15, MPI_INF_3DHP_17, Skeleton, kept_joints
from data.synthetic import store

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


def made_humaneva(name: str = "made_humaneva15", keypoints: str = "gt") -> PoseSet:
    """Three pieces of two subjects, three views; 2D is noise within the images."""
    generator = np.random.default_rng(8)
    rigs = humaneva.rigs()
    clips = []
    for subject, action, count in (
        ("Train/S1", "Walking 1 chunk0", 6),
        ("Train/S1", "Walking 1 chunk2", 4),
        ("Validate/S2", "Jog 1 chunk0", 5),
    ):
        pose3d = generator.uniform(-0.5, 0.5, (count, 15, 3)).astype(np.float32) + np.float32((0, 0, 1))
        pose2d = tuple(generator.uniform(0, 480, (count, 15, 2)).astype(np.float32) for _ in rigs[subject])
        clips.append(Sequence(subject=subject, action=action, pose3d=pose3d, pose2d=pose2d, cameras=rigs[subject]))
    return PoseSet(name=name, keypoints=keypoints, skeleton=HUMANEVA_15, fps=60.0, sequences=tuple(clips))


def made_3dhp(name: str = "made_3dhp") -> PoseSet:
    """Two training sequences of eight cameras and two test sequences; people stand 4 m before the camera."""
    generator = np.random.default_rng(9)
    clips = []
    for subject, action, count, fps in (("S1", "Seq1", 4, 25.0), ("S3", "Seq2", 3, 50.0), ("TS1", "TS1", 6, None),
                                        ("TS6", "TS6", 5, None)):  # fmt: skip
        for camera in mpi_inf_3dhp.CAMERAS if fps else ("0",):
            pose3d = generator.uniform(-0.5, 0.5, (count, 17, 3)).astype(np.float32) + np.float32((0, 0, 4))
            clips.append(
                Sequence(
                    subject=subject,
                    action=f"{action} {camera}" if fps else action,
                    pose3d=pose3d,
                    pose2d=(generator.uniform(0, 1000, (count, 17, 2)).astype(np.float32),),
                    cameras=(mpi_inf_3dhp.camera_of(subject, camera),),
                    valid=None if fps else np.arange(count) % 3 > 0,
                    fps=fps,
                )
            )
    return PoseSet(name=name, keypoints="gt", skeleton=MPI_INF_3DHP_17, fps=None, sequences=tuple(clips))


def write_both(root: Path) -> Path:
    """MPI-INF-3DHP and HumanEva-I as files; returns their folder."""
    mpi_inf_3dhp.write(made_3dhp(), root)
    humaneva.write(made_humaneva(), root)
    return root


def made_in_place_of_synthetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the writer of the synthetic pose sets take small ones: to generate the real ones takes seconds."""

    def human36m(seed: int, keypoints: str) -> PoseSet:
        lengths = {key: count + seed for key, count in LENGTHS.items()}
        return made_poses("synthetic", keypoints, skeleton=H36M_32, lengths=lengths)

    monkeypatch.setattr(store, "synthetic_h36m", human36m)
    monkeypatch.setattr(
        store, "synthetic_humaneva", lambda seed, keypoints: made_humaneva("synthetic_humaneva15", keypoints)
    )
    monkeypatch.setattr(store, "synthetic_3dhp", lambda seed: made_3dhp("synthetic_3dhp"))


def module_3dhp(root: Path, **changes: Any) -> tuple[DataModule, PoseSet]:
    """The test sequences of MPI-INF-3DHP as a data module, and the poses it is made of."""
    settings = DataConfig(name="made_3dhp", root=str(root), test_subjects=("TS1", "TS6"), **changes)
    poses, split = read_poses(settings, ("test",))
    return DataModule(poses, split, settings, parts=("test",), dtype=torch.float64), poses


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
