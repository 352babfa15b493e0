"""The native kernels compute what the layers compute without them, masks bit for bit."""

import pytest
import torch
from torch import nn
from torch.func import vmap

from trainables.kernels import library as native
from trainables.kernels.functions import is_native
from trainables.kernels.native import Native
from trainables.layers import attention, dropout, graph, norm
from trainables.layers.attention import attend_by_head, attend_packed, attend_to_self
from trainables.layers.dropout import Dropout, active
from trainables.layers.graph import mix_joints
from trainables.layers.norm import LayerNorm
from trainables.layers.stream import shared_stream, step_keys
from trainables.models.graformer import network as graformer


def plainly(monkeypatch):
    for module in (attention, dropout, graph, norm, graformer):
        monkeypatch.setattr(module, "is_native", lambda *tensors: False)


def drop(rate, *, calls=0):
    made = Dropout(rate).train()
    stream = shared_stream(made)
    stream.begin(step_keys(3, 0, 7, 1)[0])
    for _ in range(calls):
        stream.skip()
    return made


def both(monkeypatch, compute, *inputs):
    """Results and gradients of the kernels, then without them."""
    found = []
    for is_plain in (False, True):
        with monkeypatch.context() as patch:
            if is_plain:
                plainly(patch)
            leaves = [x.clone().requires_grad_() for x in inputs]
            out = compute(*leaves)
            weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
            found.append((out.detach(), torch.autograd.grad((out * weight).sum(), leaves)))
    return found


def assert_close(found, tolerance=2e-5):
    (out, grads), (plain, plain_grads) = found
    torch.testing.assert_close(out, plain, rtol=tolerance, atol=tolerance * float(plain.abs().max()))
    for one, other in zip(grads, plain_grads, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * float(other.abs().max() + 1e-3))


SHAPES = [(17, 64, 32), (5, 3), (7, 13, 20), (1, 1), (2, 16), (3, 33)]


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.0, 1e-7, 0.1, 0.5, 0.99999])
@pytest.mark.parametrize("act", [None, nn.functional.relu, nn.functional.gelu, nn.GELU()])
def test_dropout_with_all_around_it(monkeypatch, shape, rate, act):
    x, bias, residual = torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape)
    given = () if act is nn.functional.relu else (residual,)

    def compute(x, bias, *residual):
        layer = drop(rate, calls=2)
        return layer.behind(x, bias=bias, act=act, residual=residual[0] if residual else None)

    assert_close(both(monkeypatch, compute, x, bias, *given))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("act", [None, nn.functional.relu, nn.functional.gelu])
@pytest.mark.parametrize("has_bias", [True, False])
def test_dropout_behind_a_linear_layer(monkeypatch, act, has_bias):
    layer = nn.Linear(12, 20, bias=has_bias)
    x, residual = torch.randn(9, 4, 12), torch.randn(9, 4, 20)
    if act is nn.functional.relu:
        assert_close(both(monkeypatch, lambda x: drop(0.3).after(layer, x, act=act), x))
    else:
        assert_close(both(monkeypatch, lambda x, r: drop(0.3).after(layer, x, act=act, residual=r), x, residual))
    if act is not None:
        assert_close(both(monkeypatch, lambda x: active(layer, x, act), x))


def test_an_approximate_gelu_is_not_taken_for_the_exact_one():
    x = torch.linspace(-3, 3, 64)[None]
    exact, rough = (drop(0.0).behind(x, act=nn.GELU(approximate=kind)) for kind in ("none", "tanh"))
    torch.testing.assert_close(rough, nn.functional.gelu(x, approximate="tanh"), rtol=0, atol=0)
    assert (exact - rough).abs().max() > 1e-4


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize(
    ("tokens", "sources", "count", "heads", "width"),
    [(17, 17, 64, 4, 8), (17, 17, 3, 4, 5), (27, 27, 5, 8, 20), (5, 7, 1, 1, 3), (1, 1, 1, 1, 1), (31, 2, 6, 3, 32)],
)
@pytest.mark.parametrize("rate", [0.0, 0.2])
@pytest.mark.parametrize("has_bias", [True, False])
def test_attention(monkeypatch, tokens, sources, count, heads, width, rate, has_bias):
    q, k, v = (2 * torch.randn(length, count, heads * width) for length in (tokens, sources, sources))
    bias = (torch.randn(tokens, sources),) if has_bias else ()

    def compute(q, k, v, *bias):
        return attend_by_head(q, k, v, heads, scale=0.3, bias=bias[0] if bias else None, drop=drop(rate))

    assert_close(both(monkeypatch, compute, q, k, v, *bias))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("has_biases", [True, False])
