"""Who is followed: the person in most frames, through crossings, gaps and orders of people in the file."""

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.keypoints import Told, read_keypoints
from data.inputs.tracks import tracked
from data.inputs.videos import read_videos
from data.poses.skeleton import H36M_17
from tests import ROOT
from tests.made.detected.crossing import crossing, identity, real_walks
from tests.made.detected.files import SIZE, openpose, person, put, results, scored

TOLD = Told(width=SIZE[0], height=SIZE[1], fps=25)
REAL = ROOT.parent / "shared" / "data" / "real"


def two_who_cross(frames=60):
    """One walks to the right, the other one, smaller, to the left; they meet in the middle."""
    return scored(person(frames, at=(300, 380), speed=8)), scored(
        person(frames, at=(800, 350), speed=-8, size=330), 0.7
    )


@pytest.mark.parametrize("dropped", [(), (25, 26, 27), tuple(range(22, 34))])
def test_two_who_cross_are_never_mixed_up_whatever_their_order_in_the_files(tmp_path, dropped):
    right, left = two_who_cross()
    people = []
    for frame, pair in enumerate(zip(right, left, strict=True)):
        seen = list(pair) if frame not in dropped else [pair[0]]
        people.append(seen[::-1] if frame % 3 else seen)
    read = read_keypoints(openpose(tmp_path, people), TOLD)
    np.testing.assert_allclose(read.points, right[..., :2])
    other = read_keypoints(tmp_path, Told(width=1280, height=720, fps=25, person="1"))
    seen = ~np.isnan(other.points).any((1, 2))
    np.testing.assert_allclose(other.points[seen], left[seen][..., :2])
    assert (~seen).sum() == len(dropped)
    assert any("2 people" in note and "--person" in note for note in read.notes)


def test_a_person_is_followed_through_frames_without_anybody_and_lost_nowhere(tmp_path):
    rows = scored(person(30, layout="body25", count=25))
    people = [[one] for one in rows]
    people[7], people[12], people[13] = [], None, None
    people[-1] = []
    read = read_keypoints(openpose(tmp_path, people, first=100), TOLD)
    assert (read.first, len(read.points)) == (100, 30)
    gone = np.isnan(read.points).all((1, 2))
    np.testing.assert_array_equal(np.flatnonzero(gone), [7, 12, 13, 29])
    np.testing.assert_allclose(read.points[~gone], rows[~gone][..., :2])


def test_a_jump_to_something_else_is_left_out(tmp_path):
    rows = scored(person(40))
    rows[20:23, :, :2] += (450, -200)
    read = read_keypoints(put(tmp_path / "k.json", results(rows, "{}.jpg")), TOLD)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(read.points).all((1, 2))), [20, 21, 22])


def test_pictures_too_far_apart_to_follow_anybody_in_are_of_one_person(tmp_path):
    rng = np.random.default_rng(4)
    rows = scored(person(12))
    rows[..., :2] += rng.uniform(-400, 400, (12, 1, 2))
    read = read_keypoints(put(tmp_path / "k.json", results(rows, "{}.jpg")), TOLD)
    assert not np.isnan(read.points).any()


def test_ids_of_the_file_are_kept_and_ids_that_tell_nobody_apart_are_not(tmp_path):
    right, left = two_who_cross(20)
    entries = [*results(right, "{}.jpg", idx=[4.0]), *results(left[5:], "{}.jpg", idx=9)]
    path = put(tmp_path / "k.json", entries)
    np.testing.assert_allclose(read_keypoints(path, TOLD).points, right[..., :2])
    with pytest.raises(DataError, match=r"--person 1: .*4 \(20 frames\), 9 \(15 frames\)"):
        read_keypoints(path, Told(width=1280, height=720, person="1"))
    same = [{**one, "idx": [0.0]} for one in [*results(right, "{}.jpg"), *results(left, "{}.jpg")]]
    np.testing.assert_allclose(read_keypoints(put(tmp_path / "s.json", same), TOLD).points, right[..., :2])


def test_of_people_in_as_many_frames_the_better_scored_is_taken(tmp_path):
    one, other = scored(person(1), 0.4)[0], scored(person(1, at=(900, 300)), 0.8)[0]
    read = read_keypoints(openpose(tmp_path, [[one, other]]), TOLD)
    np.testing.assert_allclose(read.points[0], other[:, :2])


@pytest.mark.parametrize("starts", [(0, 4, 0, 2), (7, 7, 9, 8)])
def test_views_that_start_at_different_frames_stay_synchronous(tmp_path, starts):
    rows = scored(person(30, layout="h36m"))
    paths = []
    for view, start in enumerate(starts):
        entries = [
            {"frame": at, "keypoints": (rows[at] + (view, 0, 0)).ravel().tolist()} for at in range(start, 20 + view)
        ]
        paths.append(put(tmp_path / f"{view}.json", {"layout": "h36m", "annotations": entries}))
    videos = read_videos(paths, TOLD, H36M_17)
    first, last = min(starts), 22
    np.testing.assert_array_equal(videos.frames, range(first, last + 1))
    for view, start in enumerate(starts):
        seen = ~videos.is_missing[view].any(1)
        np.testing.assert_array_equal(videos.frames[seen], range(start, 20 + view))
        np.testing.assert_allclose(videos.pixels[view][seen], rows[start : 20 + view, :, :2] + (view, 0))


def test_views_without_a_common_frame_or_step_are_refused(tmp_path):
    rows = scored(person(30, layout="h36m"))

    def view(name, numbers):
        entries = [{"frame": number, "keypoints": rows[at].ravel().tolist()} for at, number in enumerate(numbers)]
        return put(tmp_path / name, {"layout": "h36m", "annotations": entries})

    with pytest.raises(DataError, match="no frame in common"):
        read_videos([view("a.json", range(10)), view("b.json", range(500, 510))], TOLD, H36M_17)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real motion is not here")
def test_the_identity_of_real_people_who_cross_is_right_in_99_of_100_frames():
    clips, cameras = real_walks(REAL)
    right = wrong = 0
    for seed in range(4):
        for people in crossing(np.random.default_rng(seed), clips, cameras[0]):
            own, other = identity(people)
            right, wrong = right + own, wrong + other
    assert right / (right + wrong) >= 0.99


def test_tracks_do_not_depend_on_the_resolution():
    right, left = two_who_cross(30)
    values = np.concatenate((right, left))
    frame = np.concatenate((np.arange(30), np.arange(30)))
    order = np.argsort(frame, kind="stable")
    one = tracked(values[order], frame[order]).track
    np.testing.assert_array_equal(tracked(values[order] * (0.1, 0.1, 1), frame[order]).track, one)
    assert len(set(one)) == 2
