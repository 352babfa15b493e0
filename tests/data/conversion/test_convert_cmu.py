"""`python -m data convert cmu`: folders of motion capture to a set that the other commands take."""

import json

import numpy as np
import pytest

from data.__main__ import VERBS
from data.conversion.capture import WIDEST
from data.formats.poses import h36m
from data.poses.skeleton import H36M_17
from data.synthetic.poses.motion import motion as synthetic_motion
from spaces import cli
from tests.made.recordings.mocap import UNIT, amc_text, asf_text, bvh_text, motion, rest, write_subject
from tests.made.recordings.motion_statistics import LIKE_RECORDED, statistics


def main(*words):
    return cli.main("data", "Data sets.", VERBS, [str(word) for word in words])


def convert(source, out, *more):
    return main("convert", "cmu", source, "--out", out, "--set", "made", *more)


def poses_of(out, keypoints="gt"):
    return h36m.read(out, "made", keypoints, joints=17)


def test_a_folder_of_asf_and_amc_becomes_a_set_that_check_accepts(tmp_path, capsys):
    write_subject(tmp_path / "subjects", "01", motion(120), motion(200, seed=1))
    write_subject(tmp_path / "subjects", "02", motion(150, seed=2))
    out = tmp_path / "deep" / "store"
    assert convert(tmp_path / "subjects", out, "--subject-prefix", "C", "--detector") == 0
    said = capsys.readouterr().out
    assert f"wrote set made to {out}:" in said
    assert f"next: python -m data check h36m {out} --set made" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith("C0")}
    assert rows["C01"][-4:] == ["2", "133", "0.0", "100.0"]  # clips, frames, seconds left out, per cent inside
    assert {path.name for path in out.iterdir()} == {
        "data_3d_made.npz", "data_2d_made_gt.npz", "data_2d_made_det.npz", "cameras_made.json", "manifest_made.csv"
    }  # fmt: skip
    assert main("check", "h36m", out) == 0
    poses = poses_of(out)
    assert [(clip.subject, clip.action) for clip in poses.sequences] == [
        ("C01", "Motion 1"), ("C01", "Motion 2"), ("C02", "Motion 1")
    ]  # fmt: skip
    # 120 frames at 120 Hz last 119/120 s.
    assert [len(clip.pose3d) for clip in poses.sequences] == [50, 83, 63]
    assert poses.skeleton == H36M_17
    assert poses_of(out, "det").sequences[0].pose2d[0].shape == (50, 17, 2)
    assert (out / "manifest_made.csv").read_text().splitlines()[:2] == [
        "subject,action,source_motion,first_frame_50hz,end_frame_50hz",
        "C01,Motion 1,01_01,0,50",
    ]


def test_asf_and_bvh_of_one_motion_become_the_same_clips(tmp_path):
    frames = motion(100, walk=0.1)
    write_subject(tmp_path / "amc", "01", frames)
    write_subject(tmp_path / "bvh", "01", frames, kind="bvh")
    for kind in ("amc", "bvh"):
        assert convert(tmp_path / kind, tmp_path / f"{kind}_out") == 0
    one, other = (poses_of(tmp_path / f"{kind}_out").sequences[0] for kind in ("amc", "bvh"))
    np.testing.assert_allclose(one.pose3d, other.pose3d, atol=1e-5)  # metres; the files have eight digits
    np.testing.assert_allclose(one.pose2d, other.pose2d, atol=0.02)  # pixels; two steps of their grid


def test_a_t_pose_stands_upright_in_metres_and_faces_minus_y(tmp_path):
    write_subject(tmp_path / "subjects", "01", rest())
    assert convert(tmp_path / "subjects", tmp_path / "out") == 0
    clip = poses_of(tmp_path / "out").sequences[0]
    pose = dict(zip(H36M_17.joints, clip.pose3d[0], strict=True))
    # Facing z with y up and the left at x becomes facing -y with z up and the left at x.
    np.testing.assert_allclose(pose["Hip"], (0, 0, (16 - 1.7) * UNIT), atol=1e-6)
    np.testing.assert_allclose(pose["LShoulder"] - pose["RShoulder"], (6.4 * UNIT, 0, 0), atol=1e-6)
    np.testing.assert_allclose(pose["LKnee"] - pose["LHip"], (2.4 * UNIT, 0, -6.6 * UNIT), atol=1e-6)
    assert 1.3 < pose["Head"][2] < 1.7
    for left, right in zip(H36M_17.left, H36M_17.right, strict=True):
        np.testing.assert_allclose(clip.pose3d[0, left], clip.pose3d[0, right] * (-1, 1, 1), atol=1e-6)
    nose = to_front(clip)
    assert nose == "-y"


