"""A rig of fixed bones in predicted poses: lengths, directions, errors, and what has no direction."""

import dataclasses

import numpy as np
import pytest

from data.poses.families import FAMILIES
from data.poses.skeleton import BODY_24, H36M_17, H36M_32, HAND_21
from tests.trainables.prediction.motion.walking import T_POSE, spun, walk
from trainables.prediction.motion.bvh import euler_zxy
from trainables.prediction.motion.fitting import fitted
from trainables.prediction.motion.gltf import quaternions
from trainables.prediction.motion.motion import Motion
from trainables.prediction.motion.rig import rig_of

SKELETONS = [*(skeleton for family in FAMILIES.values() for skeleton in family.skeletons), H36M_32, BODY_24, HAND_21]
J = H36M_17.joints.index


def lengths(points, skeleton=H36M_17):
    return np.stack([np.linalg.norm(points[:, child] - points[:, parent], axis=1) for parent, child in skeleton.edges])


def rebuilt(found):
    """The joints by forward kinematics, node by node, from what a file holds."""
    whole, places = {}, {}
    for at, node in enumerate(found.rig.nodes):
        if at == 0:
            whole[0], places[0] = found.turns[:, 0], found.root
        else:
            whole[at] = whole[node.parent] @ found.turns[:, at]
            places[at] = places[node.parent] + whole[node.parent] @ found.offsets[at]
    points = np.full(found.points.shape, np.nan)
    for at, node in enumerate(found.rig.nodes):
        if node.turns >= 0:
            points[:, node.turns] = places[at] + whole[at] @ found.tips[at]
        if node.at >= 0:
            points[:, node.at] = places[at]
    return points


def test_poses_of_fixed_bones_are_fitted_exactly():
    motion = walk(noise=0)
    found = fitted(motion)
    assert found.errors.max() < 1e-9
    assert found.told == "fitted to fixed bones: mean 0.0 mm, at most 0.0 mm"


def test_bones_have_the_median_length_in_every_frame_and_the_error_is_told():
    motion = walk()
    found = fitted(motion)
    wanted = np.median(lengths(motion.points), axis=1, keepdims=True)
    np.testing.assert_allclose(lengths(found.points), np.repeat(wanted, 60, 1), rtol=0, atol=1e-9)
    error = 1000 * np.linalg.norm(found.points - motion.points, axis=-1)
    assert found.told == f"fitted to fixed bones: mean {error.mean():.1f} mm, at most {error.max():.1f} mm"
    # About what noise of 10 mm on each axis does to a length; errors of a limb do not add up to its end.
    assert 2 < error.mean() < 15
    assert error[:, J("LWrist")].mean() < 1.5 * error[:, J("LElbow")].mean()


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda one: one.name)
def test_any_skeleton_has_a_rig_and_turns_are_rotations(skeleton):
    points = np.random.default_rng(0).standard_normal((30, skeleton.num_joints, 3))
    found = fitted(Motion(points=points, is_missing=np.zeros(30, bool), skeleton=skeleton, fps=25.0))
    whole = found.turns @ found.turns.swapaxes(-1, -2)
    np.testing.assert_allclose(whole, np.broadcast_to(np.eye(3), whole.shape), atol=1e-9)
    assert (np.linalg.det(found.turns) > 0).all()
    np.testing.assert_allclose(rebuilt(found), found.points, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda one: one.key)
def test_nodes_of_what_networks_predict_have_the_usual_names(family):
    wanted = {"Hips", *(f"{side}{name}" for side in ("Left", "Right") for name in
              ("UpLeg", "Leg", "Foot", "Shoulder", "Arm", "ForeArm", "Hand"))}  # fmt: skip
    for skeleton in family.skeletons:
        names = {node.name for node in rig_of(skeleton).nodes}
        assert wanted <= names
        assert {"Spine", "Neck", "Head"} <= names - wanted <= {"Spine", "Spine1", "Neck", "Head"}


def test_a_t_pose_that_faces_z_is_not_turned():
    points = np.repeat(T_POSE[None], 4, 0)
    found = fitted(Motion(points=points, is_missing=np.zeros(4, bool), skeleton=H36M_17, fps=25.0))
    np.testing.assert_allclose(found.turns, np.broadcast_to(np.eye(3), found.turns.shape), atol=1e-9)


