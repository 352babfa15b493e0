"""The Human3.6M layout: what is written is read back, and every fault is named with its place and remedy."""

import json

import numpy as np
import pytest

from data.errors import DataError
from data.formats.poses import h36m
from data.poses.skeleton import H36M_16, H36M_17, H36M_32, kept_joints
from data.poses.splits import SPLITS, split_named
from spaces.errors import InputError
from tests.made.poses import LENGTHS, made_poses, rewrite


@pytest.fixture
def stored(tmp_path):
    h36m.write(made_poses(), tmp_path)
    return tmp_path


def faults_of(root, name="made", keypoints="gt", joints=17, subjects=None):
    with pytest.raises(DataError) as caught:
        h36m.read(root, name, keypoints, joints=joints, subjects=subjects)
    return caught.value.problems


def change_3d(root, change):
    rewrite(h36m.file_3d(root, "made"), lambda content: change(content["positions_3d"]))


def change_2d(root, change):
    rewrite(h36m.file_2d(root, "made", "gt"), lambda content: change(content["positions_2d"]))


def test_what_is_written_is_read_back_to_the_last_bit(stored):
    wrote, read = made_poses(), h36m.read(stored, "made", "gt", joints=17)
    assert read.fingerprint() == wrote.fingerprint()
    assert (read.subjects, read.fps, read.skeleton) == (("S1", "S9"), 50.0, H36M_17)
    assert [(clip.subject, clip.action) for clip in read.sequences] == list(LENGTHS)
    for one, other in zip(wrote.sequences, read.sequences, strict=True):
        np.testing.assert_array_equal(one.pose3d, other.pose3d)
        np.testing.assert_array_equal(one.pose2d, other.pose2d)
    assert sorted(path.name for path in stored.iterdir()) == [
        "cameras_made.json", "data_2d_made_gt.npz", "data_3d_made.npz"
    ]  # fmt: skip


def test_arrays_are_float32_contiguous_and_writable(stored):
    change_3d(stored, lambda tree: tree["S1"].update(Walking=np.asfortranarray(tree["S1"]["Walking"], ">f8")))
    for clip in h36m.read(stored, "made", "gt", joints=16).sequences:
        for array in (clip.pose3d, *clip.pose2d):
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            assert array.flags.writeable


def test_a_fingerprint_moves_with_one_byte_and_with_a_name():
    poses = made_poses()
    before = poses.fingerprint()
    assert len(before) == 12
    assert made_poses(keypoints="det").fingerprint() != before
    poses.sequences[0].pose2d[3][0, 0, 0] += 1
    assert poses.fingerprint() != before


def test_the_32_joints_of_the_recordings_are_reduced(tmp_path):
    wrote = made_poses(skeleton=H36M_32)
    h36m.write(wrote, tmp_path)
    for joints, target in ((17, H36M_17), (16, H36M_16)):
        clip = h36m.read(tmp_path, "made", "gt", joints=joints).sequences[0]
        kept = kept_joints(H36M_32, target)
        np.testing.assert_array_equal(clip.pose3d, wrote.sequences[0].pose3d[:, kept])
        assert clip.pose2d[0].shape == (9, joints, 2)


def test_sixteen_joints_are_the_seventeen_without_the_neck(stored):
    read = h36m.read(stored, "made", "gt", joints=16)
    assert read.skeleton == H36M_16
    np.testing.assert_array_equal(read.sequences[0].pose2d[2], np.delete(made_poses().sequences[0].pose2d[2], 9, 1))


def test_sixteen_stored_joints_serve_sixteen_and_not_seventeen(tmp_path):
    h36m.write(made_poses(skeleton=H36M_16), tmp_path)
    assert h36m.read(tmp_path, "made", "gt", joints=None).skeleton == H36M_16
    assert faults_of(tmp_path) == (
        "data.joints = 17, but the 3D has 16 joints: use data.joints = 16",
        "data.joints = 17, but the 2D has 16 joints: use data.joints = 16",
    )


def test_only_the_named_subjects_are_read_in_file_order(stored):
    assert h36m.read(stored, "made", "gt", joints=17, subjects=["S9"]).subjects == ("S9",)
    assert h36m.read(stored, "made", "gt", joints=17, subjects={"S9", "S1"}).subjects == ("S1", "S9")
    assert faults_of(stored, subjects=["S2", "S9"]) == ("no subject 'S2'; subjects here: S1, S9",)


