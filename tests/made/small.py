"""Small things that many tests need: a tiny pose set, a tiny config, and both on disk."""

import numpy as np
import torch

from data.batches.poses import DataModule
from data.formats.poses import h36m
from data.formats.source import split_of
from data.poses.geometry import project, to_pixels, world_to_camera
from data.poses.poseset import PoseSet, Sequence
from data.poses.skeleton import H36M_17
from data.synthetic.poses.motion import motion
from trainables import registry
from trainables.config import default_config

TINY = {
    "data.name": "tiny",
    "data.joints": 16,
    "data.train_subjects": "S1",
    "data.val_subjects": "S5",
    "data.test_subjects": "S9",
    "network.width": 8,
    "network.layers": 1,
    "network.heads": 2,
    "loop.batch": 32,
    "loop.epochs": 3,
}


def tiny_poses(frames=40, subjects=("S1", "S5", "S9"), actions=("Walking", "Walking 1", "Sitting")):
    """A set of wandering stick figures through the real cameras: what is needed to train for a second."""
    cameras = h36m.h36m_cameras()
    rng = np.random.default_rng(7)
    rest = rng.normal(0, 0.3, (17, 3)) + np.array((0, 0, 1))
    clips = []
    for subject in subjects:
        for action in actions:
            sway = np.cumsum(rng.normal(0, 0.01, (frames, 17, 3)), axis=0)
            pose = (rest + sway).astype(np.float32)
            views = tuple(_pixels(pose, camera) for camera in cameras[subject])
            clips.append(Sequence(subject=subject, action=action, pose3d=pose, pose2d=views, cameras=cameras[subject]))
    return PoseSet(name="tiny", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=tuple(clips))


def write_people(root, frames=40):
    """A set of people who walk, for what looks at bodies; returns its folder."""
    cameras = h36m.h36m_cameras()["S1"]
    pose = motion(0, 1, 0, frames, modes=("gait",), skeleton="cmu").astype(np.float32)
    views = tuple(_pixels(pose, camera) for camera in cameras)
    clip = Sequence(subject="S1", action="Walking", pose3d=pose, pose2d=views, cameras=cameras)
    h36m.write(PoseSet(name="people", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=(clip,)), root)
    return root


def _pixels(pose, camera):
    orientation = torch.tensor(camera.orientation, dtype=torch.float32)
    translation = torch.tensor(camera.translation, dtype=torch.float32)
    seen = world_to_camera(torch.from_numpy(pose), orientation, translation)
    screen = project(seen, torch.tensor(camera.intrinsics, dtype=torch.float32))
    return to_pixels(screen, camera.width, camera.height).float().numpy()


def tiny_config(root, **changes):
    """A run that trains in a second; dotted names are written with two underscores."""
    values = TINY | {"data.root": str(root)} | {name.replace("__", "."): value for name, value in changes.items()}
    return default_config("graformer", values, "tests")


def tiny_run(name, root, **changes):
    """The same for any model of the registry."""
    data = {path: value for path, value in TINY.items() if path.startswith(("data.", "loop."))}
    wanted = {path.replace("__", "."): value for path, value in changes.items()}
    return default_config(name, {**data, "data.root": str(root), **registry.get(name).tiny, **wanted}, "tests")


def pose_models():
    """The models that the tiny set is enough for; others read images."""
    return [name for name in registry.names() if "image" not in tiny_run(name, "store").traits.reads]


def write_tiny(root, **options):
    """The tiny set as files; returns its folder."""
    h36m.write(tiny_poses(**options), root)
    return root


def tiny_module(config, parts=("train", "val"), **options):
    """The tiny set as the config cuts it, without files."""
    poses = h36m.read(config.data.root, "tiny", "gt", joints=config.data.joints, scores=config.data.scores)
    return DataModule(poses, split_of(config.data), config.data, parts=parts, **options)
