"""A detector's 2D against the 3D of its set: noise is no fault; exchanged cameras and sides, frames without a detection
and absurd coordinates are, and they are counted."""

import dataclasses

import numpy as np
import pytest

from data.batches.samples import facts_of
from data.config import DataConfig
from data.errors import DataError
from data.formats.poses import h36m
from data.formats.poses.clips import LARGEST_PX
from data.poses.detected import affected_frames, detection_faults
from data.poses.skeleton import H36M_17
from data.synthetic.poses.detector import detections
from tests.made.poses import made_humaneva, made_poses

LENGTHS = {("S1", "Walking"): 30, ("S1", "Eating"): 12, ("S9", "Sitting"): 25}


def detected(sigma=4.0, change=None, skeleton=H36M_17):
    """The set with noise of `sigma` pixels; `change(clip, view, pixels)` alters the pixels of a view."""
    rng = np.random.default_rng(1)
    poses = made_poses("own", "det", lengths=LENGTHS, skeleton=skeleton)
    clips = []
    for clip in poses.sequences:
        views = [pixels + rng.normal(0, sigma, pixels.shape).astype(np.float32) for pixels in clip.pose2d]
        if change is not None:
            views = [np.float32(change(clip, view, pixels.copy(), views)) for view, pixels in enumerate(views)]
        clips.append(dataclasses.replace(clip, pose2d=tuple(views)))
    return dataclasses.replace(poses, sequences=tuple(clips))


def only(clip, view, subject="S9", at=1):
    return clip.subject == subject and view == at


def outliers(clip, view, pixels, views):
    """Every sixth joint lies 90 px off, as a detector's slips do."""
    rng = np.random.default_rng(view)
    angle = rng.uniform(0, 6.28, pixels.shape[:2])
    far = 90 * np.stack((np.cos(angle), np.sin(angle)), -1) * (rng.random(pixels.shape[:2]) < 1 / 6)[..., None]
    return pixels + far


@pytest.mark.parametrize("sigma", [0.5, 4, 9, 12])
@pytest.mark.parametrize("change", [None, outliers])
def test_noise_and_single_slips_are_no_fault(sigma, change):
    poses = detected(sigma, change)
    assert detection_faults(poses) == []
    assert affected_frames(poses)[1] == 4 * 67


def test_the_errors_of_the_made_detector_are_no_fault():
    poses = detected(0, lambda clip, view, pixels, views: detections(pixels, clip.subject, clip.action, str(view)))
    assert detection_faults(poses) == []


def rows(value, joints=slice(None)):
    def change(clip, view, pixels, views):
        if only(clip, view):
            pixels[5:8, joints] = value
        return pixels

    return change


@pytest.mark.parametrize("value", [0, -1, 3.5])
def test_frames_without_a_detection_are_named(value):
    poses = detected(change=rows(value))
    (fault,) = detection_faults(poses)
    assert fault.startswith("subject S9, camera 1: 3 frames lack a detection: joints at (0, 0)")
    assert fault.endswith("Sitting from frame 5")
    assert affected_frames(poses) == (3, 268)


def test_single_joints_without_a_detection_are_named():
    (fault,) = detection_faults(detected(change=rows(0, [3, 6])))
    assert "3 frames lack a detection" in fault


@pytest.mark.parametrize("value", [1e5, -7000.0, 1e4])
@pytest.mark.parametrize("joints", [slice(None), [4]])
def test_absurd_coordinates_are_named(value, joints):
    poses = detected(change=rows(value, joints))
    (fault,) = detection_faults(poses)
    assert fault.startswith("subject S9, camera 1: 3 frames have coordinates far outside the image")
    assert affected_frames(poses)[0] == 3


@pytest.mark.parametrize("value", [1e6, -1e6, 1e300, np.nan, np.inf])
def test_what_is_no_pixel_is_refused_when_a_set_is_loaded(tmp_path, value):
    poses = made_poses("own", "det", lengths=LENGTHS)
    first = poses.sequences[0]
    pixels = first.pose2d[0].astype(np.float64)
    pixels[5, 4] = value
    clips = (dataclasses.replace(first, pose2d=(pixels, *first.pose2d[1:])), *poses.sequences[1:])
    h36m.write(dataclasses.replace(poses, sequences=clips), tmp_path)
    with pytest.raises(DataError, match=r"camera 0: 2D (is|reaches) .*frame 5, joint 4"):
        h36m.read(tmp_path, "own", "det", joints=17)
    assert LARGEST_PX < 1e6


@pytest.mark.parametrize("sigma", [1, 9])
def test_exchanged_cameras_are_named_whatever_the_action(sigma):
    def change(clip, view, pixels, views):
        return views[{0: 2, 2: 0}.get(view, view)] if clip.action == "Eating" else pixels

    faults = detection_faults(detected(sigma, change))
    assert [fault.partition(";")[0] for fault in faults] == [
        f"subject S1, camera {view}: 2D fits the view of camera {other}: the cameras are exchanged"
        for view, other in ((0, 2), (2, 0))
    ]
    assert all(fault.endswith("Eating from frame 0") for fault in faults)


SIDES = {"all": (H36M_17.left, H36M_17.right), "legs": ((4, 5, 6), (1, 2, 3)), "arms": ((11, 12, 13), (14, 15, 16))}


@pytest.mark.parametrize("sigma", [1, 9])
@pytest.mark.parametrize("limbs", SIDES)
def test_exchanged_sides_are_named_in_one_view_of_one_subject(sigma, limbs):
    left, right = map(list, SIDES[limbs])

    def change(clip, view, pixels, views):
        if only(clip, view):
            pixels[:, left + right] = pixels[:, right + left]
        return pixels

    poses = detected(sigma, change)
    (fault,) = detection_faults(poses)
    assert fault.startswith("subject S9, camera 1: left and right are exchanged (")
    named = fault[fault.index("(") : fault.index(")")]
    assert all(H36M_17.joints[joint] in named for joint in left)
    assert affected_frames(poses)[0] >= 25


@pytest.mark.parametrize(
    "change", [lambda p: p / 2, lambda p: p + np.float32((120, 0)), lambda p: (1000, 1000) - p, lambda p: p[::-1]]
)
def test_2d_of_another_size_place_or_time_lies_off(change):
    faults = detection_faults(detected(change=lambda clip, view, p, views: change(p) if only(clip, view) else p))
    assert len(faults) == 1
    assert faults[0].startswith("subject S9, camera 1: ")
    assert "from the 3D seen through this camera" in faults[0] or "exchanged" in faults[0]


def test_where_there_is_no_lens_frames_without_a_detection_are_named():
    poses = made_humaneva(keypoints="det")
    assert detection_faults(poses) == []
    poses.sequences[0].pose2d[2][3] = 0
    (fault,) = detection_faults(poses)
    assert "camera 2: 1 frames lack a detection" in fault


def test_a_run_is_told_the_share_of_unusable_frames_and_true_2d_is_not_looked_at(tmp_path):
    h36m.write(detected(change=rows(0)), tmp_path)
    h36m.write(made_poses("own", "gt", lengths=LENGTHS), tmp_path)
    told = []
    for keypoints in ("gt", "det"):
        config = DataConfig(
            name="own", root=str(tmp_path), keypoints=keypoints, train_subjects=("S1",), val_subjects=("S9",)
        )
        facts_of(config, tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("2D 'det' of own: 3 of 268 camera frames (1.1%) have no detection")