def test_2d_longer_than_3d_is_cut(stored):
    change_3d(stored, lambda tree: tree["S1"].update(Walking=tree["S1"]["Walking"][:4]))
    clip = h36m.read(stored, "made", "gt", joints=17).sequences[0]
    np.testing.assert_array_equal(clip.pose2d[1], made_poses().sequences[0].pose2d[1][:4])


def test_2d_shorter_than_3d_is_named_by_subject_action_camera_and_lengths(stored):
    def cut(tree):
        tree["S9"]["Sitting"][2] = tree["S9"]["Sitting"][2][:5]

    change_2d(stored, cut)
    assert faults_of(stored) == (
        "subject S9, action Sitting, camera 2: 3D has 7 frames, 2D detections have 5; re-run the detector or drop it",
    )


def test_a_score_column_is_dropped(stored):
    def add_scores(tree):
        tree["S1"]["Walking"] = [np.insert(view, 2, 0.5, axis=2) for view in tree["S1"]["Walking"]]

    change_2d(stored, add_scores)
    assert h36m.read(stored, "made", "gt", joints=17).fingerprint() == made_poses().fingerprint()


def test_values_that_are_not_finite_are_named_by_frame_and_joint(stored):
    def spoil(tree):
        tree["S1"]["Walking 1"][3, 2, 1] = np.nan

    def spoil_view(tree):
        tree["S9"]["Sitting"][1][6, 13, 0] = -np.inf

    change_3d(stored, spoil)
    change_2d(stored, spoil_view)
    assert faults_of(stored) == (
        "subject S1, action Walking 1: 3D is nan at frame 3, joint 2 (RKnee); fill the gap or drop the clip",
        "subject S9, action Sitting, camera 1: 2D is -inf at frame 6, joint 13 (LWrist); fill the gap or drop the clip",
    )


def test_joints_that_are_dropped_may_hold_anything(tmp_path):
    poses = made_poses(skeleton=H36M_32)
    poses.sequences[0].pose3d[:, 4] = np.nan
    h36m.write(poses, tmp_path)
    assert np.isfinite(h36m.read(tmp_path, "made", "gt", joints=17).sequences[0].pose3d).all()


def test_views_without_a_camera_are_a_fault(stored):
    change_2d(stored, lambda tree: tree["S1"]["Walking"].pop())
    (fault,) = faults_of(stored)
    assert fault.startswith("subject S1, action Walking: 2D has 3 views, the calibration has 4 cameras")


def test_a_subject_without_2d_or_cameras_is_a_fault(stored):
    change_2d(stored, lambda tree: tree.pop("S1"))
    path = h36m.file_cameras(stored, "made")
    path.write_text(json.dumps({"S1": json.loads(path.read_text())["S1"]}))
    faults = faults_of(stored)
    assert faults[0].startswith("subject S1: 3D without 2D")
    assert faults[1].startswith("subject S9: has no cameras; add it to the calibration, which has S1")
    assert len(faults) == 3  # and no clip is left


def test_actions_on_one_side_only_are_faults(stored):
    change_2d(stored, lambda tree: tree["S1"].pop("Walking"))
    change_3d(stored, lambda tree: tree["S9"].pop("Sitting"))
    starts = ("subject S1, action Walking: 3D without 2D", "subject S9, action Sitting: 2D without 3D")
    assert all(fault.startswith(start) for fault, start in zip(faults_of(stored), starts, strict=True))


def test_an_empty_clip_is_a_fault(stored):
    change_3d(stored, lambda tree: tree["S1"].update(Walking=np.zeros((0, 17, 3))))
    assert faults_of(stored) == ("subject S1, action Walking: 3D has no frames; drop the clip",)


def test_millimetres_are_recognised(stored):
    change_3d(stored, lambda tree: tree["S1"].update({"Walking 1": tree["S1"]["Walking 1"] * 1000}))
    (fault,) = faults_of(stored)
    assert fault.startswith("subject S1, action Walking 1: 3D looks like millimetres (median")
    assert fault.endswith("divide it by 1000")


