"""An array of lanes: each is its solo run, whoever joins, leaves or diverges beside it."""

import dataclasses

import numpy as np
import pytest
import torch

from spaces.errors import ConfigError
from spaces.schema import knob
from tests.made.small import tiny_config, tiny_module, tiny_run, write_tiny
from trainables import registry
from trainables.config import knobs_of
from trainables.engines.engine import Verdict
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.entry import Traits
from trainables.runs.loop import Judge, fit

FUSABLE = [name for name in registry.names() if not tiny_run(name, "store").traits.unfusable]

# float64 sums in another order, grown over some hundred steps; one wrong mask or rate gives 1e-3.
SAME = 1e-9


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), frames=14)  # 168 samples, 21 steps of 8


@pytest.fixture(scope="module")
def data(root):
    return tiny_module(tiny_config(root), dtype=torch.float64)


def lane(root, **changes):
    return tiny_config(root, loop__batch=8, **changes)


def still(root, **changes):
    """A lane without dropout."""
    off = dict.fromkeys(("network__dropout", "network__attention_dropout", "network__graph_dropout"), 0.0)
    return lane(root, **off, **changes)


def array(capacity, **options):
    return FusedEngine(capacity, dtype=torch.float64, **options)


def epochs(engine, data, count=1):
    """Mean losses by lane of some epochs, and the metrics of the last."""
    found = {number: [] for number in engine.lanes}
    metrics = {}
    for _ in range(count):
        losses = engine.train_epoch(data)
        metrics = engine.evaluate(data, [number for number in engine.lanes if not losses[number].diverged])
        for number in engine.lanes:
            engine.report(number, losses[number], metrics.get(number, {}))
            found[number].append(losses[number].mean)
    return found, metrics


def alone(config, data, count):
    """Mean losses of a solo run, its last metrics and its state."""
    engine = SingleEngine(dtype=torch.float64)
    engine.join(0, config)
    losses, metrics = epochs(engine, data, count)
    return losses[0], metrics[0], engine.state(0)


def assert_same(found, expected):
    """Two states, or parts of them, up to rounding."""
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=SAME, atol=SAME, msg=lambda text, n=name: f"{n}: {text}")


def assert_equal(found, expected):
    """Two states, bit for bit; the clock apart."""
    assert found.keys() == expected.keys()
    assert all(found[key] == expected[key] for key in ("config_id", "epoch", "step", "best_epoch", "best_score"))
    for one, other in zip(found["history"], expected["history"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    for one, other in (
        (found["network"], expected["network"]),
        *zip(*(s["moments"].values() for s in (found, expected)), strict=True),
    ):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


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
    losses, metrics = epochs(engine, data, 3)
    for number, config in enumerate(configs):
        expected, scores, state = alone(config, data, 3)
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
    stays = {0: (0, 10), 1: (0, 2), 2: (1, 10), 3: (3, 6), 4: (4, 10), 5: (6, 8)}  # array epochs of each lane
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
        losses, metrics = epochs(engine, data, 3)
        results.append((losses, metrics, [engine.state(number) for number in (0, 2)]))
    (_, calm, expected), (losses, metrics, found) = results
    assert not np.isfinite(losses[1]).all()
    assert 1 not in metrics
    assert {number: calm[number] for number in (0, 2)} == metrics
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


def test_the_lanes_masks_differ_and_their_mean_is_that_of_solo_runs(root, data):
    configs = [lane(root, network__dropout=0.5, loop__seed=seed) for seed in range(16)]
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


def test_a_lane_that_moves_to_another_array_goes_on_bit_for_bit(root, data):
    config = lane(root, network__dropout=0.3, optim__weight_decay=0.01)
    home, other = array(3), array(5)
    for number in range(3):
        home.join(number, config if number == 2 else lane(root, loop__seed=number))
    epochs(home, data, 2)
    for number in range(4):
        other.join(10 + number, lane(root, optim__lr=3e-3, loop__seed=number))
    epochs(other, data)
    other.leave(10)
    other.join(2, config, home.state(2))
    epochs(other, data, 2)
    epochs(home, data, 2)
    assert_equal(other.leave(2), home.leave(2))


def test_a_lane_moves_between_engines_of_both_kinds(root, data):
    config = lane(root, network__dropout=0.3)
    losses, _, expected = alone(config, data, 4)
    single, fused = SingleEngine(dtype=torch.float64), array(2)
    single.join(7, config)
    epochs(single, data)
    fused.join(7, config, single.leave(7))
    found, _ = epochs(fused, data, 2)
    np.testing.assert_allclose(found[7], losses[1:3], rtol=SAME)
    single.join(7, config, fused.leave(7))
    epochs(single, data)
    state = single.leave(7)
    assert (state["epoch"], state["step"]) == (4, expected["step"])
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
    found, _ = epochs(engine, data, 2)
    for number, one in enumerate(configs):
        np.testing.assert_allclose(found[number], alone(one, data, 2)[0], rtol=SAME)
    assert len({tuple(losses) for losses in found.values()}) == 3


def test_bfloat16_trains_close_to_float32_and_not_the_same(root):
    data = tiny_module(lane(root))
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = still(root, loop__precision=precision)
        engines = SingleEngine(), FusedEngine(2)
        for engine in engines:
            engine.join(0, config)
        losses[precision] = [epochs(engine, data, 2)[0][0] for engine in engines]
    assert losses["float32"] != losses["bfloat16"]
    for found, expected in zip(losses["bfloat16"], losses["float32"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0.05)  # 8 bits of mantissa
    np.testing.assert_allclose(*losses["bfloat16"], rtol=0.02)
