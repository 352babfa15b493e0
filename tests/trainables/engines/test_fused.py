"""An array of lanes: each is its solo run, whatever its knobs and whoever diverges beside it."""

import dataclasses

import numpy as np
import pytest
import torch

from spaces.schema import knob
from tests.made.small import tiny_config, tiny_module, tiny_run
from tests.trainables.engines.lanes import SAME, alone, array, assert_equal, assert_same, epochs, lane, still
from trainables import registry
from trainables.config import knobs_of
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine

FUSABLE = [name for name in registry.names() if not tiny_run(name, "store").traits.unfusable]


def test_every_model_is_fusable_or_says_why_not():
    for name in registry.names():
        reason = tiny_run(name, "store").traits.unfusable
        assert reason == "" or len(reason) > 10


@pytest.mark.parametrize("name", FUSABLE)
def test_lanes_that_differ_in_every_lane_knob_equal_their_solo_runs(root, name):
    """Dropout included: masks follow from seed and step."""
    free = {path: one for path, one in knobs_of(name).items() if one.lane and path.startswith("network.")}
    rates = [path for path, one in free.items() if one.least == 0 and one.below == 1]
    others = dict.fromkeys(free.keys() - rates, 0.03)
    optim = {"optim.lr_decay": 0.5, "optim.lr_decay_steps": 7, "optim.weight_decay": 0.1, "optim.clip": 0.01}
    changes = [
        {},
        {"optim.lr": 4e-3, "loop.seed": 3, **dict.fromkeys(rates, 0.4), **others},
        {**optim, "optim.beta1": 0.5, "optim.beta2": 0.9, "loop.epochs": 7, **dict.fromkeys(rates, 0.0)},
        {"optim.clip": 0.0, **{path: 0.1 * i for i, path in enumerate(rates)}},
    ]
    configs = [tiny_run(name, root, loop__batch=50, **change) for change in changes]
    data = tiny_module(configs[0], dtype=torch.float64)
    engine = array(5)
    for number, config in enumerate(configs):
        engine.join(number, config)
    losses, metrics = epochs(engine, data, 2)
    for number, config in enumerate(configs):
        expected, scores, state = alone(config, data, 2)
        np.testing.assert_allclose(losses[number], expected, rtol=SAME)
        np.testing.assert_allclose(list(metrics[number].values()), list(scores.values()), rtol=SAME)
        found = engine.leave(number)
        assert_same(found["network"], state["network"])
        for kind, tensors in state["moments"].items():
            assert_same(found["moments"][kind], tensors)
    assert len({tuple(values) for values in losses.values()}) == len(configs)


def test_200_steps_with_others_joining_and_leaving_around_a_lane(root, data):
    """Who stays, who comes late and who goes early: all as if they were alone."""
    configs = {number: still(root, optim__lr=1e-3 * (number + 1), loop__seed=number % 3) for number in range(6)}
    stays = {0: (0, 10), 1: (0, 2), 2: (1, 5), 3: (3, 5), 4: (7, 10), 5: (6, 8)}  # array epochs of each lane
    engine, losses, states, poses = array(4), {number: [] for number in configs}, {}, {}
    for epoch in range(10):
        for number, (begin, _) in stays.items():
            if begin == epoch:
                engine.join(number, configs[number])
        found, metrics = epochs(engine, data)
        for number in engine.lanes:
            losses[number] += found[number]
            if stays[number][1] == epoch + 1:
                poses[number], states[number] = metrics[number], engine.leave(number)
    assert states[0]["step"] == 210
    assert engine.lanes == ()
    for number, (begin, end) in stays.items():
        expected, scores, state = alone(configs[number], data, end - begin)
        np.testing.assert_allclose(losses[number], expected, rtol=SAME)
        np.testing.assert_allclose(list(poses[number].values()), list(scores.values()), rtol=SAME)
        assert_same(states[number]["network"], state["network"])


def test_a_lane_driven_to_nan_changes_no_other_lane_by_one_bit(root, data):
    results = []
    for wild in (1e-3, 1e30):
        engine = array(3)
        for number, lr in enumerate((1e-3, wild, 2e-3)):
            engine.join(number, lane(root, optim__lr=lr, optim__clip=0.0))
        losses, metrics = epochs(engine, data, 2)
        results.append((losses, metrics, [engine.state(number) for number in (0, 2)]))
    (_, calm, expected), (losses, metrics, found) = results
    assert not np.isfinite(losses[1]).all()
    assert 1 not in metrics
    assert {number: calm[number] for number in (0, 2)} == metrics
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


def test_the_lanes_masks_differ_and_their_mean_is_that_of_solo_runs(root, data):
    configs = [tiny_config(root, loop__batch=24, network__dropout=0.5, loop__seed=seed) for seed in range(16)]
    start = SingleEngine(dtype=torch.float64)
    start.join(0, configs[0])
    weights = start.export(0)
    engine, solo = array(16), []
    for number, config in enumerate(configs):
        engine.join(number, config, weights=weights)
        one = SingleEngine(dtype=torch.float64)
        # Other seeds than the lanes', so that the two sides are independent.
        one.join(
            0, dataclasses.replace(config, loop=dataclasses.replace(config.loop, seed=100 + number)), weights=weights
        )
        solo.append(epochs(one, data)[0][0][0])
    fused = [values[0] for values in epochs(engine, data)[0].values()]
    assert len(set(fused)) == 16
    error = np.sqrt((np.var(fused, ddof=1) + np.var(solo, ddof=1)) / 16)
    assert abs(np.mean(fused) - np.mean(solo)) < 3 * error


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WeighedObjective:
    """An objective with a weight that lanes may choose."""

    bones: float = knob(0.5, least=0, lane=True, help="weight of a second term")


def test_lanes_weigh_their_loss_terms_themselves(root, monkeypatch):
    plain, config = registry.get("graformer"), registry.config("graformer")

    def terms(prediction, batch, objective):
        found = plain.terms(prediction, batch, None)
        return {**found, "size": objective.bones * prediction.pose3d.square().mean()}

    weighed = dataclasses.replace(plain, objective=WeighedObjective, terms=terms)
    monkeypatch.setattr(registry, "get", lambda name: weighed)
    monkeypatch.setattr(registry, "config", lambda name: dataclasses.replace(config, objective=WeighedObjective))
    data = tiny_module(lane(root), dtype=torch.float64)
    engine, configs = array(3), [lane(root, objective__bones=weight) for weight in (0.0, 0.5, 8.0)]
    for number, one in enumerate(configs):
        engine.join(number, one)
    found, _ = epochs(engine, data)
    for number, one in enumerate(configs):
        np.testing.assert_allclose(found[number], alone(one, data, 1)[0], rtol=SAME)
    assert len({tuple(losses) for losses in found.values()}) == 3


def test_bfloat16_trains_close_to_float32_and_not_the_same(root):
    data = tiny_module(lane(root))
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = still(root, loop__precision=precision)
        engines = SingleEngine(), FusedEngine(2)
        for engine in engines:
            engine.join(0, config)
        losses[precision] = [epochs(engine, data)[0][0] for engine in engines]
    assert losses["float32"] != losses["bfloat16"]
    for found, expected in zip(losses["bfloat16"], losses["float32"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0.05)  # 8 bits of mantissa
    np.testing.assert_allclose(*losses["bfloat16"], rtol=0.02)
