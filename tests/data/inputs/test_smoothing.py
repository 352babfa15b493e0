"""The One-Euro filter: jitter goes, motion stays, nothing lags, and neither time nor the image's turn matter."""

import numpy as np

from data.inputs.smoothing import smoothed
from tests.made.detected.files import person


def jitter(points):
    return np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean()


def test_jitter_goes_and_the_walk_stays():
    truth = person(120, speed=2)
    noisy = truth + np.random.default_rng(3).normal(0, 4, truth.shape)
    calm = smoothed(noisy, 50)
    assert jitter(calm) < jitter(noisy) / 3
    assert np.linalg.norm(calm - truth, axis=-1).mean() < 0.7 * np.linalg.norm(noisy - truth, axis=-1).mean()


def test_what_moves_evenly_does_not_lag():
    truth = person(100, speed=6)
    truth = truth[:1] + (truth[:, :1, :1] - truth[:1, :1, :1]) * (1, 0)
    away = (smoothed(truth, 50) - truth)[20:-20]
    assert np.abs(away.mean((0, 1))).max() < 0.05


def test_time_and_the_turn_of_the_camera_do_not_matter():
    noisy = person(50) + np.random.default_rng(4).normal(0, 4, (50, 17, 2))
    np.testing.assert_allclose(smoothed(noisy[::-1], 25)[::-1], smoothed(noisy, 25))
    turned = noisy[..., ::-1] * (1, -1)
    np.testing.assert_allclose(smoothed(turned, 25), smoothed(noisy, 25)[..., ::-1] * (1, -1))


def test_a_still_person_stays_and_few_frames_are_left_alone():
    still = np.repeat(person(1), 20, 0)
    np.testing.assert_allclose(smoothed(still, 25), still)
    two = person(2)
    np.testing.assert_array_equal(smoothed(two, 25), two)
