"""Errors in millimetres: answers by hand, laws, and sums that never average averages."""

import math

import pytest
import torch

from data.batches.truth import step_weights
from data.poses.geometry import procrustes
from trainables.scoring import freihand
from trainables.scoring.metrics import Sums, mpjpe_mm, mpjve_mm, n_mpjpe_mm, p_mpjpe_mm, score_sequences


def poses(*shape):
    return torch.randn(*shape, 17, 3, dtype=torch.float64)


def rotation(determinant=1):
    q = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    return q * (torch.linalg.det(q) * determinant)


def test_mpjpe_is_the_mean_distance_in_millimetres():
    true = torch.zeros(2, 2, 3)
    pred = true.clone()
    pred[0, 0] = torch.tensor([0.003, 0.004, 0.0])  # 5 mm, the other joint exact
    pred[1] = torch.tensor([0.0, 0.0, 0.001])
    torch.testing.assert_close(mpjpe_mm(pred, true), torch.tensor([2.5, 1.0]))


def test_p_mpjpe_forgives_any_similarity_but_no_reflection():
    true = poses(4)
    moved = 1.7 * true @ rotation() + torch.tensor([3.0, -2.0, 5.0])
    mirrored = true @ rotation(determinant=-1)
    assert p_mpjpe_mm(moved, true).max() < 1e-9  # float64 rounding of metres, in millimetres
    assert p_mpjpe_mm(mirrored, true).min() > 1


def test_error_falls_with_the_freedom_of_the_fit():
    true = poses(50)
    pred = true + 0.1 * poses(50)
    aligned = p_mpjpe_mm(pred, true).mean()
    assert aligned < n_mpjpe_mm(pred, true).mean() < 1.01 * mpjpe_mm(pred, true).mean()


def test_n_mpjpe_forgives_scale_and_nothing_else():
    true = poses(4)
    assert n_mpjpe_mm(0.2 * true, true).max() < 1e-9  # float64 rounding
    assert n_mpjpe_mm(true + 1, true).min() > 1
    by_hand = n_mpjpe_mm(torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]]), torch.tensor([[[2.0, 0, 0], [0, 4.0, 0]]]))
    torch.testing.assert_close(by_hand, torch.tensor([1000.0]))  # scale 3: joints miss by 1 m each


def test_metrics_take_any_leading_shape():
    pred, true = poses(2, 3), poses(2, 3)
    for metric in (mpjpe_mm, p_mpjpe_mm, n_mpjpe_mm):
        flat = metric(pred.flatten(0, 1), true.flatten(0, 1))
        torch.testing.assert_close(metric(pred, true), flat.view(2, 3))


def test_mpjve_sees_steps_and_no_constant_offset():
    true = poses(5)
    assert mpjve_mm(true + 1, true).max() < 1e-9  # float64 rounding
    pred = true.clone()
    pred[2] += torch.tensor([0.003, 0.004, 0.0])  # one frame off by 5 mm: one step there, one back
    torch.testing.assert_close(mpjve_mm(pred, true), torch.tensor([0.0, 5, 5, 0], dtype=torch.float64))


def test_sums_weigh_frames_and_actions_as_their_names_say():
    sums = Sums(3)
    sums.add("mpjpe_mm", torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 0]))
    sums.add("mpjpe_mm", torch.tensor([10.0]), torch.tensor([2]))
    assert sums.frame_mean() == {"mpjpe_mm": 4.0}
    assert sums.group_mean() == {"mpjpe_mm": 6.0}
    assert sums.per_group(["Eating", "Posing", "Walking"]) == {
        "Eating": {"mpjpe_mm": 2.0},
        "Walking": {"mpjpe_mm": 10.0},
    }


def test_sums_do_not_depend_on_how_the_frames_are_cut():
    values, action = torch.rand(100), torch.randint(0, 4, (100,))
    whole, parts = Sums(4), Sums(4)
    whole.add("mpjpe_mm", values, action)
    for some, of in zip(values.split(7), action.split(7), strict=True):
        parts.add("mpjpe_mm", some, of)
    # float64 sums in another order
    assert parts.frame_mean()["mpjpe_mm"] == pytest.approx(whole.frame_mean()["mpjpe_mm"], rel=1e-12)
    assert parts.group_mean()["mpjpe_mm"] == pytest.approx(whole.group_mean()["mpjpe_mm"], rel=1e-12)


