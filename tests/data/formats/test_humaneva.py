"""HumanEva-I: the layout with its faults, and the made set in it."""

import zlib

import numpy as np
import pytest

from data.errors import DataError
from data.formats.poses import h36m, humaneva
from data.poses.skeleton import HUMANEVA_15
from data.synthetic.poses.h36m import content_hash
from data.synthetic.poses.humaneva import (
    ACTIONS,
    FIRST_FRAME,
    JOINTS,
    MARGIN,
    NAME,
    PERSON,
    TRAIN_FRAMES,
    synthetic_humaneva,
)
from data.synthetic.poses.motion import GRID, motion
from tests.made.poses import made_humaneva, rewrite

SET = "made_humaneva15"


@pytest.fixture
def stored(tmp_path):
    humaneva.write(made_humaneva(), tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def twin():
    return synthetic_humaneva(0)


def faults_of(root, name=SET, keypoints="gt", subjects=None):
    with pytest.raises(DataError) as caught:
        humaneva.read(root, name, keypoints, subjects=subjects)
    return caught.value.problems


def change_3d(root, change):
    rewrite(humaneva.file_3d(root, SET), lambda content: change(content["positions_3d"]))


def change_2d(root, change):
    rewrite(humaneva.file_2d(root, SET, "gt"), lambda content: change(content["positions_2d"]))


def test_what_is_written_is_read_back_to_the_last_bit(stored):
    read = humaneva.read(stored, SET, "gt")
    assert read.fingerprint() == made_humaneva().fingerprint()
    assert (read.subjects, read.fps, read.skeleton) == (("Train/S1", "Validate/S2"), 60.0, HUMANEVA_15)
    assert [(clip.action, clip.group) for clip in read.sequences] == [
        ("Walking 1 chunk0", "Walking"), ("Walking 1 chunk2", "Walking"), ("Jog 1 chunk0", "Jog")
    ]  # fmt: skip
    assert sorted(path.name for path in stored.iterdir()) == [
        "data_2d_made_humaneva15_gt.npz", "data_3d_made_humaneva15.npz"
    ]  # fmt: skip


def test_cameras_are_the_published_ones_and_have_no_lens():
    rigs = humaneva.rigs()
    assert list(rigs) == ["Train/S1", "Train/S2", "Train/S3", "Validate/S1", "Validate/S2", "Validate/S3"]
    first, second = rigs["Validate/S3"][0], rigs["Train/S2"][1]
    assert first.translation == pytest.approx((4.062227, 0.6632477, 1.528397))
    assert second.orientation == pytest.approx((0.6501393, -0.7476588, -0.0954617, 0.0959808))
    assert (second.name, second.width, second.height) == ("C2", 640, 480)
    assert np.isnan(second.intrinsics).all()
    assert all(np.linalg.norm(camera.orientation) == pytest.approx(1) for rig in rigs.values() for camera in rig)


def test_sets_of_the_two_layouts_live_in_one_folder(stored):
    for name in ("h36m", "made"):
        humaneva.file_3d(stored, name).touch()
        humaneva.file_2d(stored, name, "gt").touch()
    assert humaneva.available_sets(stored) == (SET,)
    assert h36m.available_sets(stored) == ("h36m", "made")
    assert h36m.available_keypoints(stored, "made") == ("gt",)
    assert humaneva.available_keypoints(stored, SET) == ("gt",)
    assert h36m.available_sets(stored / "none") == humaneva.available_sets(stored / "none") == ()


def test_detections_without_3d_are_not_read(stored):
    change_2d(stored, lambda tree: tree.update({"Unlabeled/S4": {"Box 1 chunk0": [np.zeros((3, 15, 2))] * 3}}))
    assert humaneva.read(stored, SET, "gt").fingerprint() == made_humaneva().fingerprint()


def test_only_the_named_subjects_are_read(stored):
    assert humaneva.read(stored, SET, "gt", subjects=["Validate/S2"]).subjects == ("Validate/S2",)
    assert faults_of(stored, subjects=["Valdate/S2"]) == (
        "no subject 'Valdate/S2'; did you mean Validate/S2?; subjects here: Train/S1, Validate/S2",
        "there is no clip with both 3D and 2D",
    )


def test_a_missing_file_is_named_with_what_is_there(stored):
    (fault,) = faults_of(stored, keypoints="det")
    assert fault.startswith("has no data_2d_made_humaneva15_det.npz")
    assert fault.endswith("data.keypoints here: gt")
    (fault,) = faults_of(stored, name="humaneva15")
    assert fault.startswith("has no data_3d_humaneva15.npz")
    assert faults_of(stored / "none")[0].startswith("no such folder")


def test_every_fault_is_named_at_once(stored):
    def spoil(tree):
        tree["Train/S1"]["Walking 1 chunk0"] = np.full((6, 15, 3), 530.0)
        tree["Validate/S2"]["Jog 1 chunk0"][2, 14, 1] = np.nan
        tree["Train/S1"]["Box 1 chunk1"] = np.zeros((2, 15, 3))
        tree["Train/S4"] = {"Box 1 chunk0": np.zeros((2, 15, 3))}

    def spoil_views(tree):
        tree["Train/S1"]["Walking 1 chunk2"][1] = np.zeros((3, 15, 2))
        tree["Validate/S2"]["Jog 1 chunk0"].pop()

    change_3d(stored, spoil)
    change_2d(stored, spoil_views)
    assert faults_of(stored) == (
        "no subject 'Train/S4' in this layout; did you mean Train/S3?; drop it from the 3D",
        "subject Train/S1, action Box 1 chunk1: 3D without 2D; add its 2D or drop it from the 3D",
        "subject Train/S1, action Walking 1 chunk0: 3D looks like millimetres (median 530); divide it by 1000",
        "subject Train/S1, action Walking 1 chunk2, camera 1: 3D has 4 frames, 2D detections have 3; re-run the "
        "detector or drop it",
        "subject Validate/S2, action Jog 1 chunk0: 3D is nan at frame 2, joint 14 (Head); fill the gap or drop the "
        "clip",
        "subject Validate/S2, action Jog 1 chunk0: 2D has 2 views, the calibration has 3 cameras; give one camera per "
        "view, in the order of the views",
    )  # fmt: skip


def test_other_joints_are_a_fault(stored):
    change_3d(stored, lambda tree: tree["Train/S1"].update({"Walking 1 chunk0": np.zeros((6, 20, 3))}))
    coco = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
    rewrite(humaneva.file_2d(stored, SET, "gt"), lambda content: content["metadata"].update(keypoints_symmetry=coco))
    symmetry, count = faults_of(stored)
    assert "the 15 joints of HumanEva-I are [[2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]]" in symmetry
    assert count == "subject Train/S1, action Walking 1 chunk0: 3D has 20 joints; this layout has 15"


def test_made_set_has_the_subjects_actions_and_streams_of_the_recordings(twin):
    assert twin.subjects == ("Train/S1", "Train/S2", "Train/S3", "Validate/S1", "Validate/S2", "Validate/S3")
    pieces = {}
    for clip in twin.sequences:
        action, _, number = clip.action.rpartition(" chunk")
        pieces.setdefault((clip.subject, action), []).append((int(number), len(clip.pose3d)))
    assert {action for _, action in pieces} == set(ACTIONS)
    assert len(pieces) == 30
    for (subject, action), found in pieces.items():
        start, end = TRAIN_FRAMES[subject[-2:]][list(ACTIONS).index(action)]
        whole = end - start if subject.startswith("Train") else start - FIRST_FRAME
        numbers = [number for number, _ in found]
        # Every second piece is lost, so that numbers have gaps of two.
        assert numbers == list(range(numbers[0], 2 * len(numbers) + numbers[0], 2))
        assert sum(count for _, count in found) <= whole - 10 * (len(found) - 1), (subject, action)
    assert any(len(found) > 1 for found in pieces.values())
    assert any(found[0][0] == 1 for found in pieces.values())
    assert 10_000 < sum(len(clip.pose3d) for clip in twin.sequences) < 13_768


def test_made_set_is_made_motion_at_60_hz(twin):
    # Subject and action of a stream without gaps: then frame 0 of the piece is the first frame of the part.
    clip = next(c for c in twin.sequences if c.subject == "Train/S1" and c.action == "Walking 1 chunk0")
    start, end = TRAIN_FRAMES["S1"][0]
    assert len(clip.pose3d) == end - start
    made = motion(0, PERSON + 1, 0, (end - 1) * 5 // 6 + MARGIN, modes=("gait",))[:, JOINTS]
    # Every sixth frame at 60 Hz is every fifth at 50 Hz; 590 leaves 2 from there to 592.
    frames = np.arange(594, end, 6)
    np.testing.assert_array_equal(clip.pose3d[frames - start], made[frames * 5 // 6])


def test_bones_keep_their_length_between_made_frames(twin):
    persons = {}
    for clip in twin.sequences:
        persons.setdefault(clip.subject[-2:], []).append(clip.pose3d.astype(np.float64))
    # Bones of one piece; a bent trunk changes the distance from pelvis to thorax and from thorax to head.
    parents, children = zip(*(edge for edge in HUMANEVA_15.edges if edge not in ((0, 1), (1, 14))), strict=True)
    for poses in map(np.concatenate, persons.values()):
        lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-4  # metres; 0.05 mm of it is the grid
    assert len(persons) == 3


def test_pixels_are_a_pinhole_of_520_px(twin):
    clip = twin.sequences[11]
    for camera, pixels in zip(clip.cameras, clip.pose2d, strict=True):
        w, x, y, z = camera.orientation.astype(np.float64)
        turn = np.array(
            (
                (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
                (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
                (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
            )
        )
        seen = (clip.pose3d.astype(np.float64) - camera.translation) @ turn
        assert seen[..., 2].min() > 1  # metres; in front of the camera
        expected = 520 * seen[..., :2] / seen[..., 2:] + (320, 240)
        np.testing.assert_allclose(pixels, expected, rtol=0, atol=0.01)  # px; the set is rounded to 1/64 px


def test_joints_are_inside_the_images(twin):
    inside = [
        ((pixels >= 0) & (pixels <= (640, 480))).all(-1) for clip in twin.sequences for pixels in clip.pose2d
    ]  # fmt: skip
    assert np.concatenate(inside).mean() >= 0.99


def test_same_seed_gives_the_same_bytes(twin):
    detected = synthetic_humaneva(0, keypoints="det")
    hashes = [content_hash(twin)]
    for poses in (twin, detected):
        total = 0
        for clip in poses.sequences:
            for pixels in clip.pose2d:
                total = zlib.crc32(pixels.astype("<f4").tobytes(), total)
        hashes.append(f"{total:08x}")
    # The same with numpy's AVX2 and AVX-512 code, and that of torch, switched off.
    assert hashes == ["4d0ed7a4", "a492f29a", "cfabc37a"]
    assert content_hash(detected) == hashes[0]
    assert content_hash(synthetic_humaneva(1)) != hashes[0]


def test_made_set_reads_back_and_stands_on_the_grid(twin, tmp_path):
    humaneva.write(twin, tmp_path)
    read = humaneva.read(tmp_path, NAME, "gt")
    for one, other in zip(twin.sequences, read.sequences, strict=True):
        assert (one.subject, one.action) == (other.subject, other.action)
        np.testing.assert_array_equal(one.pose3d, other.pose3d)
        np.testing.assert_array_equal(one.pose2d, other.pose2d)
    steps = twin.sequences[0].pose3d.astype(np.float64) * GRID
    np.testing.assert_array_equal(steps, np.rint(steps))
