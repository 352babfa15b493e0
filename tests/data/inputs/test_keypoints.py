"""Keypoint files: what is read, what is refused and why, joints made from other joints, gaps."""

import json

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.joint_maps import BEYOND_EARS, fill_gaps, long_gaps, to_skeleton
from data.inputs.keypoints import Told, read_keypoints
from data.inputs.layouts import COCO_17, LAYOUTS
from data.poses.skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17
from data.synthetic.poses.mpi_inf_3dhp import JOINTS as JOINTS_3DHP
from trainables.cli.predict import LAYOUT_NAMES


def points(frames=6, joints=17, columns=2):
    return np.random.default_rng(3).uniform(100, 900, (frames, joints, columns))


def arrays(path, keypoints, **facts):
    np.savez(path, keypoints=keypoints, **facts)
    return path


def tree(path, content):
    path.write_text(json.dumps(content))
    return path


def problems(path, told=None):
    with pytest.raises(DataError) as found:
        read_keypoints(path, told or Told())
    return found.value.problems


def from_arrays(tmp_path, values, layout):
    return read_keypoints(arrays(tmp_path / "k.npz", values, width=1000, height=800, layout=layout), Told())


def test_arrays_and_json_of_the_same_keypoints_are_read_alike(tmp_path):
    values = points(columns=3)
    facts = {"width": 1000, "height": 800, "fps": 30, "layout": "coco"}
    one = read_keypoints(arrays(tmp_path / "k.npz", values, **facts), Told())
    two = read_keypoints(tree(tmp_path / "k.json", {**facts, "frames": values.tolist()}), Told())
    for read in (one, two):
        np.testing.assert_array_equal(read.points, values[..., :2])
        np.testing.assert_array_equal(read.score, values[..., 2])
        assert (read.width, read.height, read.fps, read.layout, read.joints) == (1000, 800, 30, "coco", COCO_17)


def test_coco_results_keep_their_frame_numbers(tmp_path):
    values = points(2, columns=3)
    names = ("img_012.jpg", "img_015.jpg")
    entries = [
        {"image_id": name, "keypoints": rows.ravel().tolist(), "score": 0.9}
        for name, rows in zip(names, values, strict=True)
    ]
    read = read_keypoints(tree(tmp_path / "k.json", entries), Told(width=1000, height=800, fps=25))
    assert read.layout == "coco"
    assert (read.first, len(read.points)) == (12, 4)
    np.testing.assert_array_equal(read.points[[0, 3]], values[:, :, :2])
    assert np.isnan(read.points[1:3]).all()


def test_what_a_detector_did_not_find_is_missing(tmp_path):
    values = points(5, columns=3)
    values[0, 3, 2] = 0
    values[1, 4, 0] = np.nan
    values[2, 5, :2] = 0
    values[3, :, 2] = 0
    read = from_arrays(tmp_path, values, "h36m")
    expected = np.zeros((5, 17), bool)
    expected[0, 3] = expected[1, 4] = expected[2, 5] = expected[3] = True
    np.testing.assert_array_equal(np.isnan(read.points).any(-1), expected)


def test_seventeen_joints_must_say_their_layout_and_others_need_not(tmp_path):
    (found,) = problems(arrays(tmp_path / "k.npz", points(), width=1000, height=800))
    assert "--layout coco or --layout h36m" in found
    for count, layout in ((16, "h36m"), (15, "humaneva")):
        assert (
            read_keypoints(arrays(tmp_path / "k.npz", points(joints=count), width=9, height=9), Told()).layout == layout
        )


def test_all_that_is_unknown_is_told_at_once(tmp_path):
    found = problems(arrays(tmp_path / "k.npz", points(joints=21)), Told(fps=-1.0))
    assert len(found) == 4
    for part in ("21 joints", "--width", "--height", "fps"):
        assert any(part in line for line in found), (part, found)