def test_a_turned_person_turns_the_root_alone():
    turn = spun(np.array((0.0, 1, 0)), np.linspace(0, 5, 7))
    points = (turn[:, None] @ T_POSE[..., None])[..., 0]
    found = fitted(Motion(points=points, is_missing=np.zeros(7, bool), skeleton=H36M_17, fps=25.0))
    np.testing.assert_allclose(found.turns[:, 0], turn, atol=1e-9)
    np.testing.assert_allclose(found.turns[:, 1:], np.broadcast_to(np.eye(3), found.turns[:, 1:].shape), atol=1e-9)


@pytest.mark.parametrize(("joint", "end", "axis"), [("Knee", "Foot", (1.0, 0, 0)), ("Elbow", "Wrist", (0, 1.0, 0))])
@pytest.mark.parametrize("side", ["L", "R"])
def test_a_hinge_bends_about_one_axis_whatever_the_twist_of_the_limb(joint, end, axis, side):
    """A shin goes back about x, a forearm forward about y: that is how a skinned body bends them."""
    points = np.repeat(T_POSE[None], 8, 0)
    hinge, tip, root = (J(f"{side}{name}") for name in (joint, end, "Hip" if joint == "Knee" else "Shoulder"))
    sign = 1 if joint == "Knee" or side == "R" else -1
    bent = spun(np.array(axis), np.full(8, sign * 1.2)) @ (T_POSE[tip] - T_POSE[hinge])
    twist = T_POSE[hinge] - T_POSE[root]
    points[:, tip] = T_POSE[hinge] + (spun(twist, np.linspace(-1, 1, 8)) @ bent[..., None])[..., 0]
    found = fitted(Motion(points=points, is_missing=np.zeros(8, bool), skeleton=H36M_17, fps=25.0))
    node = next(at for at, one in enumerate(found.rig.nodes) if one.turns == tip)
    np.testing.assert_allclose(found.turns[:, node], spun(np.array(axis), np.full(8, sign * 1.2)), atol=1e-9)


def test_frames_without_a_detection_count_neither_in_lengths_nor_in_errors():
    motion = walk(missing=range(20, 50))
    wild = motion.points.copy()
    wild[20:50] *= 3
    found, other = fitted(motion), fitted(dataclasses.replace(motion, points=wild))
    np.testing.assert_allclose(other.tips, found.tips)
    assert found.told == other.told
    assert found.errors.shape == (30, 17)
    nothing = dataclasses.replace(motion, is_missing=np.ones(60, bool))
    np.testing.assert_allclose(fitted(nothing).tips, fitted(walk()).tips)


def test_joints_in_one_place_and_folded_limbs_leave_no_nan():
    points = np.repeat(T_POSE[None], 5, 0)
    points[1] = 0  # nothing has a direction
    points[2, J("LElbow") : J("LWrist") + 1] = T_POSE[J("LShoulder")] - ((0.28, 0, 0), (0.53, 0, 0))  # the other way
    points[3, J("RFoot")] = T_POSE[J("RHip")]  # a shin along its thigh
    found = fitted(Motion(points=points, is_missing=np.zeros(5, bool), skeleton=H36M_17, fps=25.0))
    assert np.isfinite(found.turns).all()
    np.testing.assert_allclose(rebuilt(found), found.points, atol=1e-9)
    np.testing.assert_allclose(found.points[[0, 2]], points[[0, 2]], atol=1e-9)


def test_angles_and_quaternions_give_the_rotation_back():
    rng = np.random.default_rng(1)
    turns = np.stack([spun(axis, rng.uniform(-np.pi, np.pi, 300)) for axis in rng.standard_normal((4, 3))], axis=1)
    turns[:100, 0] = spun(np.array((1.0, 0, 0)), np.full(100, np.pi / 2)) @ turns[:100, 1]
    turns[0, 0] = spun(np.array((1.0, 0, 0)), np.array([np.pi / 2]))[0]  # both outer angles about one axis
    z, x, y = (euler_zxy(turns)[..., at].reshape(-1) for at in range(3))
    about_z, about_x, about_y = (spun(np.eye(3)[axis], angles) for axis, angles in ((2, z), (0, x), (1, y)))
    np.testing.assert_allclose((about_z @ about_x @ about_y).reshape(turns.shape), turns, atol=1e-7)
    found = quaternions(turns)
    axis, angle = found[..., :3], 2 * np.arctan2(np.linalg.norm(found[..., :3], axis=-1), found[..., 3])
    for at in range(0, 300, 7):
        for node in range(4):
            np.testing.assert_allclose(spun(axis[at, node], angle[at, node : node + 1])[0], turns[at, node], atol=1e-9)
    assert ((found[1:] * found[:-1]).sum(-1) >= 0).all()
