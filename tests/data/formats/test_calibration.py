"""Calibrations in both JSON shapes, the published one included."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.formats.poses import h36m
from data.formats.poses.calibration import read_cameras
from tests.made.poses import made_poses


@pytest.fixture
def stored(tmp_path):
    h36m.write(made_poses(), tmp_path)
    return tmp_path


def faults_of(root, tree):
    path = h36m.file_cameras(root, "made")
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    with pytest.raises(DataError) as caught:
        h36m.read(root, "made", "gt", joints=17)
    return caught.value.problems


def test_the_published_calibration_in_metres_and_screen_units():
    rigs = h36m.h36m_cameras()
    assert list(rigs) == ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    assert {len(rig) for rig in rigs.values()} == {4}
    first = rigs["S1"][0]
    assert (first.name, first.width, first.height) == ("54138969", 1000, 1002)
    # By hand: 1841.107 mm; 1145.04944 px * 2 / 1000; 512.54150 * 2 / 1000 - 1; 515.45148 * 2 / 1000 - 1.002.
    np.testing.assert_allclose(first.translation[0], 1.841107, atol=1e-6)  # float32
    np.testing.assert_allclose(first.intrinsics[:4:2], [2.29009888, 0.02508300], atol=1e-7)
    np.testing.assert_allclose(first.intrinsics[3], 0.02890295, atol=1e-7)
    np.testing.assert_allclose(first.intrinsics[4:], [-0.2070989, 0.2477752, -0.0030752, -0.0009757, -0.0014245],
                               atol=1e-7)  # fmt: skip


def test_the_published_calibration_is_that_of_the_reference_code(shared_dir):
    if shared_dir is None:
        pytest.skip("no golden data here")
    cameras = [camera for rig in h36m.h36m_cameras().values() for camera in rig]
    with np.load(shared_dir / "parity" / "geometry.npz") as golden:
        poses = [np.concatenate((camera.orientation, camera.translation)) for camera in cameras]
        np.testing.assert_array_equal(poses, golden["h36m_extrinsics_q_t"])
        # The reference rounds to float32 before it normalises; values are up to 2.3, so one step is 2.4e-7.
        lenses = [camera.intrinsics for camera in cameras]
        np.testing.assert_allclose(lenses, golden["h36m_intrinsics"], rtol=0, atol=2.4e-7)


def test_set_h36m_needs_no_calibration_file_and_any_other_does(tmp_path):
    poses = made_poses(name="h36m")
    h36m.write(poses, tmp_path)
    h36m.file_cameras(tmp_path, "h36m").unlink()
    assert h36m.read(tmp_path, "h36m", "gt", joints=17).fingerprint() == poses.fingerprint()
    h36m.write(made_poses(), tmp_path)
    h36m.file_cameras(tmp_path, "made").unlink()
    with pytest.raises(DataError, match=r"has no cameras_made\.json, and only set h36m has a published"):
        h36m.read(tmp_path, "made", "gt", joints=17)


def test_the_table_shape_gives_the_same_cameras(stored):
    table = json.loads(Path(h36m.__file__).with_name("h36m_cameras.json").read_text())
    table["extrinsics"] |= {"S2": [{}, {}, {}, {}], "S3": []}  # as published for subjects without poses
    table["intrinsics"].reverse()  # camera_order decides, not the order of the table
    h36m.file_cameras(stored, "made").write_text(json.dumps(table))
    assert h36m.read(stored, "made", "gt", joints=17).fingerprint() == made_poses().fingerprint()


def test_faults_of_a_camera_are_named_by_subject_and_view(stored):
    tree = json.loads(h36m.file_cameras(stored, "made").read_text())
    tree["S1"]["cameras"][2]["center"] = [1]
    tree["S1"]["cameras"][3]["translation"] = [0, 0, float("nan")]
    tree["S9"]["cameras"][0] |= {"orientation": [1, 1, 0, 0], "res_w": 0}
    tree["S9"]["cameras"][1] = None
    assert faults_of(stored, tree) == (
        "subject S1, camera 2: center must be 2 finite numbers",
        "subject S1, camera 3: translation must be 3 finite numbers",
        "subject S9, camera 0: orientation is no unit quaternion (w, x, y, z)",
        "subject S9, camera 0: res_w and res_h must be the image size in pixels",
        "subject S9, camera 1: is a NoneType, not a mapping",
    )


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("{", "is not valid JSON"),
        ([], "holds a list; expected"),
        ({}, "holds no camera; expected"),
        ({"S1": []}, "subject S1: has no list 'cameras'"),
        ({"extrinsics": {}}, "needs camera_order and intrinsics as lists"),
        ({"extrinsics": {}, "camera_order": ["a"], "intrinsics": []}, "camera_order names a, but intrinsics has no"),
        (
            {"extrinsics": {"S1": [{}, {}]}, "camera_order": ["a"], "intrinsics": [{"id": "a"}]},
            "subject S1: extrinsics must be a list of 1 cameras, or empty",
        ),
    ],
)  # fmt: skip
def test_other_contents_say_what_is_expected(stored, tree, expected):
    assert faults_of(stored, tree)[0].startswith(expected)


def test_a_calibration_that_cannot_be_opened_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_cameras(tmp_path)