def test_option_and_file_may_not_contradict_each_other(tmp_path):
    path = arrays(tmp_path / "k.npz", points(), width=1000, height=800, layout="h36m", fps=25)
    found = problems(path, Told(width=999, height=1, layout="coco", fps=30.0))
    assert len(found) == 4
    assert all("the file says" in line for line in found)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"frames": [None, None]}, "every frame is null"),
        ({"frames": [[[1, 2]] * 17, [[1, 2]] * 16]}, "frames differ"),
        ({"frames": [[[1, 2]] * 17, "x"]}, "frame 1"),
        ({"frames": [[["1", "2"]] * 17]}, "frame 0"),
        ({"poses": []}, "no list of frames"),
        ([], "no list of frames"),
        ([{"frame": 0, "keypoints": [1.0] * 50}], "51 numbers"),
        ([{"keypoints": [1.0] * 51}], "no frame number"),
        ([{"image_id": 4, "keypoints": [9.0] * 51}, {"image_id": 397133, "keypoints": [9.0] * 51}], "no frames of one"),
    ],
)
def test_a_json_file_that_holds_no_video_is_refused(tmp_path, content, told):
    assert told in "; ".join(problems(tree(tmp_path / "k.json", content), Told(width=9, height=9, layout="h36m")))


def test_normalised_or_infinite_or_empty_keypoints_are_refused(tmp_path):
    facts = {"width": 1000, "height": 800, "layout": "h36m"}
    spoilt = points()
    spoilt[2, 0, 0] = np.inf
    for values, told in (
        (points() / 1000, "normalised"),
        (spoilt, "infinite"),
        (np.full((3, 17, 2), np.nan), "no pose"),
        (np.zeros((0, 17, 2)), "no pose"),
        (points()[0], "shape (17, 2)"),
    ):
        assert told in "; ".join(problems(arrays(tmp_path / "k.npz", values, **facts)))


def test_nothing_in_a_file_is_unpickled(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=np.array([{"a": 1}], dtype=object))
    assert "plain numbers" in problems(tmp_path / "k.npz")[0]
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 cut off")
    assert problems(tmp_path / "broken.npz")
    (tmp_path / "text.json").write_bytes(b"\xff\xfe no")
    assert "neither" in problems(tmp_path / "text.json")[0]


def test_the_options_offer_the_layouts_that_are_read():
    assert tuple(LAYOUTS) == LAYOUT_NAMES


def test_coco_joints_become_those_of_human36m(tmp_path):
    values = points()
    mapped, made = to_skeleton(from_arrays(tmp_path, values, "coco"), H36M_17)

    def of(name):
        return values[:, COCO_17.index(name)]

    def to(name):
        return mapped[:, H36M_17.joints.index(name)]

    np.testing.assert_allclose(to("Hip"), (of("LHip") + of("RHip")) / 2)
    np.testing.assert_allclose(to("Thorax"), (of("LShoulder") + of("RShoulder")) / 2)
    np.testing.assert_allclose(to("Spine"), (to("Hip") + to("Thorax")) / 2)
    np.testing.assert_array_equal(to("Neck"), of("Nose"))
    ears = (of("LEar") + of("REar")) / 2
    np.testing.assert_allclose(to("Head"), ears + BEYOND_EARS * (ears - to("Thorax")))
    for name in ("RHip", "LKnee", "LShoulder", "RElbow", "LWrist"):
        np.testing.assert_array_equal(to(name), of(name))
    np.testing.assert_array_equal(to("RFoot"), of("RAnkle"))
    assert len(made) == 5


def test_a_head_seen_from_the_side_or_without_ears_is_made_of_what_is_seen(tmp_path):
    values = points(3)
    values[0, COCO_17.index("LEar")] = np.nan
    values[1, [COCO_17.index("LEar"), COCO_17.index("REar")]] = np.nan
    mapped, _ = to_skeleton(from_arrays(tmp_path, values, "coco"), H36M_16)
    thorax, head = (mapped[:, H36M_16.joints.index(name)] for name in ("Thorax", "Head"))
    eyes = (values[1, COCO_17.index("LEye")] + values[1, COCO_17.index("REye")]) / 2
    for frame, anchor in ((0, values[0, COCO_17.index("REar")]), (1, eyes)):
        np.testing.assert_allclose(head[frame], anchor + BEYOND_EARS * (anchor - thorax[frame]))


