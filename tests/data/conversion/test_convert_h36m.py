"""`python -m data convert h36m`: the original release and pickled poses to the files of VideoPose3D."""

import os
import pickle

import cdflib.cdfwrite
import numpy as np
import pytest

from data.__main__ import VERBS
from data.conversion.human36m import RECORDINGS, TEST_CAMERA_FRAMES, canonical, differences
from data.formats.poses import h36m
from data.poses.poseset import PoseSet, Sequence
from data.poses.skeleton import H36M_17, H36M_32, kept_joints
from data.verbs.check import PUBLISHED_CAMERA_FRAMES
from spaces import cli
from tests.made.poses import projected

KEPT = list(kept_joints(H36M_32, H36M_17))
SPLIT = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}


def main(*words):
    return cli.main("data", "Data sets.", VERBS, [str(word) for word in words])


def made(count, joints=32, seed=0):
    """World millimetres [n, J, 3], float32, of somebody about the middle of the room."""
    generator = np.random.default_rng(seed)
    middle = np.array((300, 200, 700))
    return (generator.uniform(-400, 400, (count, joints, 3)) + middle).astype(np.float32)


def write_cdf(path, poses, variable="Pose"):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = cdflib.cdfwrite.CDF(path)
    spec = {"Variable": variable, "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [len(poses), 96]}
    file.write_var(spec, var_data=poses.reshape(1, len(poses), -1))
    file.close()


def capture_file(root, subject, name):
    return root / subject / "MyPoseFeatures" / "D3_Positions" / f"{name}.cdf"


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "human36m"
    for seed, (subject, name) in enumerate(
        [("S1", "TakingPhoto"), ("S1", "WalkingDog 1"), ("S1", "Sitting_2"), ("S9", "Walking"), ("S11", "Directions"),
         ("S11", "Directions 1")]
    ):  # fmt: skip
        write_cdf(capture_file(root, subject, name), made(3 + seed, seed=seed))
    # Other poses of the release are not read.
    write_cdf(root / "S1" / "MyPoseFeatures" / "D3_Positions_mono" / "Walking.54138969.cdf", made(3))
    return root


def test_the_release_becomes_the_published_files(release, tmp_path, capsys):
    out = tmp_path / "store"
    assert main("convert", "h36m", release, "--out", out) == 0
    said = capsys.readouterr().out
    assert f"wrote set h36m to {out}, from 6 CDF files in millimetres:" in said
    assert "note: left out: S11 Directions\n" in said
    assert {path.name for path in out.iterdir()} == {"data_3d_h36m.npz", "data_2d_h36m_gt.npz"}
    poses = h36m.read(out, "h36m", "gt", joints=17)
    assert [(clip.subject, clip.action) for clip in poses.sequences] == [
        ("S1", "Sitting 2"), ("S1", "Photo"), ("S1", "WalkDog 1"), ("S9", "Walking"), ("S11", "Directions 1")
    ]  # fmt: skip
    photo = next(clip for clip in poses.sequences if clip.action == "Photo")
    np.testing.assert_array_equal(photo.pose3d, (made(3) / np.float32(1000))[:, KEPT])
    with np.load(out / "data_3d_h36m.npz", allow_pickle=True) as stored:
        assert stored["positions_3d"].item()["S1"]["Photo"].shape == (3, 32, 3)
    assert main("check", "h36m", out) == 0


def test_2d_is_the_projection_through_the_published_lenses(release, tmp_path):
    assert main("convert", "h36m", release, "--out", tmp_path / "store") == 0
    clip = h36m.read(tmp_path / "store", "h36m", "gt", joints=17, subjects=["S9"]).sequences[0]
    cameras = h36m.h36m_cameras()["S9"]
    assert len(clip.pose2d) == 4
    for view, camera in zip(clip.pose2d, cameras, strict=True):
        np.testing.assert_allclose(view, projected(clip.pose3d, camera), atol=1e-3)  # float32 pixels up to 1000


@pytest.mark.parametrize(("scale", "unit"), [(1, "millimetres"), (0.001, "metres")])
@pytest.mark.parametrize("joints", [32, 17])
def test_pickled_poses_give_the_same_set_in_either_unit(tmp_path, capsys, scale, unit, joints):
    tree = {"S1": {"TakingPhoto 1": made(4, joints) * np.float32(scale)}, "S9": {"Walking": made(5, joints) * scale}}
    (tmp_path / "h36m.pkl").write_bytes(pickle.dumps(tree, 2))
    assert main("convert", "h36m", tmp_path, "--out", tmp_path / "store") == 0
    assert f"from h36m.pkl in {unit}" in capsys.readouterr().out
    poses = h36m.read(tmp_path / "store", "h36m", "gt", joints=17)
    assert [(clip.subject, clip.action) for clip in poses.sequences] == [("S1", "Photo 1"), ("S9", "Walking")]
    kept = KEPT if joints == 32 else slice(None)
    np.testing.assert_allclose(poses.sequences[0].pose3d, made(4, joints)[:, kept] / 1000, rtol=3e-7)


def test_the_3d_file_alone_gets_its_2d(release, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert main("convert", "h36m", release, "--out", one) == 0
    assert main("convert", "h36m", one / "data_3d_h36m.npz", "--out", other) == 0
    assert (other / "data_2d_h36m_gt.npz").read_bytes() == (one / "data_2d_h36m_gt.npz").read_bytes()
    assert main("convert", "h36m", one, "--out", one) == 2


def test_differences_to_the_published_counts_are_told(release, tmp_path, capsys):
    assert main("convert", "h36m", release, "--out", tmp_path / "store") == 0
    said = capsys.readouterr().out
    for note in (
        "note: S1 has 3 recordings, published are 30",
        "note: S11 has 1 recordings, published are 29",
        "note: train (S1 S5 S6 S7 S8) has 48 camera frames, published are 1,559,752",
        "note: test (S9 S11) has 56 camera frames, published are 543,344",
        "note: test action Walking has 24 camera frames, published are 29,264",
    ):
        assert note in said, note


def test_a_set_of_the_published_size_has_no_differences():
    assert sum(TEST_CAMERA_FRAMES.values()) == PUBLISHED_CAMERA_FRAMES["test"]
    actions = list(TEST_CAMERA_FRAMES)
    camera = h36m.h36m_cameras()["S1"]
    clips = []

    def add(subject, action, frames):
        # A pose of no size: only lengths count here.
        pose3d = np.broadcast_to(np.float32(0), (frames, 17, 3))
        clips.append(Sequence(subject=subject, action=action, pose3d=pose3d, pose2d=(), cameras=camera))

    for subject in SPLIT["train"]:
        for action in actions:
            for take in ("", " 1"):
                first = not clips
                count = PUBLISHED_CAMERA_FRAMES["train"] // 4 - (5 * RECORDINGS - 1) * 100 if first else 100
                add(subject, action + take, count)
    for action, frames in TEST_CAMERA_FRAMES.items():
        if action != "Directions":
            add("S11", action, 1)
        for subject, take, count in (("S9", "", 1), ("S9", " 1", 1), ("S11", " 1", 0)):
            rest = frames // 4 - (2 if action == "Directions" else 3)
            add(subject, action + take, count or rest)
    poses = PoseSet(name="h36m", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=tuple(clips))
    assert differences(poses, PUBLISHED_CAMERA_FRAMES, SPLIT) == []
    fewer = PoseSet(name="h36m", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=tuple(clips[1:]))
    assert [note.partition(" has")[0] for note in differences(fewer, PUBLISHED_CAMERA_FRAMES, SPLIT)] == [
        "S1", "train (S1 S5 S6 S7 S8)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key"),
    [("TakingPhoto 1", "Photo 1"), ("WalkingDog", "WalkDog"), ("Directions_1", "Directions 1"), ("Walking", "Walking")],
)
def test_recordings_get_their_published_names(name, key):
    assert canonical(name) == key


def test_every_fault_is_told_and_nothing_is_written(release, tmp_path, capsys):
    broken = capture_file(release, "S1", "Eating")
    broken.write_bytes(capture_file(release, "S9", "Walking").read_bytes()[:200])
    write_cdf(capture_file(release, "S1", "Posing"), made(3), variable="Angles")
    write_cdf(capture_file(release, "S2", "Walking"), made(3))
    write_cdf(capture_file(release, "S1", "Photo"), made(3))
    nan = made(3)
    nan[1, 2] = np.nan
    write_cdf(capture_file(release, "S9", "Waiting"), nan)
    write_cdf(capture_file(release, "S9", "Smoking"), made(3) / 1000)
    assert main("convert", "h36m", release, "--out", tmp_path / "store") == 2
    err = capsys.readouterr().err
    for why in (
        "Eating.cdf: cannot be read as CDF",
        "Posing.cdf: cannot be read as CDF with a variable 'Pose'",
        "S2 has no published cameras",
        "S1 has a recording Photo already",
        "Waiting.cdf: frame 1, joint 2 is no finite number",
        "recordings are in different units",
    ):
        assert why in err, why
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("length", [0, 3, 100, 400, 900])
def test_a_cut_capture_file_is_refused(tmp_path, capsys, length):
    write_cdf(capture_file(tmp_path, "S1", "Eating"), made(3))
    path = capture_file(tmp_path, "S1", "Eating")
    path.write_bytes(path.read_bytes()[:length])
    assert main("convert", "h36m", tmp_path, "--out", tmp_path / "store") == 2
    assert "cannot be read as CDF" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ([1], "is no dictionary {subject: {action: poses}}"),
        ({"S1": {1: made(2)}}, "is no dictionary {subject: {action: poses}} with text as names"),
        ({"S1": {"Walking": made(2, 16)}}, "is float32 (2, 16, 3); expected numbers of shape (frames, 32 or 17, 3)"),
        ({"S1": {"Walking": "far"}}, "is a str; expected numbers"),
        ({"S1": {"Walking": made(0)}}, "is float32 (0, 32, 3); expected"),
        ({"S1": {"Jumping": made(2)}}, "none of 1 recordings is of the 15 actions"),
        ({"S1": {"Walking": made(2), "Eating": made(2, 17)}}, "recordings have 17 and 32 joints"),
        ({"S1": {"Walking": os.getcwd}}, "asks to import posix.getcwd; it is not plain data"),
    ],
)
def test_pickles_of_other_content_are_refused(tmp_path, capsys, tree, why):
    (tmp_path / "poses.pkl").write_bytes(pickle.dumps(tree))
    assert main("convert", "h36m", tmp_path, "--out", tmp_path / "store") == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_what_is_missing_or_there_already_is_told(release, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main("convert", "h36m", tmp_path / "empty", "--out", tmp_path / "store") == 2
    assert "holds no D3_Positions/*.cdf in any folder, no *.pkl and no data_3d_h36m.npz" in capsys.readouterr().err
    assert main("convert", "h36m", tmp_path / "none", "--out", tmp_path / "store") == 2
    assert "no such folder" in capsys.readouterr().err
    for name in ("a.pkl", "b.pkl"):
        (tmp_path / "empty" / name).write_bytes(b"no pickle")
    assert main("convert", "h36m", tmp_path / "empty", "--out", tmp_path / "store") == 2
    assert "several files of poses (a.pkl, b.pkl); name one of them" in capsys.readouterr().err
    assert main("convert", "h36m", tmp_path / "empty" / "a.pkl", "--out", tmp_path / "store") == 2
    assert "is no pickle, or a damaged one" in capsys.readouterr().err
    assert main("convert", "h36m", release, "--out", tmp_path / "store") == 0
    assert main("convert", "h36m", release, "--out", tmp_path / "store") == 2
    assert capsys.readouterr().err.count("exists; --force writes over it") == 2
    assert main("convert", "h36m", release, "--out", tmp_path / "store", "--force") == 0
    assert main("convert", "h36m", release, "--out", tmp_path / "empty" / "a.pkl") == 2
    assert "a.pkl is no folder" in capsys.readouterr().err
