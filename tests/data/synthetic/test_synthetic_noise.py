"""Random signals behind the default set: band-limited noise, and the errors of a keypoint detector."""

import numpy as np
import pytest

from data.poses.skeleton import H36M_17
from data.synthetic.poses.detector import SIGMA_PX, detections
from data.synthetic.poses.signals import CUTOFF_HZ, FPS, cosine_sine, crossfade, noise, smoothed, soft_limit


def still_person(num_frames):
    """[n, 17, 2] pixels with a box diagonal of 600 px and sides 480 px apart."""
    pixels = np.zeros((num_frames, 17, 2))
    pixels[:, list(H36M_17.left), 0] = 480
    pixels[:, 10, 1] = 360
    return pixels


def test_detector_noise_depends_on_the_three_names_only():
    still = still_person(30)
    found = detections(still, "S1", "Walking", "54138969")
    assert np.array_equal(found, detections(still, "S1", "Walking", "54138969"))
    for names in (("S5", "Walking", "54138969"), ("S1", "Walking 1", "54138969"), ("S1", "Walking", "0")):
        assert not np.array_equal(found, detections(still, *names))


def test_detector_swaps_sides_at_the_stated_rate():
    still = still_person(200_000)
    found = detections(still, "S1", "Walking", "54138969")
    for right, left in ((1, 4), (14, 11)):
        is_swapped = found[:, right, 0] > found[:, left, 0]
        # 0.0012 starts per frame, 7 frames long on average; 240 stretches, so 3 sigma are 20 % and more.
        assert is_swapped.mean() == pytest.approx(0.0012 * 7, rel=0.3)
    assert not (found[:, 0, 0] > 240).any()


def test_detector_noise_lasts_from_frame_to_frame():
    still = still_person(100_000)
    error = (detections(still, "S9", "Posing", "x") - still)[:, 0] / SIGMA_PX[0]
    # 0.84 of the deviation has memory 0.9, 0.55 none; the factor 0.9 or 1.8 is drawn per frame.
    factor, square = 0.9 * 0.9 + 0.1 * 1.8, 0.9 * 0.9**2 + 0.1 * 1.8**2
    expected = factor**2 * 0.84**2 * 0.9 / (square * (0.84**2 + 0.55**2))
    is_near = np.abs(error).max(1) < 7  # without the outliers
    both = is_near[1:] & is_near[:-1]
    before, after = error[:-1][both, 0], error[1:][both, 0]
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(expected, abs=0.02)
    assert error[is_near].std() == pytest.approx(np.sqrt(square * (0.84**2 + 0.55**2)), rel=0.03)


def test_noise_has_unit_variance_and_a_limited_band():
    rng = np.random.default_rng(3)
    channels = noise(rng, ((0.3, 300), (0.12, 300)), 500)
    assert channels.shape == (600, 500)
    # 300 channels of about 5 independent values each.
    assert channels[:300].var() == pytest.approx(1, rel=0.1)
    assert channels[300:].var() == pytest.approx(1, rel=0.15)
    windowed = (channels - channels.mean(1, keepdims=True)) * np.hanning(500)
    power = (np.abs(np.fft.rfft(windowed)) ** 2).sum(0)
    beyond = np.fft.rfftfreq(500, 1 / FPS) > CUTOFF_HZ + 0.5  # Hz; the window smears by two bins
    assert power[beyond].sum() < 1e-5 * power.sum()


def test_cosine_and_sine_of_any_angle_are_those_of_numpy():
    degrees = np.concatenate((np.linspace(-720, 720, 2881), (0.0, 1e-9, 90.0, 180.0, 540.0, -180.0)))
    found = cosine_sine(degrees.reshape(1, -1))
    assert found.shape == (2, 1, len(degrees))
    # An angle of 720 degrees has a spacing of 1.1e-13 degrees, 2e-15 radians, and is converted in another order.
    assert found[0, 0] == pytest.approx(np.cos(np.radians(degrees)), abs=4e-15)
    assert found[1, 0] == pytest.approx(np.sin(np.radians(degrees)), abs=4e-15)


def test_soft_limit_keeps_the_middle_and_the_bounds():
    values = soft_limit(np.array((-1e6, 50.0, 1e6)), 0.0, 100.0)
    assert values == pytest.approx((0, 50, 100))


def test_crossfade_is_half_way_at_its_centre():
    weight = crossfade(101, 50, 40)
    assert (weight[0], weight[-1]) == (0, 1)
    assert weight[50] == pytest.approx(0.5)
    assert weight[:50] == pytest.approx(1 - weight[:50:-1])


def test_smoothing_keeps_constants_and_lengths():
    assert smoothed(np.full(3, 2.5), 9) == pytest.approx(np.full(3, 2.5))
