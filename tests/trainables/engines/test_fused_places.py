"""Places of an array: lanes that move, join, leave or are stopped, and what is refused one."""

import dataclasses

import numpy as np
import pytest
import torch

from spaces.errors import ConfigError
from tests.trainables.engines.lanes import SAME, alone, array, assert_equal, assert_same, epochs, lane
from trainables import registry
from trainables.engines.engine import Verdict
from trainables.engines.single import SingleEngine
from trainables.entry import Traits
from trainables.runs.loop import Judge, fit


def test_a_lane_that_moves_to_another_array_goes_on_bit_for_bit(root, data):
    config = lane(root, network__dropout=0.3, optim__weight_decay=0.01)
    home, other = array(3), array(5)
    for number in range(3):
        home.join(number, config if number == 2 else lane(root, loop__seed=number))
    epochs(home, data)
    for number in range(4):
        other.join(10 + number, lane(root, optim__lr=3e-3, loop__seed=number))
    epochs(other, data)
    other.leave(10)
    other.join(2, config, home.state(2))
    epochs(other, data)
    epochs(home, data)
    assert_equal(other.leave(2), home.leave(2))


def test_a_lane_moves_between_engines_of_both_kinds(root, data):
    config = lane(root, network__dropout=0.3)
    losses, _, expected = alone(config, data, 3)
    single, fused = SingleEngine(dtype=torch.float64), array(2)
    single.join(7, config)
    epochs(single, data)
    fused.join(7, config, single.leave(7))
    found, _ = epochs(fused, data)
    np.testing.assert_allclose(found[7], losses[1:2], rtol=SAME)
    single.join(7, config, fused.leave(7))
    epochs(single, data)
    state = single.leave(7)
    assert (state["epoch"], state["step"]) == (3, expected["step"])
    assert_same(state["network"], expected["network"])


def test_nothing_is_reallocated_by_joins_and_leaves(root, data):
    engine = array(2)
    engine.join(0, lane(root))
    held = engine._array
    pointers = [tensor.data_ptr() for tensor in (held.rows.values, held.grads, held.dials, *held.moments.values())]
    for number in range(1, 4):
        engine.join(number, lane(root, loop__seed=number))
        epochs(engine, data)
        engine.leave(number)
    assert engine._array is held
    assert pointers == [t.data_ptr() for t in (held.rows.values, held.grads, held.dials, *held.moments.values())]


def test_a_row_can_be_taken_at_once_by_the_next_lane(root, data):
    engine = array(2)
    engine.join(0, lane(root))
    engine.join(1, lane(root, optim__lr=1e30, optim__clip=0.0))
    assert engine.room == 0
    epochs(engine, data, 2)
    engine.leave(1)  # what a diverged lane leaves behind is nan everywhere
    assert engine.room == 1
    engine.join(2, lane(root, loop__seed=5))
    found, _ = epochs(engine, data)
    expected, _, _ = alone(lane(root, loop__seed=5), data, 1)
    np.testing.assert_allclose(found[2], expected, rtol=SAME)


def test_a_lane_of_another_shape_is_refused_with_the_knobs_that_differ(root):
    engine = array(2)
    engine.join(0, lane(root))
    with pytest.raises(ConfigError) as caught:
        engine.join(1, lane(root, network__width=16, network__heads=4))
    assert caught.value.problems == (
        "network.width = 16 beside lanes with 8; such lanes need an array of their own",
        "network.heads = 4 beside lanes with 2; such lanes need an array of their own",
    )
    engine.leave(0)
    engine.join(1, lane(root, network__width=16, network__heads=4))  # an empty array takes any shape
    assert engine.lanes == (1,)


def test_a_model_that_cannot_be_a_lane_is_refused_with_its_reason(root, monkeypatch):
    traits = Traits(reads=("image",), unfusable="it reads images from disk")
    found = dataclasses.replace(registry.config("graformer"), traits=lambda network: traits)
    monkeypatch.setattr(registry, "config", lambda name: found)
    with pytest.raises(ConfigError, match="graformer cannot be a lane of an array: it reads images from disk"):
        array(1).join(0, lane(root))


def test_a_state_of_another_config_is_refused(root):
    engine = array(2)
    engine.join(0, lane(root))
    with pytest.raises(ConfigError, match="resume with the config it was made with"):
        engine.join(1, lane(root, optim__lr=0.5), engine.state(0))
    assert engine.lanes == (0,)


def test_fit_trains_lanes_of_different_lengths_and_refills_their_places(root, data):
    configs = {number: lane(root, loop__epochs=1 + number % 3, loop__seed=number) for number in range(7)}
    engine, judge, heard, waiting = array(3), Judge(), [], list(configs)

    def fill():
        while engine.room and waiting:
            number = waiting.pop(0)
            engine.join(number, configs[number])

    def collect():
        yield from judge.verdicts()
        fill()

    def offer(report):
        heard.append((report.lane, report.epoch, report.losses.mean))
        judge.hear(report)

    fill()
    fit(engine, data, offer, collect)
    assert sorted((number, epoch) for number, epoch, _ in heard) == [
        (number, epoch) for number, config in configs.items() for epoch in range(1, config.loop.epochs + 1)
    ]
    expected, _, _ = alone(configs[5], data, 3)
    np.testing.assert_allclose([loss for number, _, loss in heard if number == 5], expected, rtol=SAME)


def test_a_verdict_stops_its_lane_and_no_other(root, data):
    engine = array(2)
    for number in (4, 9):
        engine.join(number, lane(root))
    engine.apply(Verdict(lane=4, epoch=1, stop=False))
    assert engine.lanes == (4, 9)
    engine.apply(Verdict(lane=4, epoch=1, stop=True))
    engine.apply(Verdict(lane=4, epoch=1, stop=True))
    assert engine.lanes == (9,)
