"""From made motion to recordings: other frame rates, and frames that are lost."""

import numpy as np
import pytest

from data.synthetic.poses.recording import lost_in_bursts, resampled


def test_polynomials_of_degree_5_are_resampled_exactly():
    frames = np.arange(20.0)
    at = np.array((2.0, 3.25, 9.5, 16.9))
    for degree in range(6):
        found = resampled(((frames - 9) ** degree)[:, None], at)
        assert found[:, 0] == pytest.approx((at - 9) ** degree, rel=1e-12, abs=1e-9)


def test_frames_that_are_there_are_kept_to_the_last_bit():
    poses = np.random.default_rng(1).normal(size=(7, 17, 3))
    np.testing.assert_array_equal(resampled(poses, np.arange(7.0)), poses)


@pytest.mark.parametrize(("kept", "lost", "bursts"), [(100, 40, 4), (10, 3, 3), (5, 0, 0), (0, 2, 1)])
def test_as_many_frames_are_lost_as_said_in_no_more_bursts_than_said(kept, lost, bursts):
    mask = lost_in_bursts(np.random.default_rng(2), kept, lost, bursts)
    assert (mask.sum(), (~mask).sum()) == (kept, lost)
    starts = np.diff(np.concatenate(([True], mask)).astype(int)) == -1
    assert starts.sum() <= bursts
    assert not lost or starts.sum() >= 1
