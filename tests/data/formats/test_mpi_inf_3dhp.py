"""MPI-INF-3DHP: the layout with its faults, and the made set in it."""

import zlib

import numpy as np
import pytest

from data.errors import DataError
from data.formats.poses import mpi_inf_3dhp
from data.poses.skeleton import H36M_17, MPI_INF_3DHP_17
from data.synthetic.poses.h36m import content_hash
from data.synthetic.poses.mpi_inf_3dhp import JOINTS, NAME, synthetic_3dhp
from tests.made.poses import made_3dhp, rewrite

SET = "made_3dhp"


@pytest.fixture
def stored(tmp_path):
    mpi_inf_3dhp.write(made_3dhp(), tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def twin():
    return synthetic_3dhp(0)


def faults_of(root, name=SET, subjects=None):
    with pytest.raises(DataError) as caught:
        mpi_inf_3dhp.read(root, name, subjects=subjects)
    return caught.value.problems


def change_train(root, change):
    rewrite(mpi_inf_3dhp.file_train(root, SET), lambda content: change(content["data"]))


def change_test(root, change):
    rewrite(mpi_inf_3dhp.file_test(root, SET), lambda content: change(content["data"]))


def test_what_is_written_is_read_back_to_the_last_bit(stored):
    read = mpi_inf_3dhp.read(stored, SET)
    assert read.fingerprint() == made_3dhp().fingerprint()
    assert (read.subjects, read.fps, read.keypoints) == (("S1", "S3", "TS1", "TS6"), None, "gt")
    assert sorted(path.name for path in stored.iterdir()) == [
        "data_test_made_3dhp.npz", "data_train_made_3dhp.npz"
    ]  # fmt: skip


def test_files_hold_millimetres_under_the_published_keys(stored):
    with np.load(mpi_inf_3dhp.file_train(stored, SET), allow_pickle=True) as file:
        train = file["data"].item()
    with np.load(mpi_inf_3dhp.file_test(stored, SET), allow_pickle=True) as file:
        test = file["data"].item()
    assert list(train) == ["S1 Seq1", "S3 Seq2"]
    cameras, fps = train["S3 Seq2"]
    assert (list(cameras), fps) == (["0", "1", "2", "4", "5", "6", "7", "8"], 50)
    assert {name: array.shape for name, array in cameras["4"].items()} == {"data_2d": (3, 17, 2), "data_3d": (3, 17, 3)}
    assert cameras["4"]["data_3d"].dtype == np.float64
    assert np.median(cameras["4"]["data_3d"][..., 2]) == pytest.approx(4000, abs=300)
    assert set(test["TS1"]) == {"data_2d", "data_3d", "valid"}
    assert test["TS1"]["valid"].tolist() == [0, 1, 1, 0, 1, 1]


def test_every_camera_is_a_clip_and_outdoor_videos_are_wide(stored):
    clips = {(clip.subject, clip.action): clip for clip in mpi_inf_3dhp.read(stored, SET).sequences}
    assert len(clips) == 18
    assert (clips["S1", "Seq1 8"].fps, clips["S3", "Seq2 0"].fps, clips["TS1", "TS1"].fps) == (25, 50, None)
    assert clips["S1", "Seq1 8"].group == "Seq1"
    sizes = {key[0]: (clip.cameras[0].width, clip.cameras[0].height) for key, clip in clips.items()}
    assert sizes == {"S1": (2048, 2048), "S3": (2048, 2048), "TS1": (2048, 2048), "TS6": (1920, 1080)}
    assert clips["TS6", "TS6"].valid.tolist() == [False, True, True, False, True]
    assert clips["S1", "Seq1 0"].valid is None


def test_any_float_and_a_column_of_valid_are_read(stored):
    def narrow(tree):
        tree["TS1"]["data_3d"] = tree["TS1"]["data_3d"].astype(np.float32)
        tree["TS1"]["valid"] = tree["TS1"]["valid"].astype(np.int64)[:, None]

    change_test(stored, narrow)
    clip = mpi_inf_3dhp.read(stored, SET, subjects=["TS1"]).sequences[0]
    assert clip.pose3d == pytest.approx(made_3dhp().sequences[-2].pose3d, rel=1e-6)
    assert clip.valid.shape == (6,)


def test_only_the_named_subjects_are_read_and_only_their_file(stored):
    assert mpi_inf_3dhp.read(stored, SET, subjects=["TS6", "S3"]).subjects == ("S3", "TS6")
    mpi_inf_3dhp.file_train(stored, SET).write_bytes(b"nothing")
    assert mpi_inf_3dhp.read(stored, SET, subjects=["TS6"]).subjects == ("TS6",)
    assert faults_of(stored, subjects=["TS2"]) == (
        "no subject 'TS2'; did you mean TS6?; subjects here: TS1, TS6", "there is no clip"
    )  # fmt: skip


def test_missing_files_are_named_with_what_is_there(stored):
    assert faults_of(stored, name="3dhp") == (
        "has no data_train_3dhp.npz; did you mean made_3dhp?; sets here: made_3dhp",
        "has no data_test_3dhp.npz; did you mean made_3dhp?; sets here: made_3dhp",
    )
    assert faults_of(stored / "none")[0] == "has no data_train_made_3dhp.npz; there is no such folder"
    mpi_inf_3dhp.file_test(stored, SET).unlink()
    assert faults_of(stored) == ("has no data_test_made_3dhp.npz; put it beside the other file of the set",)
    assert mpi_inf_3dhp.available_sets(stored) == (SET,)


def test_every_fault_of_training_sequences_is_named_at_once(stored):
    def spoil(tree):
        cameras, _ = tree["S1 Seq1"]
        cameras["0"]["data_3d"] /= 1000
        cameras["1"]["data_2d"][3, 16, 0] = np.inf
        cameras["2"]["data_2d"] = cameras["2"]["data_2d"][:, :16]
        cameras["4"]["data_2d"] = cameras["4"]["data_2d"][:3]
        del cameras["5"]["data_3d"]
        cameras["3"] = cameras.pop("6")
        cameras["7"] = {name: array[:2] for name, array in cameras["7"].items()}
        tree["S1 Seq1"][1] = 30
        tree["S9 Seq1"] = tree["S3 Seq2"] = {}

    change_train(stored, spoil)
    assert faults_of(stored, subjects=["S1", "S3"]) == (
        "sequence S1 Seq1: fps is 30; it must be 25 or 50",
        "sequence S1 Seq1: has a camera '3'; this layout has 0, 1, 2, 4, 5, 6, 7, 8, drop others",
        "sequence S1 Seq1: has no camera 6; add its poses",
        "sequence S1 Seq1, camera 0: 3D looks like metres (median 0.37); this layout has millimetres, multiply it by "
        "1000",
        "sequence S1 Seq1, camera 1: 2D is inf at frame 3, joint 16 (Head); fill the gap or drop the clip",
        "sequence S1 Seq1, camera 2: 2D has 16 joints; this layout has 17",
        "sequence S1 Seq1, camera 4: 3D has 4 frames, 2D has 3; cut both to the same frames",
        "sequence S1 Seq1, camera 5: has no 'data_3d'; expected both, with 17 joints",
        "sequence S1 Seq1: its cameras have 2 to 4 frames; cut them to the same frames",
        "sequence S3 Seq2: is a dict; expected [{camera: poses}, fps]",
    )
    assert "sequence S9 Seq1: no training sequence has this name; they are 'S1 Seq1' to 'S8 Seq2'" in faults_of(stored)


def test_every_fault_of_test_sequences_is_named_at_once(stored):
    def spoil(tree):
        tree["TS1"]["valid"] = tree["TS1"]["valid"][:5]
        tree["TS6"]["valid"][2] = 0.5
        tree["TS2"] = {"data_2d": np.zeros((0, 17, 2)), "data_3d": np.zeros((0, 17, 3)), "valid": np.zeros(0)}
        tree["TS3"] = []
        tree["TS7"] = {}

    change_test(stored, spoil)
    assert faults_of(stored) == (
        "sequence TS1: 'valid' has 5 frames, the 3D has 6; give one per frame",
        "sequence TS6: 'valid' is float64 (5,); expected one 0 or 1 per frame",
        "sequence TS2: 3D has no frames; drop the clip",
        "sequence TS2: 'valid' is 0 in every frame, so there is nothing to score; drop the sequence",
        "sequence TS3: has no 'data_2d' and no 'data_3d'; expected both, with 17 joints",
        "sequence TS3: has no 'valid'; add 1 for every frame to score, else 0",
        "sequence TS7: no test sequence has this name; they are TS1 to TS6",
    )


def test_a_file_of_something_else_is_a_fault_of_the_file(stored):
    np.savez(mpi_inf_3dhp.file_train(stored, SET), data=np.array([1, 2], dtype=object))
    with pytest.raises(DataError, match=r"data_train_made_3dhp\.npz.*'data' is no dictionary"):
        mpi_inf_3dhp.read(stored, SET)


def test_joints_are_those_of_human36m_in_another_order():
    names = [H36M_17.joints[joint] for joint in JOINTS]
    same = {"HeadTop": "Head", "Neck": "Thorax", "Pelvis": "Hip", "Head": "Neck", "RAnkle": "RFoot", "LAnkle": "LFoot"}
    assert names == [same.get(joint, joint) for joint in MPI_INF_3DHP_17.joints]
    assert MPI_INF_3DHP_17.root == 14
    assert [MPI_INF_3DHP_17.joints[joint] for joint in MPI_INF_3DHP_17.mirror] == [
        {"L": "R", "R": "L"}.get(joint[0], joint[0]) + joint[1:] for joint in MPI_INF_3DHP_17.joints
    ]


def test_made_set_has_the_sequences_and_rates_of_the_recordings(twin):
    assert twin.subjects == (*(f"S{k}" for k in range(1, 9)), *(f"TS{k}" for k in range(1, 7)))
    train = [clip for clip in twin.sequences if clip.valid is None]
    assert len(train) == 16 * 8
    for clip in train:
        frames, fps = mpi_inf_3dhp.PUBLISHED_TRAIN[f"{clip.subject} {clip.group}"]
        assert (len(clip.pose3d), clip.fps) == (frames // 50, fps)
    tests = [clip for clip in twin.sequences if clip.valid is not None]
    assert [int(clip.valid.sum()) for clip in tests] == [603, 540, 505, 553, 276, 452]
    for clip in tests:
        assert clip.valid.mean() == pytest.approx(0.9, abs=0.002)  # whole frames
        assert 1 <= (np.diff(clip.valid.astype(int)) == -1).sum() <= 5
    assert [(clip.cameras[0].width, clip.cameras[0].height) for clip in tests] == [(2048, 2048)] * 4 + [
        (1920, 1080)
    ] * 2


def test_people_have_one_height_from_knee_to_neck(twin):
    for clip in twin.sequences:
        pose = clip.pose3d.astype(np.float64)
        thighs = [np.linalg.norm(pose[:, hip] - pose[:, hip + 1], axis=-1) for hip in (8, 11)]
        trunk = sum(np.linalg.norm(pose[:, one] - pose[:, other], axis=-1) for one, other in ((14, 15), (15, 1)))
        # Four rounded bones, each off by up to 0.05 mm.
        assert np.mean(thighs, axis=0) + trunk == pytest.approx(np.full(len(pose), 0.92), abs=2e-4)


def test_pixels_are_the_points_before_the_camera_through_its_lens(twin):
    for clip in twin.sequences:
        focal, centre = (1150, (960, 540)) if clip.subject in ("TS5", "TS6") else (1500, (1024, 1024))
        points = clip.pose3d.astype(np.float64)
        assert points[..., 2].min() > 1  # metres
        # 3D is scaled about the camera, so that the image stays; px, the set is rounded to 1/64 px.
        expected = focal * points[..., :2] / points[..., 2:] + centre
        np.testing.assert_allclose(clip.pose2d[0], expected, rtol=0, atol=0.03)


def test_eight_cameras_see_one_pose_from_all_sides(twin):
    seen = [clip for clip in twin.sequences if (clip.subject, clip.group) == ("S5", "Seq2")]
    assert [clip.action for clip in seen] == [f"Seq2 {camera}" for camera in "01245678"]
    # Sizes and shapes agree between cameras: every distance between two joints does.
    joints = [clip.pose3d[7].astype(np.float64) for clip in seen]
    distances = np.stack([np.linalg.norm(one[:, None] - one, axis=-1) for one in joints])
    assert distances[1:] == pytest.approx(distances[:-1], abs=1e-4)  # metres, two steps of the grid each
    # Up in the world is nearly -y of all of them; facing directions turn by 45 degrees from camera to camera.
    hips = [one[8] - one[11] for one in joints]
    turns = np.degrees(np.unwrap([np.arctan2(hip[2], hip[0]) for hip in hips]))
    assert np.abs(np.diff(turns)) == pytest.approx(np.full(7, 45), abs=15)  # degrees; cameras are tilted up to 18


def test_joints_are_inside_the_images(twin):
    inside = [
        ((clip.pose2d[0] >= 0) & (clip.pose2d[0] <= (clip.cameras[0].width, clip.cameras[0].height))).all(-1)
        for clip in twin.sequences
    ]
    assert np.concatenate(inside).mean() >= 0.99


def test_same_seed_gives_the_same_bytes(twin):
    total = 0
    for clip in twin.sequences:
        total = zlib.crc32(clip.pose2d[0].astype("<f4").tobytes(), total)
    # The same with numpy's AVX2 and AVX-512 code, and that of torch, switched off.
    assert [content_hash(twin), f"{total:08x}"] == ["be81183c", "eeb7e36e"]
    assert content_hash(synthetic_3dhp(1)) != "be81183c"


def test_made_set_reads_back(twin, tmp_path):
    mpi_inf_3dhp.write(twin, tmp_path)
    read = mpi_inf_3dhp.read(tmp_path, NAME)
    for one, other in zip(twin.sequences, read.sequences, strict=True):
        assert (one.subject, one.action, one.fps) == (other.subject, other.action, other.fps)
        np.testing.assert_array_equal(one.pose3d, other.pose3d)
        np.testing.assert_array_equal(one.pose2d, other.pose2d)
        np.testing.assert_array_equal(one.valid, other.valid)