def to_front(clip):
    """Where the face looks: right of the body cross up."""
    right = clip.pose3d[0, 1] - clip.pose3d[0, 4]
    forward = np.cross((0, 0, 1), right)
    axis = int(np.argmax(np.abs(forward)))
    return ("+" if forward[axis] > 0 else "-") + "xyz"[axis]


@pytest.mark.parametrize(
    ("scale", "unit"), [(1, "1/0.45 inch"), (UNIT, "metre"), (100 * UNIT, "centimetre"), (UNIT / 0.0254, "inch")]
)
def test_the_unit_of_a_bvh_is_the_one_that_makes_a_person(tmp_path, capsys, scale, unit):
    folder = tmp_path / "bvh" / "01"
    folder.mkdir(parents=True)
    (folder / "a.bvh").write_text(bvh_text(rest(), scale=scale))
    assert convert(tmp_path / "bvh", tmp_path / "out") == 0
    assert f"  {unit}  " in capsys.readouterr().out
    heights = poses_of(tmp_path / "out").sequences[0].pose3d[0, :, 2]
    assert np.ptp(heights) == pytest.approx((6 + 1.6 + 1.5 + 1.7 + 1.7 + 6.6 + 6.8 - 0.1) * UNIT, abs=0.01)


def test_scale_overrides_and_nobody_is_three_metres_tall(tmp_path, capsys):
    folder = write_subject(tmp_path / "subjects", "01", rest())
    assert convert(tmp_path / "subjects", tmp_path / "out", "--scale", UNIT / 2) == 0
    assert poses_of(tmp_path / "out").sequences[0].pose3d[0, 0, 2] == pytest.approx((16 - 1.7) * UNIT / 2)
    (folder / "01.asf").write_text(asf_text(length=0.2))
    assert convert(tmp_path / "subjects", tmp_path / "other") == 2
    assert "people have 0.9 to 2.2 m: give --scale METRES_PER_UNIT" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_an_index_names_actions_and_subjects(tmp_path, capsys):
    write_subject(tmp_path / "subjects", "01", motion(90), motion(90), motion(90))
    index = tmp_path / "index.csv"
    index.write_text("\ufefffile,action,subject\n01_01.amc,Walk,\nsubjects/01/01_02,Walk,09\n", encoding="utf-8")
    assert convert(tmp_path / "subjects", tmp_path / "out", "--index", index) == 0
    found = [(clip.subject, clip.action) for clip in poses_of(tmp_path / "out").sequences]
    assert found == [("01", "Walk 1"), ("01", "Motion 1"), ("09", "Walk 1")]
    assert "no row of the index for 1 files (01_03); they are called Motion" in capsys.readouterr().out


def test_a_rest_pose_in_front_of_the_motion_is_cut_off(tmp_path):
    frames = [frame | {"root": frame["root"] + np.array((0, 80.0, 0))} for frame in motion(200)]
    write_subject(tmp_path / "bvh", "01", [*rest(1), *frames], kind="bvh")
    write_subject(tmp_path / "plain", "01", frames, kind="bvh")
    assert convert(tmp_path / "bvh", tmp_path / "out") == 0
    assert convert(tmp_path / "plain", tmp_path / "plain_out") == 0
    one, other = poses_of(tmp_path / "out").sequences, poses_of(tmp_path / "plain_out").sequences
    assert len(one) == 1
    np.testing.assert_allclose(one[0].pose3d, other[0].pose3d, atol=1e-6)


def test_a_long_walk_becomes_clips_that_stay_before_the_cameras(tmp_path, capsys):
    walk = motion(1200, walk=0.2)  # 14 m in ten seconds
    write_subject(tmp_path / "subjects", "01", walk)
    assert convert(tmp_path / "subjects", tmp_path / "out") == 0
    clips = poses_of(tmp_path / "out").sequences
    assert [clip.action for clip in clips] == [f"Motion {number}" for number in range(1, 5)]
    for clip in clips:
        assert np.linalg.norm(clip.pose3d[:, 0, :2], axis=-1).max() < WIDEST / 2 + 0.01
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("01 "))
    assert float(row.split()[-1]) > 99
    assert row.split()[-2] == "0.5"  # seconds at the end, too short for a clip
    lines = (tmp_path / "out" / "manifest_made.csv").read_text().splitlines()[1:]
    bounds = [[int(number) for number in line.split(",")[3:]] for line in lines]
    assert [end for _, end in bounds[:-1]] == [first for first, _ in bounds[1:]]


