"""The fusion of views computes what batch norm, convolution and ReLU compute one after the other."""

import pytest
import torch
from torch import nn
from torch.func import vmap

from trainables import registry
from trainables.config import default_config
from trainables.kernels.fusion import fused, takes_fusion
from trainables.layers.stream import shared_stream, step_keys
from trainables.models.sgraformer import network as sgraformer

EPS = 1e-5


def plainly(x, scale, shift, weight):
    mean, variance = (x.mean((1, 2, 3)), x.var((1, 2, 3), unbiased=False))
    normed = nn.functional.batch_norm(x.transpose(0, 1), None, None, scale, shift, True, 0.1, EPS)
    out = nn.functional.conv2d(normed, weight, padding=3).squeeze(1).relu()
    return out, mean, (variance + EPS).rsqrt()


def given(*shape):
    views = shape[0]
    return 0.5 + 2 * torch.randn(shape), 1 + torch.rand(views), torch.randn(views), torch.randn(1, views, 7, 7) / 7


def all_of(compute, *tensors):
    """Results and gradients."""
    leaves = [x.clone().requires_grad_() for x in tensors]
    found = compute(*leaves)
    weight = torch.randn(found[0].shape, generator=torch.Generator().manual_seed(1)).to(found[0])
    return [*(x.detach() for x in found), *torch.autograd.grad((found[0] * weight).sum(), leaves)]


def assert_close(found, plain):
    for mine, torchs in zip(found, plain, strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-4, atol=2e-5 * float(torchs.abs().max()))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("shape", [(4, 3, 27, 544), (1, 1, 1, 16), (2, 5, 8, 33), (3, 2, 9, 40), (4, 2, 3, 17)])
def test_the_fusion_of_views_and_its_gradients(shape):
    inputs = given(*shape)
    assert_close(all_of(lambda *x: fused(*x, EPS), *inputs), all_of(plainly, *inputs))


@pytest.mark.usefixtures("has_library")
def test_lanes_are_fused_as_each_alone():
    inputs = [torch.stack(each) for each in zip(*(given(4, 2, 9, 34) for _ in range(3)), strict=True)]
    found = all_of(lambda *x: vmap(lambda *own: fused(*own, EPS))(*x), *inputs)
    plain = all_of(lambda *x: [torch.stack(each) for each in zip(*map(plainly, *x), strict=True)], *inputs)
    assert_close(found, plain)
    alone = fused(*(x[1] for x in inputs), EPS)
    torch.testing.assert_close([x[1] for x in found[:3]], list(alone), rtol=0, atol=0)


@pytest.mark.usefixtures("has_library")
def test_views_need_not_lie_densely():
    x, *others = given(4, 2, 9, 34)
    turned = x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    assert_close(fused(turned, *others, EPS), fused(x, *others, EPS))


@pytest.mark.usefixtures("has_library")
def test_other_kernels_narrow_views_and_types_are_not_taken():
    x, _, _, weight = given(4, 2, 9, 34)
    assert takes_fusion(x, 34, weight)
    assert not takes_fusion(x, 15, weight)
    assert not takes_fusion(x, 34, weight[..., 1:6, 1:6])
    assert not takes_fusion(x.double(), 34, weight.double())


@pytest.mark.usefixtures("has_library")
def test_sgraformer_trains_alike_with_its_views_in_either_order_of_memory(monkeypatch):
    config = default_config("sgraformer", {"data.frames": 3, "data.views": 2, "network.depth": 4}, "test")
    network = registry.get("sgraformer").build(config.network, config.data.sizes).train()
    x, found = torch.randn(3, 2, 3, config.data.sizes.skeleton.num_joints, 2), []
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for is_plain in (False, True):
        if is_plain:
            monkeypatch.setattr(sgraformer, "takes_fusion", lambda *given: False)
        network.load_state_dict(before)
        shared_stream(network).begin(step_keys(0, 0, 1, 1)[0])
        network.zero_grad()
        out = network.lift(x)
        out.square().sum().backward()
        grads = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
        found.append({"out": out.detach(), **grads, **{name: each.clone() for name, each in network.named_buffers()}})
    # Some gradients are sums that cancel: only a share of the largest one is a difference.
    largest = max(float(each.abs().max()) for each in found[1].values())
    for name, torchs in found[1].items():
        torch.testing.assert_close(found[0][name], torchs, rtol=1e-3, atol=1e-5 * largest, msg=name)
