"""Motion files give the joints back: by readers of ours, and by others where they are installed."""

import dataclasses
import io
import json
import struct

import numpy as np
import pytest

from data.conversion.motion.bvh import move, read_bvh
from data.conversion.skeletons.joints import joints_of
from data.poses.skeleton import H36M_17, H36M_32
from tests.trainables.prediction.motion.walking import NAMES, spun, walk
from trainables.prediction.input import Lifted
from trainables.prediction.motion.bvh import write_bvh
from trainables.prediction.motion.fitting import fitted
from trainables.prediction.motion.gltf import write_meshes, write_motion
from trainables.prediction.motion.motion import Motion, motion_of
from trainables.prediction.motion.trc import write_trc

MM = 0.001


def content(write, *args):
    file = io.BytesIO()
    write(file, *args)
    return file.getvalue()


@pytest.fixture(scope="module")
def found():
    return fitted(walk())


@pytest.fixture
def bvh(found, tmp_path):
    path = tmp_path / "walk.bvh"
    path.write_bytes(content(write_bvh, found))
    return path


# --- BVH


def test_our_reader_finds_the_fitted_joints_in_a_bvh(found, bvh):
    read = read_bvh(bvh)
    assert read.fps == 50
    points = move(read).points
    for joint, name in {**NAMES, "Head": "head end"}.items():
        error = points[name.lower()] / 100 - found.points[:, H36M_17.joints.index(joint)]
        assert np.abs(error).max() < MM, joint


def test_a_bvh_is_a_source_that_convert_knows(found, bvh):
    joints = joints_of(move(read_bvh(bvh)), "walk.bvh") / 100
    # There the hip is the middle of both hips, which is not where the network puts it.
    np.testing.assert_allclose(joints[:, 1:], found.points[:, 1:], rtol=0, atol=MM)
    np.testing.assert_allclose(joints[:, 0], found.points[:, [1, 4]].mean(1), rtol=0, atol=MM)


def test_angles_in_a_bvh_have_no_jumps_of_a_whole_turn(tmp_path):
    turns = spun(np.array((0.0, 1, 0)), np.linspace(0, 12, 120))
    points = (turns[:, None] @ walk(noise=0).points[:1, :, :, None])[..., 0]
    motion = dataclasses.replace(walk(120), points=points)
    (tmp_path / "t.bvh").write_bytes(content(write_bvh, fitted(motion)))
    assert np.abs(np.diff(read_bvh(tmp_path / "t.bvh").values, axis=0)).max() < 90


def test_bvhio_finds_the_fitted_joints_in_a_bvh(found, bvh):
    bvhio = pytest.importorskip("bvhio")
    root = bvhio.readAsHierarchy(str(bvh))
    for frame in range(0, 60, 7):
        root.loadPose(frame)
        for joint, name in NAMES.items():
            place = root.filter(name, isEqual=True)[0].PositionWorld
            wanted = 100 * found.points[frame, H36M_17.joints.index(joint)]
            np.testing.assert_allclose((place.x, place.y, place.z), wanted, rtol=0, atol=100 * MM)


# --- points


def test_a_trc_holds_the_joints_and_leaves_gaps_empty():
    motion = walk(missing=(3, 4))
    lines = content(write_trc, motion, "walk.trc").decode().splitlines()
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", "walk.trc"]
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert (facts["DataRate"], facts["NumFrames"], facts["NumMarkers"], facts["Units"]) == ("50", "60", "17", "mm")
    assert lines[3].split("\t")[2::3] == list(H36M_17.joints)
    assert lines[4].split("\t")[2:6] == ["X1", "Y1", "Z1", "X2"]
    rows = [line.removesuffix("\t").split("\t") for line in lines[6:]]
    assert {len(row) for row in rows} == {2 + 3 * 17}
    assert [row[0] for row in rows] == [str(at) for at in range(1, 61)]
    np.testing.assert_allclose([float(row[1]) for row in rows], np.arange(60) / 50, atol=1e-6)
    for at, row in enumerate(rows):
        if at in (3, 4):
            assert set(row[2:]) == {""}
        else:
            points = np.array(row[2:], float).reshape(17, 3) / 1000
            np.testing.assert_allclose(points, motion.points[at], rtol=0, atol=MM)


