"""OpenPifPaf's files: a line a frame of a video, or a file an image, with any number of people."""

import json

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.keypoints import Told, read_keypoints
from data.inputs.layouts import LAYOUTS
from tests.made.detected.files import SIZE, person, scored

TOLD = Told(width=SIZE[0], height=SIZE[1], fps=25)
GONE = (0.0, -3.0, 0.0)  # a joint that was not found


def annotation(rows, **more):
    """One person as the program writes it."""
    box = [*rows[:, :2].min(0), *np.ptp(rows[:, :2], axis=0)]
    return {
        "keypoints": np.round(rows, 2).ravel().tolist(), "bbox": np.round(box, 2).tolist(), "score": 0.7,
        "category_id": 1, **more,
    }  # fmt: skip


def video(path, frames, first=1):
    """Frames are numbered from 1; one without people is an empty list."""
    lines = [{"frame": number, "predictions": people} for number, people in enumerate(frames, first)]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return path


def old_video(path, frames):
    """Before version 0.11 lines were lists of people, without a number."""
    path.write_text("".join(json.dumps(people) + "\n" for people in frames))
    return path


def images(path, frames):
    path.mkdir()
    for number, people in enumerate(frames, 1):
        (path / f"{number:06d}.jpg.predictions.json").write_text(json.dumps(people))
    return path


WRITERS = {"video": video, "old video": old_video, "images": images}


def walker(layout="coco", frames=6, **changes):
    rows = scored(person(frames, layout=layout, count=next(iter(LAYOUTS[layout])), **changes))
    return np.round(rows, 2)


@pytest.mark.parametrize("layout", ["coco", "coco_wholebody"])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_joints_and_frames_come_out_as_they_went_in(tmp_path, write, layout):
    rows = walker(layout)
    rows[1, 3] = GONE
    frames = [[annotation(one)] for one in rows]
    frames[0] = frames[4] = []
    read = read_keypoints(write(tmp_path / "out", frames), TOLD)
    assert read.layout == layout
    assert (read.first, len(read.points)) == (0 if write is old_video else 1, 6)
    assert np.isnan(read.points[[0, 4]]).all()
    assert np.isnan(read.points[1, 3]).all()
    for at in (2, 3, 5):
        np.testing.assert_allclose(read.points[at], rows[at, :, :2])
        np.testing.assert_allclose(read.score[at], rows[at, :, 2])


@pytest.mark.parametrize("write", [video, images])
def test_ids_of_its_tracker_tell_people_apart(tmp_path, write):
    one, other = walker(), walker(at=(900.0, 300.0))
    frames = [[annotation(second, id_=7), annotation(first, id_=4)] for first, second in zip(one, other, strict=True)]
    path = write(tmp_path / "out", frames)
    for name, rows in (("4", one), ("7", other)):
        read = read_keypoints(path, Told(width=SIZE[0], height=SIZE[1], person=name))
        np.testing.assert_allclose(read.points, rows[..., :2])


def test_a_single_image_or_frame_is_of_several_people(tmp_path):
    one, other = walker(frames=1)[0], walker(frames=1, at=(900.0, 300.0))[0]
    (tmp_path / "a.jpg.predictions.json").write_text(json.dumps([annotation(one), annotation(other)]))
    video(tmp_path / "b.json", [[annotation(one), annotation(other)]])
    for path in tmp_path.iterdir():
        read = read_keypoints(path, Told(width=SIZE[0], height=SIZE[1], person="1"))
        np.testing.assert_allclose(read.points, other[None, :, :2])


def test_a_line_that_is_cut_off_is_named(tmp_path):
    path = video(tmp_path / "out.json", [[annotation(one)] for one in walker()])
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match="line 6: is no JSON"):
        read_keypoints(path, TOLD)
