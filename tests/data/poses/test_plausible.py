"""3D of any set: who lies, is upside down, floats, has exchanged sides or bones without a length is told."""

import dataclasses

import numpy as np
import pytest

from data.__main__ import VERBS
from data.formats.poses import h36m
from data.poses.plausible import pose_faults
from data.poses.poseset import PoseSet, Sequence
from data.poses.skeleton import H36M_17, H36M_32, HUMANEVA_15, MPI_INF_3DHP_17, kept_joints
from data.synthetic.poses.motion import motion
from spaces import cli
from tests.made.poses import projected

AT = {name: at for at, name in enumerate(H36M_17.joints)}
TURN = np.array(((1, 0, 0), (0, 0, -1), (0, 1, 0)))  # somebody upright comes to lie


@pytest.fixture(scope="module")
def walking():
    """Positions [150, 17, 3] of somebody who walks and sits."""
    return motion(0, 1, 0, 150, modes=("gait", "sit"), skeleton="cmu").astype(np.float32)


def made(poses, skeleton=H36M_17, action="Walk 1"):
    rig = h36m.h36m_cameras()["S1"]
    clip = Sequence(subject="S1", action=action, pose3d=np.float32(poses), pose2d=(), cameras=rig)
    return PoseSet(name="own", keypoints="gt", skeleton=skeleton, fps=50.0, sequences=(clip,))


def faults(poses, is_z_up=True):
    return pose_faults(made(poses), is_z_up=is_z_up)


def changed(poses, joint, **move):
    poses = poses.copy()
    poses[:, AT[joint]] = move["to"]
    return poses


CHANGES = {
    "lies": (lambda p: p @ TURN.T, "lies from the first to the last frame"),
    "upside down": (lambda p: p * (1, -1, -1) + (0, 0, 1.8), "is upside down from the first to the last frame"),
    "mirrored": (lambda p: p * (-1, 1, 1), "knees bend forwards"),
    "exchanged": (lambda p: p[:, list(H36M_17.mirror)], "knees bend forwards"),
    "floats": (lambda p: p - np.array((0, 0, -1.2)), "feet are more than 0.6 m over the floor"),
    "sunk": (lambda p: p - (0, 0, 1.0), "feet are more than 0.4 m under the floor"),
    "no bone": (lambda p: changed(p, "LWrist", to=p[:, AT["LElbow"]]), "bones without a length (LElbow to LWrist)"),
    "no head": (lambda p: changed(p, "Head", to=p[:, AT["Neck"]]), "bones without a length (Neck to Head)"),
    "stretched": (
        lambda p: changed(p, "RFoot", to=p[:, AT["RKnee"]]
                          + np.linspace(0.6, 1.4, len(p))[:, None] * (p[:, AT["RFoot"]] - p[:, AT["RKnee"]])),
        "bones that change their length (RKnee to RFoot",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
def test_what_no_person_does_is_told(walking, change, why):
    found = faults(change(walking.astype(float)))
    assert len(found) == 1, found
    assert found[0].startswith("subject S1: ")
    assert why in found[0]
    assert found[0].endswith("; Walk 1")


def test_a_plain_clip_has_no_fault(walking):
    assert faults(walking) == []


@pytest.mark.parametrize("skeleton", [H36M_17, H36M_32, HUMANEVA_15, MPI_INF_3DHP_17], ids=lambda one: one.name)
@pytest.mark.parametrize("change", ["mirrored", "no bone"])
def test_every_skeleton_is_looked_at(walking, skeleton, change):
    words = {"Pelvis": "Hip", "HeadTop": "Head", "LAnkle": "LFoot", "RAnkle": "RFoot"}
    if skeleton == MPI_INF_3DHP_17:
        words |= {"Neck": "Thorax", "Head": "Neck"}

    def in_it(poses):
        if skeleton == H36M_32:
            whole = np.zeros((len(poses), 32, 3))
            whole[:, kept_joints(H36M_32, H36M_17)] = poses
            return whole
        return poses[:, [AT[words.get(name, name)] for name in skeleton.joints]]

    change, why = CHANGES[change]
    assert pose_faults(made(in_it(walking.astype(float)), skeleton), is_z_up=False) == []
    found = pose_faults(made(in_it(change(walking.astype(float))), skeleton), is_z_up=False)
    assert len(found) == 1
    assert why in found[0]


def test_who_lies_down_for_a_part_is_no_fault(walking):
    poses = walking.astype(float)
    lying = poses[:100] @ TURN.T
    lying[..., 2] -= lying[..., 2].min() - 0.1
    assert faults(np.concatenate((poses, lying))) == []
    assert "lies" in faults(lying)[0]


def test_noise_of_single_frames_is_no_change_of_length(walking):
    assert faults(walking + np.random.default_rng(3).normal(0, 0.015, walking.shape)) == []


def test_camera_axes_have_no_floor(walking):
    assert faults(walking @ TURN.T + (0, 0, 4), is_z_up=False) == []


def test_clips_are_named_and_counted(walking):
    one = made(walking * (-1, 1, 1)).sequences[0]
    clips = tuple(dataclasses.replace(one, action=f"Walk {number}") for number in range(5))
    found = pose_faults(dataclasses.replace(made(walking), sequences=clips), is_z_up=True)
    assert len(found) == 1
    assert found[0].endswith("; Walk 0, Walk 1, Walk 2 and 2 more clips")


def test_check_tells_it_once_for_all_sources_of_2d(walking, tmp_path, capsys):
    poses = made(walking.astype(float) @ TURN.T + (0, 0, 1))
    clip = poses.sequences[0]
    clip = dataclasses.replace(clip, pose2d=tuple(projected(clip.pose3d, camera) for camera in clip.cameras))
    poses = dataclasses.replace(poses, sequences=(clip,))
    h36m.write(poses, tmp_path)
    h36m.write_2d(dataclasses.replace(poses, keypoints="det"), tmp_path)
    words = ["check", "h36m", str(tmp_path), "--set", "own"]
    assert cli.main("data", "Data sets.", VERBS, words) == 2
    err = capsys.readouterr().err
    assert err.count("subject S1: lies from the first to the last frame") == 1
    assert "--up" in err