def test_ezc3d_finds_the_joints_in_a_c3d(tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    from trainables.prediction.motion.c3d import write_c3d

    motion = walk(missing=(3, 4))
    (tmp_path / "walk.c3d").write_bytes(content(write_c3d, motion))
    read = ezc3d.c3d(str(tmp_path / "walk.c3d"))
    told = read["parameters"]["POINT"]
    assert told["LABELS"]["value"] == list(H36M_17.joints)
    assert (told["UNITS"]["value"], told["RATE"]["value"][0], told["Y_SCREEN"]["value"]) == (["mm"], 50, ["+Y"])
    points = read["data"]["points"][:3].transpose(2, 1, 0) / 1000
    np.testing.assert_array_equal(np.isnan(points).all((1, 2)), motion.is_missing)
    seen = ~motion.is_missing
    np.testing.assert_allclose(points[seen], motion.points[seen], rtol=0, atol=MM)


# --- glTF


def tree_of(text):
    """The JSON of a .glb and a reader of its accessors."""
    magic, version, size, length, kind = struct.unpack("<4sIII4s", text[:20])
    assert (magic, version, size, kind) == (b"glTF", 2, len(text), b"JSON")
    tree, block = json.loads(text[20 : 20 + length]), text[28 + length :]
    assert text[24 + length : 28 + length] == b"BIN\0"

    def array(at):
        one = tree["accessors"][at]
        view = tree["bufferViews"][one["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[one["type"]]
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}[one["componentType"]]
        return np.frombuffer(block, kind, one["count"] * width, view["byteOffset"]).reshape(one["count"], width)

    return tree, array


def turned_by(quaternion, points):
    axis, real = quaternion[..., :3], quaternion[..., 3:]
    return points + 2 * np.cross(axis, np.cross(axis, points) + real * points)


def test_a_glb_moves_its_joints_and_solids_as_fitted(found):
    tree, array = tree_of(content(write_motion, found, {"fps": 50.0}))
    assert tree["asset"]["extras"] == {"fps": 50.0}
    (animation,) = tree["animations"]
    values = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        np.testing.assert_allclose(array(sampler["input"])[:, 0], np.arange(60) / 50, atol=1e-6)
        values[channel["target"]["node"], channel["target"]["path"]] = array(sampler["output"])
    parents = {child: at for at, node in enumerate(tree["nodes"]) for child in node.get("children", ())}
    skin = tree["skins"][0]
    bind = array(skin["inverseBindMatrices"]).reshape(-1, 4, 4)[:, 3, :3]

    def place(at, points):
        """Points [60, m, 3] in the axes of a node, in those of the scene."""
        shift = values.get((at, "translation"), np.array([tree["nodes"][at]["translation"]]))[:, None]
        points = turned_by(values[at, "rotation"][:, None], points) + shift
        return place(parents[at], points) if at in parents else points

    names = {node["name"]: at for at, node in enumerate(tree["nodes"])}
    for joint, name in NAMES.items():
        points = place(names[name], np.zeros((60, 1, 3)))[:, 0]
        np.testing.assert_allclose(points, found.points[:, H36M_17.joints.index(joint)], rtol=0, atol=1e-5)
    (part,) = tree["meshes"][0]["primitives"]
    arrays = {name: array(at) for name, at in part["attributes"].items()}
    # The tip of every bone's solid is where the joint is.
    tips = arrays["POSITION"].reshape(-1, 8, 3, 3)[:, 4, 0]
    ends = np.stack([
        place(int(node), np.broadcast_to(tip + bind[node], (60, 1, 3)))[:, 0]
        for node, tip in zip(arrays["JOINTS_0"].reshape(-1, 24, 4)[:, 0, 0], tips, strict=True)
    ])  # fmt: skip
    for joint in range(1, 17):
        near = np.linalg.norm(ends - found.points[:, joint], axis=-1).max(1).min()
        assert near < 1e-5, H36M_17.joints[joint]
    sides = np.cross(*(arrays["POSITION"].reshape(-1, 3, 3)[:, at] - arrays["POSITION"][::3] for at in (1, 2)))
    assert ((sides * arrays["NORMAL"][::3]).sum(1) > 0).all()


def test_a_glb_shows_one_mesh_at_a_time_and_left_ones_are_not_inside_out():
    ball = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float32)
    faces = np.array([(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)])
    mirrored = faces[:, ::-1].copy()
    vertices = np.stack((ball, ball * (-1, 1, 1), 0.5 * ball)).astype(np.float32)
    tree, array = tree_of(content(write_meshes, vertices, [faces, mirrored, faces], 5.0, {}))
    for mesh, points in zip(tree["meshes"], vertices, strict=True):
        (part,) = mesh["primitives"]
        found, order = array(part["attributes"]["POSITION"]), array(part["indices"]).reshape(-1, 3)
        np.testing.assert_allclose(found, points * (1, -1, -1), atol=1e-6)
        outward = np.cross(found[order[:, 1]] - found[order[:, 0]], found[order[:, 2]] - found[order[:, 0]])
        assert ((outward * found[order].mean(1)).sum(1) > 0).all()
        np.testing.assert_allclose(array(part["attributes"]["NORMAL"]), found / np.linalg.norm(found[0]), atol=1e-6)
    assert tree["meshes"][0]["primitives"][0]["indices"] == tree["meshes"][2]["primitives"][0]["indices"]
    samplers = tree["animations"][0]["samplers"]
    assert {sampler["interpolation"] for sampler in samplers} == {"STEP"}
    np.testing.assert_array_equal(np.stack([array(one["output"])[:, 0] for one in samplers]), np.eye(3))
    single, _ = tree_of(content(write_meshes, vertices[:1], [faces], 5.0, {}))
    assert "animations" not in single


# --- axes and gaps


@pytest.mark.parametrize(("axes", "up", "left"), [("camera", (0, -1, 0), (1, 0, 0)), ("world", (0, 0, 1), (1, 0, 0))])
def test_motion_has_y_up_and_left_stays_left(axes, up, left):
    """Of a person who faces the camera; in a studio of one who faces against y."""
    pose = np.zeros((5, 17, 3), np.float32)
    pose[:, H36M_17.joints.index("Head")] = 0.7 * np.array(up)
    pose[:, H36M_17.joints.index("LFoot")] = 0.1 * np.array(left) - 0.9 * np.array(up)
    pose[2, H36M_17.joints.index("LFoot")] -= np.array(up, np.float32)  # one frame's noise
    lifted = Lifted(found={"pose3d": pose}, beside={"fps": np.array(25.0)}, skeleton=H36M_17, told="")
    motion = motion_of(lifted, axes)
    np.testing.assert_allclose(motion.points[0, H36M_17.joints.index("Hip")], (0, 0.9, 0), atol=1e-6)
    np.testing.assert_allclose(motion.points[0, H36M_17.joints.index("Head")], (0, 1.6, 0), atol=1e-6)
    np.testing.assert_allclose(motion.points[0, H36M_17.joints.index("LFoot")], (0.1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(motion.points[:, 0], np.tile((0, 0.9, 0), (5, 1)), atol=1e-6)


def test_a_frame_is_missing_when_no_view_has_a_joint_of_it():
    filled = np.zeros((2, 4, 17), bool)
    filled[:, 1] = filled[0, 2] = True
    filled[1, 3, :16] = True
    beside = {"fps": np.array(25.0), "is_joint_filled": filled}
    lifted = Lifted(found={"pose3d": np.zeros((4, 17, 3), np.float32)}, beside=beside, skeleton=H36M_17, told="")
    assert motion_of(lifted, "camera").is_missing.tolist() == [False, True, False, False]


def test_other_joint_sets_have_motion_files_too(tmp_path):
    motion = Motion(
        points=np.random.default_rng(0).standard_normal((4, 32, 3)), is_missing=np.zeros(4, bool), skeleton=H36M_32,
        fps=29.97,
    )  # fmt: skip
    found = fitted(motion)
    (tmp_path / "t.bvh").write_bytes(content(write_bvh, found))
    read = read_bvh(tmp_path / "t.bvh")
    assert read.fps == 29.97
    np.testing.assert_allclose(move(read).points["leftleg"] / 100, found.points[:, 7], rtol=0, atol=MM)
    assert len(tree_of(content(write_motion, found, {}))[0]["skins"][0]["joints"]) == len(found.rig.nodes)