def test_one_far_joint_is_not_taken_for_millimetres(stored):
    def move(tree):
        tree["S1"]["Walking"][0, 0, 0] = 500

    change_3d(stored, move)
    assert h36m.read(stored, "made", "gt", joints=17).sequences[0].pose3d[0, 0, 0] == 500


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((9, 15, 3)), "3D has 15 joints; this layout has 32, 17 or 16"),
        (np.zeros((9, 17, 2)), "3D is float64 (9, 17, 2); expected numbers of shape (frames, joints, 3)"),
        (np.array(["x"]), "3D is <U1 (1,); expected numbers of shape (frames, joints, 3)"),
        ([[0.0]], "3D is a list; expected numbers of shape (frames, joints, 3)"),
    ],
)
def test_other_shapes_say_what_was_found_and_expected(stored, array, expected):
    change_3d(stored, lambda tree: tree["S1"].update(Walking=array))
    assert faults_of(stored) == (f"subject S1, action Walking: {expected}",)


def test_joints_of_another_detector_are_refused_by_their_metadata(stored):
    coco = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
    path = h36m.file_2d(stored, "made", "gt")
    rewrite(path, lambda content: content["metadata"].update(keypoints_symmetry=coco))
    (fault,) = faults_of(stored)
    assert "MPII, COCO?" in fault
    rewrite(path, lambda content: content.pop("metadata"))
    assert h36m.read(stored, "made", "gt", joints=17).fingerprint() == made_poses().fingerprint()


def test_all_faults_come_at_once_and_the_text_shows_twelve(tmp_path):
    h36m.write(made_poses(lengths={("S1", f"Walking {take}"): 2 for take in range(20)}), tmp_path)
    change_3d(tmp_path, lambda tree: [array.fill(np.nan) for array in tree["S1"].values()])
    with pytest.raises(DataError) as caught:
        h36m.read(tmp_path, "made", "gt", joints=17)
    assert len(caught.value.problems) == 20
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("20 problems")
    assert len(lines) == 14
    assert lines[-1] == "  and 8 more"


def test_wrong_names_are_answered_with_what_is_there(stored):
    assert "has no data_3d_maed.npz; did you mean made?; sets here: made" in faults_of(stored, name="maed")
    fault = "has no data_2d_made_gtt.npz; did you mean gt?; data.keypoints here: gt"
    assert fault in faults_of(stored, keypoints="gtt")
    assert "no such folder" in faults_of(stored / "none")[0]


def test_sets_and_keypoints_are_found_by_file_name(tmp_path):
    for name in ("3d_a", "3d_a_b", "2d_a_gt", "2d_a_cpn_ft", "2d_a_b_gt"):
        (tmp_path / f"data_{name}.npz").touch()
    assert h36m.available_sets(tmp_path) == ("a", "a_b")
    assert h36m.available_keypoints(tmp_path, "a") == ("cpn_ft", "gt")
    assert h36m.available_keypoints(tmp_path, "a_b") == ("gt",)
    assert h36m.available_sets(tmp_path / "none") == ()


def test_another_tree_than_subjects_and_actions_is_refused(stored):
    np.savez(h36m.file_3d(stored, "made"), positions_3d=np.array({"S1": [1]}, dtype=object))
    assert "is no dictionary of dictionaries" in faults_of(stored)[0]


def test_a_broken_write_leaves_the_old_file_and_no_rest(stored, monkeypatch):
    def fail(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(KeyboardInterrupt):
        h36m.write(made_poses(keypoints="det"), stored)
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        h36m.write(made_poses(), tmp_path / "file")


def test_named_splits_are_those_of_the_contract():
    assert {"synthetic", "h36m", "h36m_authors", "cmu", "cmu_yardstick"} <= set(SPLITS)
    split = split_named("h36m_authors")
    assert (split.set, split.train[-1], split.val, split.test) == ("h36m", "S8", ("S9", "S11"), ("S9", "S11"))
    assert split_named("cmu_yardstick").train == tuple(f"C{number:02d}" for number in range(1, 14))
    assert set(split_named("cmu").train) | {"C06", "C07"} == set(split_named("cmu_yardstick").train)
    for name in ("synthetic", "h36m", "cmu"):
        parts = [set(getattr(split_named(name), part)) for part in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts))
    assert split_named("made") is None