def test_mirrored_keypoints_map_to_the_mirrored_pose(tmp_path):
    swap = [COCO_17.index(name.translate(str.maketrans("LR", "RL")) if name[0] in "LR" else name) for name in COCO_17]
    values = points()
    mirrored = values[:, swap] * (-1, 1) + (1000, 0)
    one, _ = to_skeleton(from_arrays(tmp_path, values, "coco"), H36M_17)
    two, _ = to_skeleton(from_arrays(tmp_path, mirrored, "coco"), H36M_17)
    np.testing.assert_allclose(two, one[:, H36M_17.mirror] * (-1, 1) + (1000, 0))


def test_between_other_joint_sets_names_decide(tmp_path):
    values = points()
    sixteen, made = to_skeleton(from_arrays(tmp_path, values, "h36m"), H36M_16)
    np.testing.assert_array_equal(sixteen, np.delete(values, 9, 1))
    assert not made
    fifteen, made = to_skeleton(from_arrays(tmp_path, values, "h36m"), HUMANEVA_15)
    np.testing.assert_array_equal(fifteen[:, 0], values[:, 0])
    np.testing.assert_array_equal(fifteen[:, HUMANEVA_15.joints.index("LAnkle")], values[:, 6])
    assert not made


def test_joints_of_3dhp_are_those_of_human36m_by_place_and_not_by_name(tmp_path):
    values = points(joints=17)
    theirs, made = to_skeleton(from_arrays(tmp_path, values, "h36m"), MPI_INF_3DHP_17)
    np.testing.assert_array_equal(theirs, values[:, JOINTS_3DHP])  # the order in which the synthetic twin is made
    assert not made
    back, _ = to_skeleton(from_arrays(tmp_path, theirs, "3dhp"), H36M_17)
    np.testing.assert_array_equal(back, values)
    seen, made = to_skeleton(from_arrays(tmp_path, values, "coco"), MPI_INF_3DHP_17)
    np.testing.assert_allclose(seen[:, 14], (values[:, 11] + values[:, 12]) / 2)  # pelvis: between the hips
    assert any(text.startswith("Head extrapolated") for text in made)


@pytest.mark.parametrize(("joints", "layout"), [(16, "h36m"), (15, "humaneva")])
def test_a_neck_is_not_made_up(tmp_path, joints, layout):
    with pytest.raises(DataError, match="no Neck"):
        to_skeleton(from_arrays(tmp_path, points(joints=joints), layout), H36M_17)


def test_gaps_are_filled_linearly_inside_and_by_the_nearest_at_the_ends():
    track = np.array([np.nan, 10, np.nan, np.nan, 40, np.nan])
    values = np.stack((track, track * 2), -1)[:, None]
    filled, is_missing = fill_gaps(values, ("Hip",))
    np.testing.assert_allclose(filled[:, 0, 0], [10, 10, 20, 30, 40, 40])
    np.testing.assert_allclose(filled[:, 0, 1], [20, 20, 40, 60, 80, 80])
    np.testing.assert_array_equal(is_missing[:, 0], np.isnan(track))
    with pytest.raises(DataError, match="no frame has Head"):
        fill_gaps(np.concatenate((values, values * np.nan), 1), ("Hip", "Head"))


def test_only_gaps_longer_than_the_limit_are_listed_and_joints_share_a_line():
    is_missing = np.zeros((100, 3), bool)
    is_missing[10:40] = True
    is_missing[50:76, 1:] = True
    is_missing[80:100, 0] = True  # 20 frames: not longer than 25
    whole, some = long_gaps(is_missing, ("a", "b", "c"), 25)
    assert (whole.first, whole.last, whole.is_whole) == (10, 39, True)
    assert (some.first, some.last, some.joints, some.is_whole) == (50, 75, ("b", "c"), False)
    assert len(long_gaps(is_missing, ("a", "b", "c"), 19)) == 3
