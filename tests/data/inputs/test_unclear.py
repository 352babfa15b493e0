"""Detectors' files in which something is unclear: a joint at fault is named, and what was assumed is told."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.keypoints import Told, read_keypoints
from tests.made.detected.files import SIZE, person, put, results, scored

TOLD = Told(width=SIZE[0], height=SIZE[1], fps=25)


def coco(frames):
    return scored(person(frames))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"k{at}" for at in range(17)], "names its joints k0, k1, k2, k3, ..., which says nothing here"),
        ([f"k{at}" for at in range(16)], "names 16 joints and has 17"),
    ],
)
def test_names_that_tell_no_order_are_told(names, told, tmp_path):
    put(tmp_path / "k.json", {"annotations": results(coco(3)), "categories": [{"keypoints": names}]})
    notes = read_keypoints(tmp_path / "k.json", TOLD).notes
    assert f"the file {told}: they are taken as coco; if they are others, name them or say --layout" in notes
    assert not any(told in note for note in read_keypoints(tmp_path / "k.json", replace(TOLD, layout="coco")).notes)


@pytest.mark.parametrize(
    ("joint", "told"),
    [
        (["1.5", 2, 1], "joint 5 is ['1.5', 2, 1]; expected [x, y] or [x, y, score], all numbers, or null"),
        ([1, 2, True], "joint 5 is [1, 2, True]; "),
        ([1], "joint 5 is [1]; "),
        (7, "joint 5 is 7; "),
        ([1, 2], "has joints of 2 and 3 numbers; give all the same"),
    ],
)
def test_the_joint_at_fault_is_named(joint, told, tmp_path):
    frames = coco(4).tolist()
    frames[3][5] = joint
    with pytest.raises(DataError) as caught:
        read_keypoints(put(tmp_path / "k.json", {"frames": frames}), replace(TOLD, layout="coco"))
    assert f"frame 3: {told}" in str(caught.value)


@pytest.mark.parametrize("frame", [0, False, ""])
def test_only_null_and_nothing_are_a_frame_without_a_person(frame, tmp_path):
    tree = {"layout": "coco", "frames": [coco(1)[0].tolist(), None, [], frame]}
    with pytest.raises(DataError, match="frame 3"):
        read_keypoints(put(tmp_path / "k.json", tree), TOLD)
    tree["frames"].pop()
    assert len(read_keypoints(put(tmp_path / "k.json", tree), TOLD).points) == 3


def table(cell, *, is_long):
    if is_long:
        rows = [f"{frame},{at},{0.1 + at / 99},0.5" for frame in range(3) for at in range(33)]
        return "\n".join(["frame,landmark,x,y", *rows[:-1], f"2,32,{cell},0.5"])
    rows = [[str(frame), *(f"{0.1 + at / 99:.3f}" for at in range(66))] for frame in range(3)]
    rows[2][65] = cell
    return "\n".join([",".join(("frame", *(f"{axis}{at}" for at in range(33) for axis in "xy"))), *map(",".join, rows)])


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("cell", ["abc", "0.5.1", "0;5"])
def test_a_cell_that_is_no_number_is_told(cell, is_long, tmp_path):
    (tmp_path / "k.csv").write_text(table(cell, is_long=is_long))
    with pytest.raises(
        DataError, match=r"1 cells are no numbers, the first one '.*' in line .*with a point for decimals"
    ):
        read_keypoints(tmp_path / "k.csv", TOLD)


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("cell", ["", "nan", "None", " "])
def test_an_empty_cell_is_a_joint_that_was_not_found(cell, is_long, tmp_path):
    (tmp_path / "k.csv").write_text(table(cell, is_long=is_long))
    points = read_keypoints(tmp_path / "k.csv", TOLD).points
    assert points.shape == (3, 33, 2)
    assert np.isnan(points).any(-1).sum() == 1
