"""What a network costs, measured where it trains."""

from types import SimpleNamespace

import pytest
import torch

from tests.made.small import tiny_config, tiny_module, tiny_run, write_tiny
from trainables.engines.single import SingleEngine
from trainables.runs import costs
from trainables.runs.costs import costs_of

NAMES = ("parameters", "macs", "latency_ms")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


def joined(config):
    engine, data = SingleEngine(), tiny_module(config)
    engine.join(0, config)
    return engine, data


def counted_by_hand(network, run):
    """Multiplications of all linear layers and convolutions in one pass, from the shapes of what they give."""
    total = 0

    def count(layer, given, made):
        nonlocal total
        total += layer.weight[0].numel() * made.numel()

    kinds = (torch.nn.Linear, torch.nn.Conv1d)
    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return total


def test_costs_of_a_convolutional_network_are_those_counted_by_hand(root):
    config = tiny_run("videopose3d", root)
    engine, data = joined(config)
    network = engine.network.eval()
    sample = data.gather("val", torch.tensor([0]), ["pose2d"])
    found = costs_of(engine, config, data, ("parameters", "macs"))
    assert found.keys() == {"parameters", "macs"}
    assert found["parameters"] == sum(one.numel() for one in network.parameters())
    assert found["macs"] == counted_by_hand(network, lambda: network(sample)) > 0


def test_attention_and_products_of_matrices_count_too(root):
    config = tiny_config(root)
    engine, data = joined(config)
    sample = data.gather("val", torch.tensor([0]), ["pose2d"])
    network = engine.network.eval()
    linear = counted_by_hand(network, lambda: network(sample))
    heads, joints, width = config.network.heads, config.data.joints, config.network.width
    # Per layer the scores and the sums of its heads, 2 joints^2 (width / heads) each; graph convolutions beside them.
    attention = config.network.layers * 2 * heads * joints**2 * (width // heads)
    assert costs_of(engine, config, data, ["macs"])["macs"] >= linear + attention


def test_latency_is_the_median_of_warm_passes_with_its_spread(root, monkeypatch):
    config = tiny_config(root)
    engine, data = joined(config)
    # Of the passes before the clock runs only the start is looked up; then 2, 3 and 4 ms.
    ticks = iter([0.0] * costs.WARM + [tick for i in range(500) for tick in (i, i + 0.002 + 0.001 * (i % 3))])
    monkeypatch.setattr(costs, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    found = costs_of(engine, config, data, ("latency_ms",))
    assert found == pytest.approx({"latency_ms": 3.0, "latency_ms_spread": 2.0})


def test_measuring_leaves_training_as_it_was(root):
    config = tiny_config(root, network__dropout=0.3)
    losses = []
    for names in ((), NAMES):
        engine, data = joined(config)
        engine.network.train()
        if names:
            costs_of(engine, config, data, names)
        assert engine.network.training
        losses.append(engine.train_epoch(data)[0].mean)
    assert losses[0] == losses[1]
