"""Several videos in one file: one is taken by its name, and the names are told."""

import re

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.keypoints import Told, read_keypoints
from tests.made.detected.files import SIZE, custom, openpose, person, put, results, scored

SIZES = {"a.mp4": (1280, 720), "b c.mp4": (1920, 1080)}
ABOUT = {
    "layout_name": "coco",
    "video_metadata": {name: {"w": width, "h": height, "fps": 30} for name, (width, height) in SIZES.items()},
}


def rows(at):
    return person(5 + at, at=(300 + 100 * at, 300))


def of(tracks):
    """{subject: {action: [views]}} of tracks (subject, action, view)."""
    tree = {}
    for at, (subject, action) in enumerate(tracks):
        tree.setdefault(subject, {}).setdefault(action, []).append(rows(at))
    return tree


TRACKS = {
    "videos": ([("a.mp4", "custom"), ("b c.mp4", "custom")], ["a.mp4", "b c.mp4"]),
    "actions": ([("a.mp4", "Walk"), ("a.mp4", "Sit 1"), ("b c.mp4", "Walk")],
                ["a.mp4/Walk", "a.mp4/Sit 1", "b c.mp4"]),
    "views": ([("S1", "Walk"), ("S1", "Walk")], ["S1/0", "S1/1"]),
    "views of actions": ([("S1", "Walk"), ("S1", "Walk"), ("S1", "Sit")], ["S1/Walk/0", "S1/Walk/1", "S1/Sit"]),
}  # fmt: skip


@pytest.mark.parametrize(("tracks", "names"), TRACKS.values(), ids=TRACKS)
def test_the_names_are_told_and_each_gives_its_video_with_its_size(tmp_path, tracks, names):
    path = custom(tmp_path / "k.npz", of(tracks), ABOUT)
    told = f"holds {len(names)} videos or views: {', '.join(names)}; give --video NAME to take one"
    with pytest.raises(DataError, match=re.escape(told)):
        read_keypoints(path, Told())
    with pytest.raises(DataError, match=re.escape(f"--video c: is not in the file; allowed: {', '.join(names)}")):
        read_keypoints(path, Told(video="c"))
    for at, (name, (subject, _)) in enumerate(zip(names, tracks, strict=True)):
        width, height = SIZES.get(subject, (None, None))
        own = Told(video=name) if width else Told(video=name, width=SIZE[0], height=SIZE[1])
        read = read_keypoints(path, own)
        assert (read.width, read.height) == ((width, height) if width else SIZE)
        np.testing.assert_allclose(read.points, rows(at))


def test_many_names_are_counted(tmp_path):
    path = custom(tmp_path / "k.npz", of([(f"{at}.mp4", "custom") for at in range(23)]), ABOUT)
    with pytest.raises(DataError, match=r"19\.mp4 and 3 more; give --video NAME"):
        read_keypoints(path, Told())


@pytest.mark.parametrize("kind", ["array", "archive", "json", "folder"])
def test_a_name_for_a_file_that_has_none_is_refused(tmp_path, kind):
    path = tmp_path / {"array": "k.npy", "archive": "k.npz", "json": "k.json", "folder": "op"}[kind]
    if kind == "array":
        np.save(path, rows(0))
    elif kind == "archive":
        np.savez(path, keypoints=rows(0))
    elif kind == "json":
        put(path, results(scored(rows(0))))
    else:
        openpose(path, [[one] for one in scored(rows(0))])
    with pytest.raises(DataError, match=r"--video a: this file is of one video, without a name"):
        read_keypoints(path, Told(video="a", width=1280, height=720))
