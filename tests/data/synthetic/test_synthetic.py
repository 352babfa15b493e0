"""The embedded default set: made motion that looks like recorded motion, the same bytes for the same seed."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from data.formats.pickles import read_object
from data.formats.poses import h36m
from data.poses.skeleton import H36M_17, H36M_32, kept_joints
from data.synthetic.poses.h36m import ACTIONS, content_hash, synthetic_h36m
from data.synthetic.poses.motion import GRID, motion
from data.synthetic.poses.signals import FPS
from tests.made.recordings.motion_statistics import (
    LIKE_RECORDED,
    box_heights_px,
    facing_normalised,
    joint_angles,
    statistics,
)

SEED = 0
SUBJECTS, CLIPS, FRAMES = 8, 28, 480  # 107,520 frames

BOX_HEIGHT_PX = {5: 246, 50: 321, 95: 435}  # the same subjects before four cameras of Human3.6M


def clips_of(skeleton, **chosen):
    return [
        motion(SEED, subject, clip, FRAMES, skeleton=skeleton, **chosen).astype(np.float64)
        for subject in range(SUBJECTS)
        for clip in range(CLIPS)
    ]


@pytest.fixture(scope="session", params=("cmu", "h36m"))
def moving(request):
    return clips_of(request.param)


@pytest.fixture(scope="session")
def figures(moving):
    return statistics(moving)


@pytest.fixture(scope="session")
def default_set():
    return synthetic_h36m(SEED)


@pytest.fixture(scope="session")
def detected_set():
    return synthetic_h36m(SEED, keypoints="det")


def crc_2d(poses):
    total = 0
    for clip in poses.sequences:
        for pixels in clip.pose2d:
            total = zlib.crc32(pixels.astype("<f4").tobytes(), total)
    return total


@pytest.mark.parametrize("name", LIKE_RECORDED)
def test_statistic_is_like_recorded_motion(figures, name):
    _, low, high = LIKE_RECORDED[name]
    assert low <= figures[name] <= high, name


def test_recorded_motion_has_the_statistics_that_we_aim_at(shared_dir):
    if shared_dir is None:
        pytest.skip("the recorded motions are not here")
    tree = read_object(shared_dir / "data" / "real" / "data_3d_cmu.npz", "positions_3d")
    found = statistics([clip.astype(float) for name in tree if name != "C14" for clip in tree[name].values()])
    # The aims are rounded to two digits; 0.06 covers another overlap of the windows of the spectra.
    aims = {name: pytest.approx(aim, rel=0.04, abs=0.6) for name, (aim, _, _) in LIKE_RECORDED.items()}
    assert {name: found[name] for name in aims} == aims


def test_people_are_as_large_in_the_image_as_recorded_ones(moving):
    heights = box_heights_px(moving, h36m.h36m_cameras()["S1"])
    for level, aim in BOX_HEIGHT_PX.items():
        assert np.percentile(heights, level) == pytest.approx(aim, rel=0.25), level


@pytest.mark.parametrize("skeleton", ["cmu", "h36m"])
def test_walkers_stride_and_travel_like_people(skeleton):
    clips = [
        motion(SEED, subject, clip, 1000, modes=("gait",), skeleton=skeleton).astype(np.float64)
        for subject in range(SUBJECTS)
        for clip in range(8)
    ]
    swings = np.stack([joint_angles(clip)["hip_flexion"][:, 0] for clip in clips])
    power = np.abs(np.fft.rfft(swings - swings.mean(1, keepdims=True)))
    strides_hz = np.fft.rfftfreq(1000, 1 / FPS)[power.argmax(1)]
    speeds = [np.linalg.norm(np.diff(clip[:, 0, :2], axis=0), axis=-1).mean() * FPS for clip in clips]
    # Recorded walkers: 0.83 to 1.03 strides per second, 0.9 to 1.9 m/s.
    assert 0.7 <= np.percentile(strides_hz, 5) <= np.percentile(strides_hz, 95) <= 1.1
    assert 0.7 <= np.percentile(speeds, 5) <= np.percentile(speeds, 95) <= 2.0


def test_walkers_walk_forwards():
    clip = motion(SEED, 1, 0, 400, modes=("gait",)).astype(np.float64)
    hips = clip[1:, 1] - clip[1:, 4]
    forward = np.stack((-hips[:, 1], hips[:, 0]), axis=-1)
    assert ((np.diff(clip[:, 0, :2], axis=0) * forward).sum(-1) > 0).all()


def test_walkers_stay_in_the_capture_volume():
    path = motion(SEED, 1, 0, 3000, modes=("gait",))[:, 0, :2]
    assert np.abs(path).max() < 2.2  # metres; a circle of 1.5 m radius at most, drifting a little


def test_somebody_who_sits_is_low_and_stays_in_place():
    clip = motion(SEED, 1, 0, 300, modes=("sit",))
    assert np.median(clip[:, 0, 2]) < 0.75
    assert np.ptp(clip[:, 0, :2], axis=0).max() < 0.2


def test_a_foot_is_near_the_floor(moving):
    lowest = np.concatenate([clip[:, [3, 6], 2].min(1) for clip in moving])
    assert np.median(lowest) == pytest.approx(0.08, abs=0.005)
    # Jumps, in 5 % of the clips, and feet that move faster than the smoothed height follows, are the rest.
    assert ((lowest > 0.05) & (lowest < 0.12)).mean() > 0.98


def test_crossfade_starts_in_one_mode_and_ends_in_the_other():
    both, first, second = (
        facing_normalised(motion(SEED, 2, 5, 200, modes=modes).astype(np.float64))
        for modes in (("free", "sit"), ("free",), ("sit",))
    )
    # Metres. Headings differ, since turning is faded too, and are taken out after rounding to the grid: a step
    # of 0.015 mm at hips 27 cm apart, seen 80 cm away.
    assert both[:40] == pytest.approx(first[:40], abs=2e-4)
    assert both[-40:] == pytest.approx(second[-40:], abs=2e-4)
    assert np.abs(np.diff(both, axis=0)).max() * FPS < 6  # metres per second; nothing jumps


def test_bone_lengths_stay_the_same_over_all_clips_of_a_subject(moving):
    persons = np.stack(moving).reshape(SUBJECTS, CLIPS * FRAMES, 17, 3)
    parents, children = zip(*H36M_17.edges, strict=True)
    lengths = np.linalg.norm(persons[:, :, children] - persons[:, :, parents], axis=-1)
    # Both ends are rounded to the grid: sqrt(3) / 2 steps each, either way; 0.05 mm in all.
    assert np.ptp(lengths, axis=1).max() < 2 * np.sqrt(3) / GRID + 1e-9
    assert np.ptp(lengths.mean(1), axis=0).min() > 0.005  # persons differ


def test_left_and_right_bones_differ_a_little():
    clip = motion(SEED, 3, 0, 2)[0].astype(np.float64)
    right, left = (np.linalg.norm(clip[a] - clip[b]) for a, b in ((2, 1), (5, 4)))
    assert 0 < abs(right - left) < 0.02


@pytest.mark.parametrize("num_frames", [1, 2, 9])
@pytest.mark.parametrize("mode", ["gait", "sit", "reach", "free"])
def test_shortest_clips_are_whole(num_frames, mode):
    clip = motion(SEED, 1, 1, num_frames, modes=(mode,))
    assert clip.shape == (num_frames, 17, 3)
    assert clip.dtype == np.float32
    assert clip.flags.c_contiguous
    assert np.isfinite(clip).all()


def test_same_seed_gives_the_same_bytes(default_set):
    # The grids make these the same on every processor: checked with numpy's AVX2 and AVX-512 code switched off.
    assert content_hash(default_set) == "acc5292e"


def test_same_seed_gives_the_same_2d_bytes(default_set, detected_set):
    hashes = [f"{crc_2d(poses):08x}" for poses in (default_set, detected_set)]
    assert hashes == ["a374af88", "245f6306"]


def test_another_seed_gives_another_set():
    first, second = (synthetic_h36m(seed, mean_frames=8) for seed in (0, 1))
    assert content_hash(first) != content_hash(second)


def test_clips_do_not_depend_on_their_order():
    clips = [(subject, clip) for subject in range(3) for clip in range(3)]
    forwards = {key: motion(SEED, *key, 50).tobytes() for key in clips}
    backwards = {key: motion(SEED, *key, 50).tobytes() for key in reversed(clips)}
    assert forwards == backwards
    assert len(set(forwards.values())) == len(clips)


def test_set_has_the_subjects_and_actions_of_human36m(default_set):
    keys = {name: [c.action for c in default_set.sequences if c.subject == name] for name in default_set.subjects}
    assert list(keys) == ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    assert {name: len(actions) for name, actions in keys.items()} == dict.fromkeys(keys, 30) | {"S11": 29}
    assert set(keys["S1"]) - set(keys["S11"]) == {"Directions"}
    assert {clip.group for clip in default_set.sequences} == set(ACTIONS)
    assert len(ACTIONS) == 15
    assert 45_000 < sum(len(clip.pose3d) for clip in default_set.sequences) < 55_000


def test_joints_are_inside_the_images(default_set):
    inside = [
        ((pixels >= 0) & (pixels <= (camera.width, camera.height))).all(-1)
        for clip in default_set.sequences
        for pixels, camera in zip(clip.pose2d, clip.cameras, strict=True)
    ]
    assert np.concatenate(inside).mean() >= 0.99


def test_pixels_are_the_world_points_through_the_published_lens(default_set):
    # The published projection written out in numpy, against the one that the set is made with.
    clip = default_set.sequences[40]
    camera, pixels = clip.cameras[2], clip.pose2d[2]
    w, x, y, z = camera.orientation.astype(np.float64)
    turn = np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )
    kept = kept_joints(H36M_32, H36M_17)
    seen = (clip.pose3d[:, kept].astype(np.float64) - camera.translation) @ turn
    slope = seen[..., :2] / seen[..., 2:]
    square = (slope**2).sum(-1, keepdims=True)
    lens = camera.intrinsics.astype(np.float64)
    radial = 1 + lens[4] * square + lens[5] * square**2 + lens[6] * square**3
    bent = slope * (radial + (slope * lens[7:9]).sum(-1, keepdims=True)) + square * lens[7:9]
    expected = (lens[:2] * bent + lens[2:4] + (1, camera.height / camera.width)) * camera.width / 2
    assert pixels == pytest.approx(expected, abs=0.01)  # px; the set is rounded to 1/64 px


def test_joints_that_no_model_uses_hang_on_their_neighbours(default_set):
    clip = default_set.sequences[10].pose3d.astype(np.float64)
    assert default_set.skeleton == H36M_32
    for copy, original in ((11, 0), (16, 13), (24, 13), (20, 19), (22, 19), (28, 27), (30, 27)):
        assert np.array_equal(clip[:, copy], clip[:, original])
    for end, start, metres in ((21, 19, 0.06), (31, 27, 0.06), (4, 3, 0.15), (9, 8, 0.15), (5, 4, 0.075)):
        length = np.linalg.norm(clip[:, end] - clip[:, start], axis=-1)
        assert length == pytest.approx(np.full(len(clip), metres), abs=2 / GRID)
    assert (clip[:, 4, 2] < clip[:, 3, 2]).all()


def test_written_set_reads_back_as_it_was(tmp_path: Path):
    poses = synthetic_h36m(SEED, mean_frames=4)
    h36m.write(poses, tmp_path)
    back = h36m.read(tmp_path, "synthetic", "gt", joints=17)
    assert len(back.sequences) == len(poses.sequences)
    for one, other in zip(poses.sequences, back.sequences, strict=True):
        assert (one.subject, one.action) == (other.subject, other.action)
        assert np.array_equal(one.pose3d[:, kept_joints(H36M_32, H36M_17)], other.pose3d)
        assert all(np.array_equal(a, b) for a, b in zip(one.pose2d, other.pose2d, strict=True))


def test_detector_errs_as_far_as_on_recorded_motion(default_set, detected_set):
    errors = np.concatenate(
        [
            np.linalg.norm(true - found, axis=-1)
            for one, other in zip(default_set.sequences, detected_set.sequences, strict=True)
            for true, found in zip(one.pose2d, other.pose2d, strict=True)
        ]
    )
    # Measured with the same noise on recorded motion; people here stand a little larger or smaller.
    assert errors.mean() == pytest.approx(4.9, rel=0.1)
    assert errors[:, 0].mean() == pytest.approx(2.6, rel=0.1)
    assert errors[:, [13, 16]].mean() == pytest.approx(8.8, rel=0.1)


def test_detector_leaves_the_3d_alone(default_set, detected_set):
    assert content_hash(default_set) == content_hash(detected_set)
    assert detected_set.keypoints == "det"


def test_making_the_set_leaves_torch_as_it_was():
    state = torch.random.get_rng_state()
    synthetic_h36m(SEED, mean_frames=4)
    assert torch.equal(state, torch.random.get_rng_state())