def test_a_sequence_score_is_the_frame_mean_of_each_metric():
    true, action = poses(9), torch.tensor([1] * 4 + [0] * 5)
    pred = true + 0.05 * poses(9)
    found = score_sequences(pred, true, action, step_weights(torch.tensor([4, 5])), 2).frame_mean()
    for name, metric in (("mpjpe_mm", mpjpe_mm), ("p_mpjpe_mm", p_mpjpe_mm), ("n_mpjpe_mm", n_mpjpe_mm)):
        assert found[name] == pytest.approx(float(metric(pred, true).mean()), rel=1e-12)  # float64 rounding


def test_velocity_errors_stop_at_track_borders_and_weigh_tracks_by_frames():
    # Three tracks of 2, 4 and 1 frames; errors along x in metres, so that steps differ by hand-made amounts.
    error = torch.tensor([0.0, 0.001, 0.0, 0.002, 0.006, 0.006, 9.0], dtype=torch.float64)
    true = poses(7)
    pred = true.clone()
    pred[..., 0] += error[:, None]
    action = torch.tensor([0, 0, 1, 1, 1, 1, 1])
    sums = score_sequences(pred, true, action, step_weights(torch.tensor([2, 4, 1])), 2)
    # Track means: 1 and (2 + 4 + 0) / 3 = 2 mm a frame; the track of one frame has no step and does not count.
    assert sums.per_group(["a", "b"])["a"]["mpjve_mm"] == pytest.approx(1.0)
    assert sums.per_group(["a", "b"])["b"]["mpjve_mm"] == pytest.approx(2.0)
    assert sums.frame_mean()["mpjve_mm"] == pytest.approx((2 * 1 + 4 * 2) / 6)
    assert sums.group_mean()["mpjve_mm"] == pytest.approx(1.5)


def test_a_frame_that_is_not_finite_shows_in_the_mean():
    true = poses(3)
    pred = true.clone()
    pred[1] = math.nan
    action, weight = torch.zeros(3, dtype=torch.int64), step_weights(torch.tensor([3]))
    assert all(math.isnan(value) for value in score_sequences(pred, true, action, weight, 1).frame_mean().values())


# --- FreiHAND


def hands(count=3, points=21):
    return 0.1 * torch.randn(count, points, 3, dtype=torch.float64)


def test_freihand_aligns_reflections_too_and_perfect_hands_score_perfectly():
    true = hands()
    mirrored = 1.7 * true @ torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64)) + 0.3
    fitted = freihand.aligned(mirrored, true)
    torch.testing.assert_close(fitted, true, rtol=0, atol=1e-6)  # metres; 1e-8 is added to the published norms
    assert (procrustes(mirrored, true) - true).abs().max() > 1e-3  # the body protocol does not
    found = freihand.hand_scores((true, true), (true, true))
    assert found["p_mpjpe_mm"].max() < 1e-4
    assert found["auc_50mm"].min() > 0.99
    assert found["pa_f_5mm"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(("error", "area"), [(0.0, 1.0), (0.025, 0.5), (0.0501, 0.0), (0.05, 0.5 / 99)])
def test_area_of_one_error_is_the_share_of_thresholds_beyond_it(error, area):
    true = torch.zeros(1, 4, 3, dtype=torch.float64)
    pred = true + torch.tensor([error, 0, 0], dtype=torch.float64)
    assert freihand.auc_50mm(pred, true).item() == pytest.approx(area, abs=1e-12)


def test_f_score_counts_both_ways_strictly_and_in_chunks(monkeypatch):
    true = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]], dtype=torch.float64).expand(5, 3, 3)
    pred = torch.tensor([[[0.0, 0, 0], [1, 0.005, 0], [9, 0, 0], [9, 9, 0]]], dtype=torch.float64).expand(5, 4, 3)
    monkeypatch.setattr(freihand, "PAIRS", 24)
    fine, rough = freihand.f_scores(pred, true, 0.005, 0.006)
    assert fine.precision.tolist() == pytest.approx([1 / 3] * 5)  # of the true points
    assert fine.recall.tolist() == pytest.approx([1 / 4] * 5)
    assert rough.recall.tolist() == pytest.approx([1 / 2] * 5)
    assert rough.f.tolist() == pytest.approx([2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2)] * 5)
    nothing = freihand.f_scores(pred + 100, true, 0.005)[0]
    assert nothing.f.tolist() == [0] * 5