def placed_bvh(poses, fps):
    """Poses [n, 17, 3], z up, as BVH whose joints are all placed by position channels; no rotations."""
    place = dict(zip(H36M_17.joints, np.moveaxis(poses, 1, 0), strict=True))
    ahead = 0.05 * np.ones(3)  # the neck is the middle of two joints
    places = {
        "Hips": place["Hip"], "Spine": place["Spine"], "Neck": place["Thorax"], "Neck1": place["Neck"] - ahead,
        "Head": place["Neck"] + ahead, "Top": place["Head"],
    }  # fmt: skip
    for side, word in (("L", "Left"), ("R", "Right")):
        for joint, name in (("Hip", "UpLeg"), ("Knee", "Leg"), ("Foot", "Foot"), ("Shoulder", "Arm"),
                            ("Elbow", "ForeArm"), ("Wrist", "FingerBase")):  # fmt: skip
            places[word + name] = place[side + joint]
    # The top of the head is an end site, which has no channels; so it is a joint, and the site lies on it.
    channels = "Xposition Yposition Zposition Zrotation Yrotation Xrotation"
    lines = ["HIERARCHY", "ROOT World", "{", "OFFSET 0 0 0", f"CHANNELS 6 {channels}"]
    for name in places:
        lines += [f"JOINT {name}", "{", "OFFSET 0 0 0", f"CHANNELS 6 {channels}", "}"]
    lines += ["}", "MOTION", f"Frames: {len(poses)}", f"Frame Time: {1 / fps:.7f}"]
    columns = [np.zeros_like(poses[:, 0]), *places.values()]
    for at in range(len(poses)):
        rows = [f"{x:.6f} {z:.6f} {-y:.6f} 0 0 0" for x, y, z in (column[at] for column in columns)]
        lines.append(" ".join(rows))
    return "\n".join([*lines, ""]).replace("JOINT Top", "JOINT Head End")


def test_converted_motion_moves_as_the_recorded_one_does(tmp_path):
    folder = tmp_path / "bvh" / "01"
    folder.mkdir(parents=True)
    modes = (("gait",), ("free",), ("sit",), ("reach",), ("free", "gait"), ("free",))
    made = [synthetic_motion(0, 1, at, 500, modes=mode, skeleton="cmu") for at, mode in enumerate(modes)]
    for at, poses in enumerate(made):
        (folder / f"{at}.bvh").write_text(placed_bvh(poses, 50))
    assert convert(tmp_path / "bvh", tmp_path / "out", "--scale", 1) == 0
    clips = poses_of(tmp_path / "out").sequences
    for clip, poses in zip(clips, made, strict=True):
        # The made Hip lies 0.2 mm beside the middle of the hips, for a left side unlike the right one.
        middle = poses[:, [1, 4]].mean(1, keepdims=True)
        np.testing.assert_allclose(clip.pose3d[:, 1:] - clip.pose3d[:, :1], poses[:, 1:] - middle, atol=3e-6)
    found, truth = (statistics([one.astype(float) for one in some]) for some in ([c.pose3d for c in clips], made))
    for name in LIKE_RECORDED:
        assert found[name] == pytest.approx(truth[name], rel=0.01, abs=0.1), name


def test_every_fault_of_every_file_is_told_and_nothing_is_written(tmp_path, capsys):
    folder = write_subject(tmp_path / "subjects", "01", motion(60), motion(60), motion(60))
    (folder / "01_01.amc").write_text(amc_text(motion(60))[:-200])
    (folder / "01_02.amc").write_text(amc_text(motion(60)).replace("\nhead ", "\nhead nan ", 1))
    other = write_subject(tmp_path / "subjects", "02", motion(60), motion(60))
    (other / "02.asf").write_text(asf_text(ltibia={"dof": "rx rw"}))
    bvh = write_subject(tmp_path / "subjects", "03", motion(60), kind="bvh")
    (bvh / "03_01.bvh").write_text(bvh_text(motion(60)).replace("Left", "b1").replace("Right", "b2"))
    assert convert(tmp_path / "subjects", tmp_path / "out") == 2
    err = capsys.readouterr().err
    for why in ("01_01.amc: frame 60 ends", "01_02.amc: line", "02.asf: bone ltibia: dof 'rw'", "no joint is named as"):
        assert why in err, why
    assert err.count("02.asf") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_the_line_is_told_at_once(tmp_path, capsys):
    folder = write_subject(tmp_path / "subjects", "01", motion(60))
    (folder / "01.asf").unlink()
    out = tmp_path / "out"
    out.mkdir()
    (out / "data_3d_made.npz").write_bytes(b"mine")
    index = tmp_path / "index.csv"
    index.write_text("file,action\n01_01,Long jump\n01_01,\n")
    assert convert(tmp_path / "subjects", out, "--index", index) == 2
    err = capsys.readouterr().err
    for why in (
        "data_3d_made.npz exists; --force writes over it",
        "which skeleton is its own? .asf files beside it: none; put 01.asf there",
        "line 2: action 'Long jump' has a blank; write LongJump",
        "line 3: file and action must both be given",
    ):
        assert why in err, why
    assert (out / "data_3d_made.npz").read_bytes() == b"mine"
    assert [path.name for path in out.iterdir()] == ["data_3d_made.npz"]


