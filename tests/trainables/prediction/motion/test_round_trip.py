"""What `predict` writes is what `convert cmu` reads: every joint of every set comes back."""

import numpy as np
import pytest

from data.__main__ import VERBS
from data.conversion.motion.bvh import move, read_bvh
from data.conversion.skeletons.joints import joints_of
from data.formats.poses import h36m
from data.poses.families import FAMILIES
from data.poses.skeleton import H36M_17
from spaces import cli
from tests.trainables.prediction.motion.walking import T_POSE, as_predicted, names_of, spun, walk
from trainables.prediction.input import Lifted
from trainables.prediction.motion.bvh import write_bvh
from trainables.prediction.motion.fitting import fitted
from trainables.prediction.motion.motion import Motion, motion_of

SKELETONS = [skeleton for family in FAMILIES.values() for skeleton in family.skeletons]
MM = 0.001
SWINGS = {"Hip": 0.0, "Knee": 0.35, "Foot": -0.2, "Shoulder": 0.1, "Elbow": 0.5, "Wrist": -0.4}  # radians about x


def stroll(frames=60):
    """Somebody who stands and swings arms and legs: bones of fixed lengths, and a head that moves with its neck, as a
    network without a joint between them predicts it."""
    clock = np.linspace(0, 4 * np.pi, frames)
    points, whole = np.zeros((frames, 17, 3)), {0: spun(np.array((0.0, 1, 0)), 0.3 * np.sin(clock))}
    for at, joint in enumerate(H36M_17.joints[1:], start=1):
        parent = H36M_17.parents[at]
        swing = SWINGS.get(joint[1:], 0.0) * np.sin(clock + (joint[0] == "L") * np.pi)
        knee = 0.4 * (1 + np.sin(clock)) if joint.endswith("Foot") else 0.0
        whole[at] = whole[parent] @ spun(np.array((1.0, 0, 0)), swing + knee)
        points[:, at] = points[:, parent] + (whole[at] @ (T_POSE[at] - T_POSE[parent]))
    return Motion(points=points, is_missing=np.zeros(frames, bool), skeleton=H36M_17, fps=50.0)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda one: one.name)
def test_the_written_joints_are_found_by_their_names(tmp_path, skeleton):
    found = fitted(as_predicted(walk(), skeleton))
    with (tmp_path / "walk.bvh").open("wb") as file:
        write_bvh(file, found)
    read = joints_of(move(read_bvh(tmp_path / "walk.bvh")), "walk.bvh") / 100
    for at, name in enumerate(names_of(skeleton)):
        if name != "Hip":  # there the middle of both hips, which is not where the network puts it
            np.testing.assert_allclose(
                read[:, H36M_17.joints.index(name)], found.points[:, at], rtol=0, atol=MM, err_msg=name
            )


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda one: one.name)
def test_a_prediction_that_convert_takes_has_its_joints_within_a_millimetre(tmp_path, capsys, skeleton):
    points = stroll().points
    pose = as_predicted(stroll(), skeleton).points * (1, -1, -1)  # camera axes
    beside = {"fps": np.array(50.0)}
    lifted = Lifted(found={"pose3d": pose.astype(np.float32)}, beside=beside, skeleton=skeleton, told="")
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "walk.bvh").open("wb") as file:
        write_bvh(file, fitted(motion_of(lifted, "camera")))
    words = ["convert", "cmu", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--set", "made"]
    assert cli.main("data", "Data sets.", VERBS, words) == 0
    assert "walk.bvh:" not in capsys.readouterr().out  # nothing had to be put in
    read = h36m.read(tmp_path / "out", "made", "gt", joints=17).sequences[0].pose3d
    read = (read - read[:, :1])[..., [0, 2, 1]] * (1, 1, -1)  # z up to y up
    assert len(read) == len(points)
    for joint in set(names_of(skeleton)):
        at = H36M_17.joints.index(joint)
        np.testing.assert_allclose(read[:, at], points[:, at], rtol=0, atol=MM, err_msg=joint)
