"""Lanes of the tiny set, what they do in a few epochs, and when two states are the same."""

import torch

from tests.made.small import tiny_config
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine

# float64 sums in another order, grown over some hundred steps; one wrong mask or rate gives 1e-3.
SAME = 1e-9


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