def test_attention_among_the_tokens_of_one_product(monkeypatch, has_biases):
    x, weights, biases = torch.randn(17, 6, 24), torch.randn(3, 24, 24), torch.randn(3, 24)

    def compute(x, weights, biases):
        used = biases.unbind() if has_biases else None
        return attend_to_self(x, weights.unbind(), used, 3, drop=drop(0.1)) + 0 * biases.sum()

    assert_close(both(monkeypatch, compute, x, weights, biases))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("heads", [1, 3, 4])
def test_attention_side_by_side_without_its_biases(monkeypatch, heads):
    def compute(packed, bias):
        return attend_packed(packed, bias, heads)

    assert_close(both(monkeypatch, compute, torch.randn(17, 9, 3 * 24), torch.randn(3 * 24)))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("width", [3, 16, 20, 32, 96])
@pytest.mark.parametrize("make", [LayerNorm, graformer.LayerNorm])
def test_layer_norm(monkeypatch, width, make):
    layer = make(width)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0, 0.2)
    assert_close(both(monkeypatch, layer, 3 + 2 * torch.randn(17, 8, width)))


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("shape", [(17, 64, 32), (17, 4, 24), (3, 32, 3), (1, 1, 32), (17, 5, 7), (64, 2, 16)])
@pytest.mark.parametrize("rate", [0.0, 0.2])
@pytest.mark.parametrize("act", [None, nn.functional.relu, nn.functional.gelu])
def test_mixing_of_joints_with_what_follows(monkeypatch, shape, rate, act):
    mixer, x, bias, residual = torch.randn(shape[0], shape[0]), *map(torch.randn, (shape, shape[-1:], shape))
    given = () if act is nn.functional.relu else (residual,)

    def compute(mixer, x, bias, *residual):
        return drop(rate).mixing(mixer, x, bias=bias, act=act, residual=residual[0] if residual else None)

    assert_close(both(monkeypatch, compute, mixer, x, bias, *given))
    assert_close(both(monkeypatch, lambda x: mix_joints(mixer, x), x))


