"""OpenPose's MPI model: its 15 joints are taken where Human3.6M has the same, and the rest is made or told to lack."""

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.joint_maps import to_skeleton
from data.inputs.keypoints import Told, read_keypoints
from data.poses.skeleton import H36M_16, H36M_17, HUMANEVA_15
from tests.made.detected.files import SIZE, openpose, put, results

TOLD = Told(width=SIZE[0], height=SIZE[1], fps=25)
# The order that OpenPose documents: joints by their places in the file.
AT = {
    "Head": 0, "RShoulder": 2, "RElbow": 3, "RWrist": 4, "LShoulder": 5, "LElbow": 6, "LWrist": 7, "RHip": 8,
    "RKnee": 9, "RFoot": 10, "LHip": 11, "LKnee": 12, "LFoot": 13, "Spine": 14,
}  # fmt: skip
MADE = {"Hip": (8, 11), "Thorax": (2, 5)}


@pytest.fixture
def rows():
    """Frames [6, 15, 3] whose joints are all apart."""
    places = np.stack((400 + 17 * np.arange(15) % 120, 100 + 37 * np.arange(15), np.full(15, 0.8)), -1)
    return places + np.arange(6)[:, None, None] * (3, 0, 0.01)


def test_the_joints_are_taken_from_their_places_and_middles_are_made(tmp_path, rows):
    mapped, made = to_skeleton(read_keypoints(openpose(tmp_path / "op", [[one] for one in rows]), TOLD), H36M_16)
    for at, joint in enumerate(H36M_16.joints):
        wanted = rows[:, AT[joint]] if joint in AT else rows[:, list(MADE[joint])].mean(1)
        np.testing.assert_allclose(mapped[:, at], wanted[:, :2], err_msg=joint)
    assert made == ["Hip is the middle of the hips", "Thorax the middle of the shoulders"]


def test_a_network_that_wants_the_neck_is_refused(tmp_path, rows):
    read = read_keypoints(openpose(tmp_path / "op", [[one] for one in rows]), TOLD)
    with pytest.raises(DataError, match="15 mpi15 joints have no Neck"):
        to_skeleton(read, H36M_17)


def test_fifteen_joints_that_do_not_say_it_are_those_of_no_detector(tmp_path, rows):
    np.savez(tmp_path / "k.npz", keypoints=rows)
    assert read_keypoints(tmp_path / "k.npz", TOLD).joints == HUMANEVA_15.joints
    with pytest.raises(DataError, match="--layout humaneva or --layout mpi15"):
        read_keypoints(put(tmp_path / "k.json", results(rows)), TOLD)
