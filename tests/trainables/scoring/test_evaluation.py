"""Scoring of whole splits: stretches of samples give what the samples give one by one."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule
from data.batches.stretch import stretch_rows
from data.batches.tracks import Span
from data.batches.windows import windows
from data.formats.source import split_of
from tests.made.small import tiny_poses, tiny_run
from trainables import registry
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.scoring import evaluation
from trainables.scoring.evaluation import predicted

SLIDING = [name for name in registry.names() if registry.get(name).slide is not None]
LENGTHS = (3, 40, 1, 22)  # of tracks: shorter than a window too
CHANGES = {
    "graformer": [{"network__layers": 2}, {"network__tied_init": False}],
    "poseformer": [{"data__frames": 5}],
    "sgraformer": [{"data__views": 2, "data__frames": 5}, {"data__views": 4}],
    "videopose3d": [
        {"data__frames": 9},
        {"data__frames": 9, "data__causal": True},
        {"data__frames": 9, "network__dense": True},
        {"data__frames": 5, "network__widths": (5,)},
    ],
}


def uneven(config, dtype=torch.float64):
    """The tiny set with clips of several lengths."""
    made = tiny_poses(actions=tuple(f"Walking {i}" for i in range(len(LENGTHS))))
    clips = []
    for clip, length in zip(made.sequences, LENGTHS * 3, strict=True):
        views = tuple(view[:length] for view in clip.pose2d)
        clips.append(dataclasses.replace(clip, pose3d=clip.pose3d[:length], pose2d=views))
    poses = dataclasses.replace(made, sequences=tuple(clips))
    return DataModule(poses, split_of(config.data), config.data, parts=("train", "val"), dtype=dtype)


def run_of(model, **changes):
    return tiny_run(model, "store", data__joints=17, **changes)


def network_of(config, dtype=torch.float64):
    """A network in evaluation mode none of whose weights is a simple number."""
    torch.manual_seed(0)
    network = registry.get(config.model).build(config.network, config.data.sizes).to(dtype)
    with torch.no_grad():
        for tensor in (*network.parameters(), *(x for x in network.buffers() if x.is_floating_point())):
            tensor.mul_(1 + 0.1 * torch.rand_like(tensor)).add_(0.05 * torch.rand_like(tensor))
    return network.eval()


def one_by_one(monkeypatch):
    """Makes scoring call the networks themselves."""
    get = registry.get
    monkeypatch.setattr(evaluation.registry, "get", lambda name: dataclasses.replace(get(name), slide=None))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("frames", [1, 5, 9])
def test_a_stretch_has_the_rows_of_every_window(frames, causal):
    first = np.cumsum((0, *LENGTHS))
    spans = [Span(name="", first=int(a), end=int(b), fps=None) for a, b in itertools.pairwise(first)]
    after = 0 if causal else (frames - 1) // 2
    cut = windows(torch.tensor(LENGTHS), frames=frames, shift=(frames - 1) // 2 if causal else 0)
    for low, high in ((0, sum(LENGTHS)), (2, 4), (3, 43), (10, 11), (42, 66)):
        rows, starts = stretch_rows(spans, low, high, frames - 1 - after, after)
        found = rows[starts.unsqueeze(1) + torch.arange(frames)]
        assert torch.equal(found, cut.rows(torch.arange(low, high))), (low, high)


@pytest.mark.parametrize("model", SLIDING)
def test_a_stretch_scores_as_its_samples_do(model, monkeypatch):
    for changes in CHANGES[model]:
        config = run_of(model, **changes)
        data, network = uneven(config), network_of(config)
        low, high = data.span("val")
        spans = [(low, high, False), (low, high, True), (5, 44, False), (high - 1, high, False)]
        found = [predicted(network, config, data, "val", a, b, flip=flip) for a, b, flip in spans]
        with monkeypatch.context() as patch:
            one_by_one(patch)
            expected = [predicted(network, config, data, "val", a, b, flip=flip) for a, b, flip in spans]
        for one, other in zip(found, expected, strict=True):
            assert one.std() > 1e-3
            # Roundings of float64 in another order.
            torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("model", SLIDING)
def test_float32_and_parts_of_a_stretch_move_poses_by_roundings_only(model, monkeypatch):
    config = run_of(model)
    data, network = uneven(config, torch.float32), network_of(config, torch.float32)
    low, high = data.span("val")
    whole = predicted(network, config, data, "val", low, high)
    monkeypatch.setattr(evaluation, "BATCH", 7)
    monkeypatch.setattr("trainables.devices.device.NEAR", 500)
    parts = predicted(network, config, data, "val", low, high)
    one_by_one(monkeypatch)
    # Norms of the tiny networks' four channels make roundings a hundred times larger.
    for found in (whole, parts):
        torch.testing.assert_close(found, predicted(network, config, data, "val", low, high), rtol=0, atol=2e-4)


@pytest.mark.parametrize("model", SLIDING)
def test_no_frame_to_score_gives_no_pose(model):
    config = run_of(model)
    assert predicted(network_of(config), config, uneven(config), "val", 4, 4).shape == (0, 17, 3)


@pytest.mark.parametrize("model", [name for name in SLIDING if not run_of(name).traits.unfusable])
def test_an_array_scores_its_lanes_as_they_score_alone(model):
    configs = [run_of(model, loop__seed=seed, loop__batch=64) for seed in (1, 2, 3)]
    data = uneven(configs[0])
    array = FusedEngine(3, dtype=torch.float64)
    for lane, config in enumerate(configs):
        array.join(lane, config)
    array.train_epoch(data)
    found = array.evaluate(data, [0, 2])
    assert list(found) == [0, 2]
    for lane, metrics in found.items():
        engine = SingleEngine(dtype=torch.float64)
        engine.join(lane, configs[lane], weights=array.export(lane))
        assert metrics == pytest.approx(engine.evaluate(data, [lane])[lane], rel=1e-12)
    assert found[0] != found[2]
