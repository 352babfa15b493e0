"""C3D files: joint centres are taken, markers on the skin give estimates, and other labels are named."""

import numpy as np
import pytest

pytest.importorskip("ezc3d")

from data.__main__ import VERBS
from data.conversion import takes
from data.conversion.motion.c3d import read_c3d
from data.errors import DataError
from data.formats.poses import h36m
from data.poses.skeleton import H36M_17
from spaces import cli
from tests.made.recordings.laboratory import centres, markers, walk, write_c3d

LIMBS = [at for at, name in enumerate(H36M_17.joints) if name[0] in "LR"]


def convert(folder, *more):
    words = ["convert", "cmu", str(folder / "in"), "--out", str(folder / "out"), "--set", "made", *more]
    return cli.main("data", "Data sets.", VERBS, words)


def clips(folder):
    return h36m.read(folder / "out", "made", "gt", joints=17).sequences


def about_hip(poses):
    return poses - poses[:, :1]


@pytest.mark.parametrize("unit", ["mm", "m"])
@pytest.mark.parametrize("prefix", ["", "Ann:"])
def test_joint_centres_are_taken_as_they_are(tmp_path, unit, prefix):
    poses = walk()
    write_c3d(tmp_path / "in" / "a.c3d", centres(poses), rate=50.0, unit_of_length=unit, prefix=prefix)
    assert convert(tmp_path) == 0
    found = clips(tmp_path)[0].pose3d
    true = poses.copy()
    true[:, 0] = poses[:, [1, 4]].mean(1)
    np.testing.assert_allclose(about_hip(found)[:, LIMBS], about_hip(true)[:, LIMBS], atol=1e-3)  # float32 millimetres
    thorax, head = H36M_17.joints.index("Thorax"), H36M_17.joints.index("Head")
    np.testing.assert_allclose(about_hip(found)[:, thorax], about_hip(true)[:, thorax], atol=1e-3)
    assert np.linalg.norm(about_hip(found)[:, head] - about_hip(true)[:, head], axis=-1).max() < 0.08


def test_markers_on_the_skin_give_estimates(tmp_path, capsys):
    poses = walk()
    write_c3d(tmp_path / "in" / "a.c3d", markers(poses), rate=50.0)
    assert convert(tmp_path) == 0
    assert "RWrist are estimated from markers on the skin" in capsys.readouterr().out
    found = clips(tmp_path)[0].pose3d
    true = poses.copy()
    true[:, 0] = poses[:, [1, 4]].mean(1)
    away = np.linalg.norm(about_hip(found) - about_hip(true), axis=-1)[:, LIMBS]
    assert np.median(away, axis=0).max() < 0.04


def test_the_waist_of_the_cmu_set_is_the_same_pelvis(tmp_path):
    tracks = markers(walk())
    for one, other in (("ASI", "FWT"), ("PSI", "BWT")):
        for side in "LR":
            tracks[side + other] = tracks.pop(side + one)
    write_c3d(tmp_path / "in" / "a.c3d", tracks)
    assert convert(tmp_path) == 0


def test_labels_that_are_joints_are_joints(tmp_path):
    poses = walk()
    labels = dict(zip(H36M_17.joints, np.moveaxis(poses, 1, 0), strict=True))
    write_c3d(tmp_path / "in" / "a.c3d", labels, rate=50.0)
    assert convert(tmp_path) == 0
    np.testing.assert_allclose(about_hip(clips(tmp_path)[0].pose3d), about_hip(poses), atol=1e-3)


@pytest.mark.parametrize("missing", ["LKNE", "C7", "LFHD", "RWRA"])
def test_what_does_not_give_joints_is_refused_with_its_labels(tmp_path, capsys, missing):
    tracks = {name: track for name, track in markers(walk()).items() if name not in (missing, "RWRB")}
    write_c3d(tmp_path / "in" / "a.c3d", tracks)
    assert convert(tmp_path) == 2
    err = capsys.readouterr().err
    assert "no joints follow from its labels; it lacks" in err
    assert "labels: c7" in err.lower() or missing == "C7"
    assert {"LKNE": "LKnee", "C7": "C7", "LFHD": "LFHD", "RWRA": "RWrist"}[missing] in err


def test_short_gaps_are_filled_and_long_ones_cut(tmp_path, capsys):
    tracks = centres(walk(200))
    tracks["LFEO"] = tracks["LFEO"].copy()
    tracks["LFEO"][40:45] = np.nan
    tracks["LFEO"][100:140] = 0.0  # as some software writes what it has not seen
    write_c3d(tmp_path / "in" / "a.c3d", tracks, rate=50.0)
    assert convert(tmp_path) == 0
    assert "frames in which joints were not seen are left out" in capsys.readouterr().out
    assert [len(clip.pose3d) for clip in clips(tmp_path)] == [100, 60]


def test_what_is_no_recording_of_one_person_is_refused(tmp_path, capsys):
    two = {f"{who}:{name}": track for who in ("Ann", "Bob") for name, track in centres(walk(40)).items()}
    write_c3d(tmp_path / "in" / "two.c3d", two)
    (tmp_path / "in" / "text.c3d").write_text("no points")
    assert convert(tmp_path) == 2
    err = capsys.readouterr().err
    assert "two.c3d: holds 2 people (Ann, Bob); export each to a file of its own" in err
    assert "text.c3d: is no C3D file that can be read" in err
    with pytest.raises(DataError, match="is no C3D file that can be read"):
        read_c3d(tmp_path / "none.c3d")


def test_a_file_that_is_cut_off_is_refused(tmp_path, capsys):
    write_c3d(tmp_path / "in" / "a.c3d", centres(walk(200)), rate=50.0)
    content = (tmp_path / "in" / "a.c3d").read_bytes()
    (tmp_path / "in" / "a.c3d").write_bytes(content[: len(content) * 4 // 5])
    assert convert(tmp_path) == 2
    assert "a.c3d: announces 200 frames and has 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_as_long_as_its_header_can_count_may_lack_an_end(tmp_path):
    write_c3d(tmp_path / "long.c3d", {"hip": np.ones((65_600, 3))})
    recording = read_c3d(tmp_path / "long.c3d")
    assert len(recording.points["hip"]) == 65_535
    assert recording.notes == ("has 65535 frames, the most its header counts; later ones are not read",)


def test_without_the_package_each_file_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(takes, "find_spec", lambda name: None)
    write_c3d(tmp_path / "in" / "a.c3d", centres(walk(40)))
    assert convert(tmp_path) == 2
    err = capsys.readouterr().err
    assert "a.c3d: needs the package ezc3d, which is not installed; run " in err
    assert " -m pip install ezc3d==1.7.2" in err
