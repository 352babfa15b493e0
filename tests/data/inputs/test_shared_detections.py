"""The shared detectors' files: each is recognised, and its joints lie where the person was."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.joint_maps import fill_gaps, to_skeleton
from data.inputs.keypoints import Told, read_keypoints
from data.inputs.videos import read_videos
from data.poses.skeleton import H36M_17
from tests import ROOT

CASES = ROOT.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
SIZE = {"width": 1280, "height": 720}
# What the file tells itself, and the joints that are approximated, are left out of the last two columns.
FILES = [
    ("detections-openpose/body25", SIZE, 20, (7, 12), ()),
    ("detections-alphapose/coco17.json", SIZE, 20, (), ()),
    ("detections-alphapose/halpe26.json", SIZE, 20, (), ("Head",)),
    ("detections-mmpose/image.json", SIZE, 1, (), ()),
    ("detections-mmpose/video.json", SIZE, 20, (), ()),
    ("detections-mmpose/meta.json", SIZE, 20, (), ()),
    ("detections-mmpose/wholebody.json", SIZE, 4, (), ()),
    ("detections-ultralytics/labels", SIZE, 20, (8,), ()),
    ("detections-ultralytics/to_json.json", SIZE, 20, (), ()),
    ("detections-mediapipe/pixels.json", {}, 20, (), ()),
    ("detections-mediapipe/normalised.json", SIZE, 20, (), ()),
    ("detections-mediapipe/landmarks.csv", SIZE, 20, (), ()),
    ("detections-arrays/data_2d_custom_walk.npz", {}, 20, (), ()),
    ("detections-arrays/reconstruction.npz", SIZE, 20, (), ("Head",)),
    ("detections-arrays/coco17.npy", {**SIZE, "layout": "coco"}, 20, (), ()),
    ("detections-coco-categories/h36m_names.json", {}, 20, (), ("Head",)),
    ("detections-coco-categories/own_order.json", {}, 20, (), ()),
    ("frame-identity/names.json", SIZE, 20, (), ()),
    ("frame-identity/order.json", {}, 20, (), ()),
    ("frame-identity/tail.json", {}, 20, (0, 1, 2, 15, 16, 17, 18, 19), ()),
]


def filled(path: Path, told: Told):
    mapped, _ = to_skeleton(read_keypoints(path, told), H36M_17)
    return fill_gaps(mapped, H36M_17.joints)


@pytest.mark.parametrize(("name", "facts", "count", "gaps", "more"), FILES, ids=[row[0] for row in FILES])
def test_joints_of_a_detectors_file_lie_within_two_pixels(name, facts, count, gaps, more):
    found, is_missing = filled(CASES / name, Told(**facts))
    truth = np.load((CASES / name).parent / "truth.npz")
    away = np.linalg.norm(found - truth["pixels"][:count], axis=-1)
    assert len(found) == count
    np.testing.assert_array_equal(np.flatnonzero(is_missing.any(1)), gaps)
    known = [at for at, joint in enumerate(H36M_17.joints) if joint != "Head" or joint in more]
    seen = ~is_missing.any(1)
    assert away[seen][:, known].max() < 2
    assert away[~seen].max(initial=0) < 60


def test_the_other_person_is_there_by_id_and_an_unknown_id_names_those_that_are():
    path = CASES / "detections-alphapose" / "halpe26.json"
    found, is_missing = filled(path, Told(**SIZE, person="2"))
    truth = np.load(path.parent / "truth_other.npz")["pixels"]
    assert np.linalg.norm(found[8:] - truth[8:], axis=-1).max() < 2
    np.testing.assert_array_equal(np.flatnonzero(is_missing.any(1)), range(8))
    with pytest.raises(DataError, match=r"--person 9.*1 \(20 frames\), 2 \(12 frames\)"):
        read_keypoints(path, Told(**SIZE, person="9"))


def test_views_whose_detectors_start_and_end_elsewhere_stay_synchronous():
    videos = read_videos([CASES / "frame-identity" / f"late{view}.json" for view in range(4)], Told(), H36M_17)
    truth = np.load(CASES / "frame-identity" / "truth_views.npz")["pixels"]
    assert videos.pixels.shape == truth.shape
    seen = ~videos.is_missing
    assert np.linalg.norm(videos.pixels - truth, axis=-1)[seen].max() < 2
    assert [int(view.all(-1).sum()) for view in videos.is_missing] == [4, 4, 4, 4]
    np.testing.assert_array_equal(videos.frames, range(20))


@pytest.mark.parametrize("layout", [None, "coco"])
def test_an_array_of_seventeen_joints_needs_its_layout(layout):
    told = Told(**SIZE, layout=layout)
    if layout:
        assert read_keypoints(CASES / "detections-arrays" / "coco17.npy", told).layout == "coco"
    else:
        with pytest.raises(DataError, match="--layout coco"):
            read_keypoints(CASES / "detections-arrays" / "coco17.npy", told)
