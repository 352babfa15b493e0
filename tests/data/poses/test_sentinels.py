"""Numbers that mean "not found": which joints they are, and that all others stay as they are."""

import json

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.keypoints import Told, read_keypoints
from data.poses.sentinels import not_detected

SIZE = (1000, 800)


def body(frames=4, joints=17):
    return np.random.default_rng(3).uniform(300, 700, (frames, joints, 2))


def gone(points, score=None, **options):
    return not_detected(points, score, *SIZE, **options)


@pytest.mark.parametrize(
    "sentinel",
    [
        (0, 0),
        (-1, -1),
        (np.nan, 3),
        (-5, -0.5),
        (1001, 900),
        (-3, 850),
        (1200, -40),
        (1e6, 1e6),
        (1e6, 400),
        (500, -9e5),
    ],
)
def test_a_joint_that_was_not_found_is_the_only_one_missing(sentinel):
    points = body()
    points[1, 5] = points[2, 9] = sentinel
    expected = np.zeros(points.shape[:2], bool)
    expected[1, 5] = expected[2, 9] = True
    found, notes = gone(points)
    np.testing.assert_array_equal(found, expected)
    assert len(notes) == (0 if np.isnan(sentinel[0]) else 1)
    if notes:
        assert notes[0].startswith("2 joints in 2 frames count as not detected: 2 ")


@pytest.mark.parametrize("place", [(0, 400), (400, 0), (-1, 400), (-300, 400), (1000, 800), (1400, 300), (400, 1500)])
def test_a_joint_at_the_edge_or_beyond_one_of_them_is_kept(place):
    points = body()
    points[1, 5] = place
    assert not gone(points)[0].any()


def test_a_body_that_left_the_image_is_kept():
    points = body() + np.array((-900, -900))
    assert not gone(points)[0].any()
    points[0, 3] = -1
    assert gone(points)[0].sum() == 1


@pytest.mark.parametrize("value", [0, -1, 7.5, -9999])
def test_a_frame_whose_joints_are_one_point_has_no_pose(value):
    points = body()
    points[2] = value
    found, notes = gone(points)
    np.testing.assert_array_equal(found.all(1), [False, False, True, False])
    assert found.sum() == 17
    assert notes[0].startswith("17 joints in 1 frames")


def test_scores_below_the_limit_are_missing_and_told_in_the_same_note():
    points, score = body(), np.full((4, 17), 0.9)
    score[0, 1], score[1, 2], score[2, 3], points[3, 4] = 0, 0.29, 0.3, -1
    found, notes = gone(points, score, min_score=0.3)
    expected = np.zeros((4, 17), bool)
    expected[0, 1] = expected[1, 2] = expected[3, 4] = True
    np.testing.assert_array_equal(found, expected)
    assert notes == ["3 joints in 3 frames count as not detected: 1 scored 0, 1 scored below 0.3, 1 at (-1, -1)"]


def test_a_limit_that_leaves_nothing_or_has_no_scores_is_refused(tmp_path):
    facts = {"width": 1000, "height": 800, "layout": "h36m"}
    scored = np.concatenate((body(), np.full((4, 17, 1), 0.5)), -1)
    for values, told in ((scored, "no joint is scored that high; the highest score is 0.5"), (body(), "no scores")):
        (tmp_path / "k.json").write_text(json.dumps({**facts, "frames": values.tolist()}))
        with pytest.raises(DataError, match=told):
            read_keypoints(tmp_path / "k.json", Told(min_score=0.6))
    (tmp_path / "k.json").write_text(json.dumps({**facts, "frames": scored.tolist()}))
    assert not np.isnan(read_keypoints(tmp_path / "k.json", Told(min_score=0.5)).points).any()
