"""Frame windows: answers by hand, and a slow road that walks frame by frame."""

import itertools

import pytest
import torch

from data.batches.windows import mirror_where, reference_order, windows
from data.poses.skeleton import H36M_17
from data.poses.thinning import deterministic_random, thinned


def tracks(*lengths: int) -> torch.Tensor:
    return torch.tensor(lengths)


def everything(count: int) -> torch.Tensor:
    return torch.arange(count)


def test_a_window_repeats_the_edge_frames_of_its_track() -> None:
    samples = windows(tracks(2, 3), frames=5)
    assert samples.rows(everything(5)).tolist() == [
        [0, 0, 0, 1, 1],
        [0, 0, 1, 1, 1],
        [2, 2, 2, 3, 4],
        [2, 2, 3, 4, 4],
        [2, 3, 4, 4, 4],
    ]
    assert samples.target_rows(everything(5)).tolist() == [[0], [1], [2], [3], [4]]
    assert samples.is_mirrored is None


def test_a_causal_window_ends_at_its_target() -> None:
    samples = windows(tracks(2, 3), frames=3, shift=1)
    assert samples.rows(everything(5)).tolist() == [[0, 0, 0], [0, 0, 1], [2, 2, 2], [2, 2, 3], [2, 3, 4]]


def test_chunks_overhang_both_ends_of_their_track() -> None:
    # 5 frames in 2 chunks of 4: 3 frames too many, one of them in front.
    samples = windows(tracks(4, 5), frames=3, chunk=4)
    assert samples.start.tolist() == [0, -1, 3]
    assert samples.track.tolist() == [0, 1, 1]
    assert samples.target_rows(everything(3)).tolist() == [[0, 1, 2, 3], [4, 4, 5, 6], [7, 8, 8, 8]]
    assert samples.rows(everything(3)).tolist() == [
        [0, 0, 1, 2, 3, 3],
        [4, 4, 4, 5, 6, 7],
        [6, 7, 8, 8, 8, 8],
    ]


def test_mirrored_samples_follow_the_plain_ones_of_their_track() -> None:
    samples = windows(tracks(2, 1), frames=1, mirrored=True)
    assert samples.track.tolist() == [0, 0, 0, 0, 1, 1]
    assert samples.is_mirrored is not None
    assert samples.is_mirrored.tolist() == [False, False, True, True, False, True]
    assert samples.rows(everything(6)).tolist() == [[0], [1], [0], [1], [2], [2]]


def test_a_track_without_frames_has_no_samples() -> None:
    samples = windows(tracks(0, 2, 0), frames=3, mirrored=True)
    assert samples.track.tolist() == [1, 1, 1, 1]
    assert samples.rows(everything(4))[:2].tolist() == [[0, 0, 1], [0, 1, 1]]
    assert len(windows(tracks(0), frames=3)) == 0


@pytest.mark.parametrize(
    ("frames", "chunk", "shift", "mirrored"),
    [
        (1, 1, 0, False),
        (1, 3, 0, True),
        (9, 1, 0, True),
        (9, 1, 4, False),
        (7, 4, 2, True),
        (27, 40, 13, True),
    ],
)
def test_index_arithmetic_agrees_with_walking_frame_by_frame(
    frames: int, chunk: int, shift: int, mirrored: bool
) -> None:
    lengths = (18, 1, 24, 5)
    samples = windows(tracks(*lengths), frames=frames, chunk=chunk, shift=shift, mirrored=mirrored)
    pad = frames // 2
    inputs, targets, flips = [], [], []
    first = 0
    for length in lengths:
        last = first + length - 1
        count = -(-length // chunk)
        for flip in (False, True) if mirrored else (False,):
            for number in range(count):
                start = first + number * chunk - (count * chunk - length) // 2
                window = range(start - pad - shift, start + chunk + pad - shift)
                inputs.append([min(max(row, first), last) for row in window])
                targets.append([min(max(row, first), last) for row in range(start, start + chunk)])
                flips.append(flip)
        first += length
    index = torch.randperm(len(inputs))
    assert len(samples) == len(inputs)
    assert torch.equal(samples.rows(index), torch.tensor(inputs)[index])
    assert torch.equal(samples.target_rows(index), torch.tensor(targets)[index])
    assert torch.equal(
        samples.is_mirrored if samples.is_mirrored is not None else torch.zeros(len(flips), dtype=torch.bool),
        torch.tensor(flips),
    )


def test_chunks_cover_every_frame_once() -> None:
    for chunk in (1, 2, 5, 64):
        samples = windows(tracks(18, 1, 24), frames=1, chunk=chunk)
        targets = samples.target_rows(everything(len(samples)))
        inside = samples.row[:, None] + torch.arange(chunk) == targets
        assert sorted(targets[inside].tolist()) == list(range(43)), chunk


def test_mirroring_touches_marked_samples_only() -> None:
    points = torch.randn(4, 3, 17, 2)
    marked = torch.tensor([True, False, False, True])
    found = mirror_where(points, marked, H36M_17.mirror)
    assert torch.equal(found[1:3], points[1:3])
    assert torch.equal(found[marked][..., 1], points[marked][..., H36M_17.mirror, 1])
    assert torch.equal(found[marked][..., 0], -points[marked][..., H36M_17.mirror, 0])


def test_thinning_keeps_every_nth_frame() -> None:
    frames = list(range(10))
    assert frames[thinned(10, downsample=1, subset=1.0)] == frames
    assert frames[thinned(10, downsample=4, subset=1.0)] == [0, 4, 8]


def test_a_subset_is_a_stretch_of_its_share() -> None:
    for length in (1, 2, 57, 1383):
        for downsample in (1, 3):
            for subset in (0.01, 0.5, 0.999):
                kept = list(range(length))[thinned(length, downsample, subset)]
                assert len(kept) == round(length // downsample * subset), (length, downsample, subset)
                assert all(later - frame == downsample for frame, later in itertools.pairwise(kept))
                assert kept == list(range(length))[thinned(length, downsample, subset)]


def test_a_subset_starts_where_the_length_says() -> None:
    # SHA-256 of "57" begins with c8 37 64 9c; read from the last byte, that is 0.61089 of 2**32 - 1.
    assert deterministic_random(0, 100, "57") == 61
    # 28 of 57 frames can start at 30 places: 0.61089 * 30 = 18.3.
    assert thinned(57, downsample=1, subset=0.5) == slice(18, 46, 1)
    # 19 steps of 3 frames, 10 of them (9.5 rounds to even): 30 frames, 28 places, 0.61089 * 28 = 17.1.
    assert thinned(57, downsample=3, subset=0.5) == slice(17, 47, 3)


def test_deterministic_numbers_stay_in_their_range() -> None:
    drawn = [deterministic_random(3, 7, str(length)) for length in range(300)]
    assert set(drawn) == {3, 4, 5, 6}


def test_reference_order_carries_its_generator_through_the_epochs() -> None:
    orders = [reference_order(100, epoch) for epoch in range(3)]
    assert all(sorted(order.tolist()) == list(range(100)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(orders[2], reference_order(100, 2))
    # RandomState(1234) is part of NumPy's frozen interface; first numbers of permutation(100).
    assert orders[0][:4].tolist() == [40, 35, 81, 61]
