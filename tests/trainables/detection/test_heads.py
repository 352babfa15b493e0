"""Decoding of what networks for 2D poses give, by hand: no package is needed for that."""

import numpy as np
import pytest

from trainables.detection import heads

SIZE = (64, 48)


def bump(count, at, width=1.5):
    """Values of a Gaussian at 0, 1, ... with its top at `at`."""
    return np.exp(-((np.arange(count) - at) ** 2) / (2 * width**2)).astype(np.float32)


def test_the_bins_of_simcc_are_parts_of_a_pixel_whichever_comes_first():
    across, down = 0.9 * bump(96, 20.4)[None, None], 0.7 * bump(128, 101.0)[None, None]
    for outputs in ((across, down), (down, across)):
        found = heads.simcc(outputs, SIZE)
        np.testing.assert_allclose(found, [[[10.2, 50.5, 0.7]]], rtol=0, atol=0.02)


@pytest.mark.parametrize(("x", "y"), [(3.3, 8.8), (0.0, 15.0), (11.0, 0.0)])
def test_the_peak_of_a_heatmap_lies_between_its_pixels(x, y):
    maps = (bump(16, y)[:, None] * bump(12, x))[None, None]
    found = heads.heatmaps([maps], SIZE)
    np.testing.assert_allclose(found[0, 0, :2], [4 * x, 4 * y], rtol=0, atol=0.01)


def test_a_flat_map_has_a_place_and_no_score():
    found = heads.heatmaps([np.zeros((1, 1, 16, 12), np.float32)], SIZE)
    assert np.isfinite(found).all()
    assert found[0, 0, 2] == 0


def test_shares_are_y_before_x():
    rows = np.array([[[[0.25, 0.5, 0.8]]]], np.float32)
    np.testing.assert_allclose(heads.shares([rows], SIZE), [[[24, 16, 0.8]]], rtol=1e-6)


def anchors(*rows):
    return np.array(rows, np.float32).T[None]


JOINTS = [10, 20, 0.9, 30, 40, 1.4]


def test_of_boxes_that_overlap_the_better_one_is_a_person():
    rows = anchors(
        [50, 60, 20, 40, 0.6, *JOINTS],
        [51, 61, 20, 40, 0.8, *JOINTS],
        [150, 60, 20, 40, 0.5, *JOINTS],
        [250, 60, 20, 40, 0.2, *JOINTS],
    )
    (found,) = heads.yolo(rows, joints=2, columns=3, person=0, classes=1)
    np.testing.assert_allclose(found.score, [0.8, 0.5])
    np.testing.assert_allclose(found.boxes, [[41, 41, 61, 81], [140, 40, 160, 80]])
    np.testing.assert_allclose(found.keypoints[0], [[10, 20, 0.9], [30, 40, 1]])


def test_a_person_is_a_class_among_others():
    rows = anchors([50, 60, 20, 40, 0.9, 0.1], [50, 160, 20, 40, 0.1, 0.7])
    (found,) = heads.yolo(rows, joints=0, columns=0, person=1, classes=2)
    np.testing.assert_allclose(found.boxes, [[40, 140, 60, 180]])
    assert found.keypoints is None


@pytest.mark.parametrize(("columns", "scores"), [(3, [0.9, 1.0]), (2, [0.7, 0.7])])
def test_joints_without_a_score_have_that_of_their_person(columns, scores):
    joints = [value for at, value in enumerate(JOINTS) if at % 3 < columns]
    rows = np.array([[[1, 2, 3, 4, 0.7, 0, *joints], [1, 2, 3, 4, 0.7, 5, *joints]]], np.float32)
    (found,) = heads.yolo_end_to_end(rows, joints=2, columns=columns, person=0)
    np.testing.assert_allclose(found.keypoints, [[[10, 20, scores[0]], [30, 40, scores[1]]]], rtol=1e-6)
    np.testing.assert_allclose(found.boxes, [[1, 2, 3, 4]])


def test_images_with_other_numbers_of_people_stay_apart():
    dets = np.array([[[0, 0, 9, 9, 0.9], [0, 0, 9, 9, 0.4]], [[0, 0, 9, 9, 0.1], [0, 0, 9, 9, 0.1]]], np.float32)
    points = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    one, none = heads.boxes_with(dets, points, is_labels=False)
    assert (len(one.score), len(none.score)) == (2, 0)
    np.testing.assert_allclose(one.keypoints[1, :, :2], points[0, 1, :, :2])
    labels = np.array([[0, 7], [0, 0]], np.float32)
    found = heads.boxes_with(dets, labels, is_labels=True)
    np.testing.assert_allclose(found[0].score, [0.9])