@pytest.mark.usefixtures("has_library")
def test_what_is_not_a_number_stays_so():
    x = torch.randn(17, 4, 16)
    x[3, 2, 5] = torch.nan
    assert drop(0.1).behind(x, residual=x).isnan().sum() == 1
    assert LayerNorm(16)(x).isnan().sum() == 16
    mixed = attend_by_head(x, x, x, 4)
    assert mixed[:, 2].isnan().sum() > 0
    assert mixed[:, [0, 1, 3]].isfinite().all()


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_have_the_masks_and_gradients_of_each_alone(lanes):
    x, weight, mixer = torch.randn(lanes, 17, 8, 8), torch.randn(lanes, 17, 8, 8), torch.randn(17, 17) / 4
    bias, rates = torch.randn(lanes, 8), torch.tensor([[0.1], [0.0], [0.6]])[:lanes]
    keys = step_keys(0, 0, 1, lanes)
    layer = Dropout(0.0).train()
    stream = shared_stream(layer)

    def one(x, bias, key, rate):
        stream.begin(key, None, rate)
        mixed = layer.mixing(mixer, layer.behind(attend_by_head(x, x, x, 2, drop=layer), bias=bias), bias=bias)
        return mixed + layer.mixing(mixer, x, bias=bias, residual=x)

    given = x.clone().requires_grad_(), bias.clone().requires_grad_()
    together = vmap(one)(*given, keys, rates)
    grads = torch.autograd.grad((together * weight).sum(), given)
    for lane in range(lanes):
        layer = Dropout(float(rates[lane]))
        stream = shared_stream(layer.train())
        own = x[lane].clone().requires_grad_(), bias[lane].clone().requires_grad_()
        alone = one(*own, keys[lane], None)
        torch.testing.assert_close(together[lane], alone, rtol=0, atol=0)
        for mine, all_of_them in zip(torch.autograd.grad((alone * weight[lane]).sum(), own), grads, strict=True):
            torch.testing.assert_close(all_of_them[lane], mine, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("options", [{"bias": False}, {"elementwise_affine": False}])
def test_a_layer_norm_without_parameters_has_no_kernel(options):
    x = torch.randn(5, 16)
    torch.testing.assert_close(LayerNorm(16, **options)(x), nn.functional.layer_norm(x, (16,)))
    torch.testing.assert_close(LayerNorm((5, 16))(x), nn.functional.layer_norm(x, (5, 16)))


@pytest.mark.usefixtures("has_library")
def test_lanes_may_share_key_and_rate():
    x, layer = torch.randn(3, 8, 16), Dropout(0.5).train()
    stream, key = shared_stream(layer), step_keys(0, 0, 1, 1)[0]

    def one(x):
        stream.begin(key)
        return layer(x)

    torch.testing.assert_close(vmap(one)(x), torch.stack([one(part) for part in x]), rtol=0, atol=0)


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lanes_may_lie_on_any_axis(axis):
    x, layer = torch.randn(4, 8, 16), LayerNorm(16)
    found = vmap(layer, axis, axis)(x.movedim(0, axis))
    torch.testing.assert_close(found.movedim(axis, 0), layer(x), rtol=0, atol=0)


@pytest.mark.usefixtures("has_library")
def test_lanes_may_have_lanes():
    x, layer = torch.randn(2, 3, 8, 16), LayerNorm(16)
    torch.testing.assert_close(vmap(vmap(layer))(x), layer(x), rtol=0, atol=0)


class Failing(Native):
    @staticmethod
    def forward(lanes, x):
        assert x.shape == (lanes, 8), x.shape
        raise RuntimeError("out of memory")


def test_a_function_that_fails_leaves_vmap_as_it_was():
    def one(x):
        with pytest.raises(RuntimeError, match="out of memory"), torch.no_grad():
            Failing.apply(1, x)
        return x.sum()

    x = torch.randn(3, 8)
    torch.testing.assert_close(vmap(one)(x), x.sum(1))


@pytest.mark.parametrize("compiler", ["", "/no/such/compiler", "false"])
def test_without_a_compiler_there_is_no_library(monkeypatch, tmp_path, compiler):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library.__wrapped__() is None
    assert not list(tmp_path.rglob("*.so"))


def test_a_folder_that_cannot_be_written_leaves_the_layers_as_they_are(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert native.library.__wrapped__() is None


@pytest.mark.usefixtures("has_library")
def test_the_library_is_compiled_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library.__wrapped__() is not None
    (made,) = tmp_path.rglob("*.so")
    before = made.stat().st_mtime_ns
    assert native.library.__wrapped__() is not None
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]


@pytest.mark.usefixtures("has_library")
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_library_that_others_may_write_is_not_loaded(monkeypatch, tmp_path, is_folder):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library.__wrapped__() is not None
    (made,) = tmp_path.rglob("*.so")
    (made.parent if is_folder else made).chmod(0o777)
    assert native.library.__wrapped__() is None


def test_a_user_without_a_home_has_no_library(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(native.Path, "home", nowhere)
    assert native.library.__wrapped__() is None


@pytest.mark.usefixtures("has_library")
def test_kernels_are_for_one_thread_and_float32_on_the_cpu():
    x = torch.zeros(2)
    assert is_native(x, None)
    assert not is_native(x.double())
    assert not is_native(torch.zeros(2, device="meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_native(x)
    torch.set_num_threads(2)
    assert not is_native(x)


@pytest.mark.usefixtures("has_library")
def test_second_derivatives_are_refused():
    x = torch.randn(2, 32, requires_grad=True)
    out = LayerNorm(32)(x).square().sum()
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(out, x, create_graph=True)
