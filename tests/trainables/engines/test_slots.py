"""Slots hold the tensors of lanes for a step, and the network's own ones before and after."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from trainables.engines.slots import Slots


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    made[2].weight = made[0].weight
    return made.eval()


def lanes_of(network, count=4):
    torch.manual_seed(1)
    own = dict(network.named_parameters()) | {name: x for name, x in network.named_buffers() if x.is_floating_point()}
    return {name: torch.rand(count, *x.shape) for name, x in own.items()}


def held(network):
    return [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]


def test_every_lane_sees_its_own_tensors_tied_ones_too(network):
    lanes, x = lanes_of(network), torch.randn(4, 5, 3)
    slots = Slots(network, list(lanes))

    def one(x):
        with slots.of_lanes(list(lanes.values())):
            return network(x)

    alone = [functional_call(network, {name: part[k] for name, part in lanes.items()}, (x[k],)) for k in range(4)]
    torch.testing.assert_close(vmap(one)(x), torch.stack(alone))


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_gets_its_own_tensors_back(network, fails):
    lanes, before = lanes_of(network), held(network)
    slots = Slots(network, list(lanes))

    def one(x):
        with slots.of_lanes(list(lanes.values())):
            return network(x[:, :2] if fails else x)

    if fails:
        with pytest.raises(RuntimeError):
            vmap(one)(torch.randn(4, 5, 3))
    else:
        vmap(one)(torch.randn(4, 5, 3))
    after = held(network)
    assert [name for name, _ in after] == [name for name, _ in before]
    assert all(mine is own for (_, mine), (_, own) in zip(after, before, strict=True))
    assert not torch._C._are_functorch_transforms_active()