def test_force_writes_over_and_the_same_input_gives_the_same_bytes(tmp_path):
    write_subject(tmp_path / "subjects", "01", motion(90))
    out = tmp_path / "out"
    assert convert(tmp_path / "subjects", out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert convert(tmp_path / "subjects", out) == 2
    (out / "cameras_made.json").write_text("{}")
    assert convert(tmp_path / "subjects", out, "--force") == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert list(json.loads(before["cameras_made.json"])) == ["01"]


def test_2d_of_a_detector_does_not_outlive_its_poses(tmp_path, capsys):
    write_subject(tmp_path / "subjects", "01", motion(90))
    out = tmp_path / "out"
    assert convert(tmp_path / "subjects", out, "--detector") == 0
    assert convert(tmp_path / "subjects", out, "--force") == 2
    assert "data_2d_made_det.npz is of an earlier conversion" in capsys.readouterr().err
    assert convert(tmp_path / "subjects", out, "--force", "--detector") == 0


@pytest.mark.parametrize("name", ["h36m", "synthetic", "my_humaneva15", "a/b", ""])
def test_a_name_that_other_layouts_own_is_refused(tmp_path, capsys, name):
    write_subject(tmp_path / "subjects", "01", rest())
    assert main("convert", "cmu", tmp_path / "subjects", "--out", tmp_path / "out", "--set", name) == 2
    assert f"--set {name}: " in capsys.readouterr().err


def test_empty_and_missing_folders_and_short_motions_are_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert convert(tmp_path / "empty", tmp_path / "out") == 2
    assert "holds no .amc and no .bvh file" in capsys.readouterr().err
    assert convert(tmp_path / "none", tmp_path / "out") == 2
    assert "no such folder" in capsys.readouterr().err
    write_subject(tmp_path / "short", "01", motion(20))
    assert convert(tmp_path / "short", tmp_path / "out") == 2
    assert "no file has a stretch of 0.6 s in one place" in capsys.readouterr().err


def test_a_motion_in_two_formats_and_two_people_of_one_name_are_refused(tmp_path, capsys):
    folder = write_subject(tmp_path / "subjects", "01", rest())
    (folder / "01_01.bvh").write_text(bvh_text(rest()))
    write_subject(tmp_path / "subjects" / "more", "01", rest())
    assert convert(tmp_path / "subjects", tmp_path / "out") == 2
    assert capsys.readouterr().err.count("are both motion 01_01 of subject 01; move one away") == 2


def test_the_skeleton_of_a_motion_is_the_one_whose_name_it_begins_with(tmp_path):
    folder = write_subject(tmp_path / "subjects", "all", rest())
    (folder / "all.asf").rename(folder / "al.asf")
    (folder / "b.asf").write_text(asf_text(length=0.1))
    assert convert(tmp_path / "subjects", tmp_path / "out") == 0
    assert [clip.subject for clip in poses_of(tmp_path / "out").sequences] == ["all"]


@pytest.mark.parametrize("words", [["convert"], ["convert", "cnu", "x"], ["convert", "cmu", "x"],
                                   ["convert", "cmu", "x", "--out", "y", "--scale", "0"],
                                   ["convert", "cmu", "x", "--out", "y", "--fps", "fast"]])  # fmt: skip
def test_wrong_words_exit_2_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(*words)
    assert left.value.code == 2
    assert "usage: python -m data convert" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["cmu", "h36m"])
def test_help_of_a_source_has_its_example(source, capsys):
    with pytest.raises(SystemExit) as left:
        main("convert", source, "--help")
    assert left.value.code == 0
    assert f"example: python -m data convert {source}" in capsys.readouterr().out
