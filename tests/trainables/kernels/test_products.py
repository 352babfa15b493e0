"""Wide linear layers on the matrix unit compute what torch computes, as precisely."""

import pytest
import torch
from torch.func import vmap
from torch.nn import functional

from trainables.kernels import products
from trainables.kernels.library import has_matrix_unit
from trainables.kernels.products import multiplied, takes_product
from trainables.layers.linear import linear


@pytest.fixture
def has_unit():
    if not has_matrix_unit():
        pytest.skip("no matrix unit, or no C compiler, here")


def all_of(product, *tensors):
    """Result and gradients of a product."""
    leaves = [x.clone().requires_grad_() for x in tensors]
    out = product(*leaves)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), leaves)]


# Parts of tiles, of panels, of the columns and the depth that are split at once, and a sum that is made of parts.
SHAPES = [(1, 1, 1), (5, 7, 3), (33, 50, 70), (32, 32, 32), (17, 1040, 129), (40, 33, 2100), (2100, 16, 65)]


@pytest.mark.usefixtures("has_unit")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_product_is_as_precise_as_that_of_float32(shape, has_bias):
    rows, out, depth = shape
    given = [torch.randn(rows, depth), torch.randn(out, depth), *([torch.randn(out)] if has_bias else [])]
    found, plain = all_of(multiplied, *given), all_of(functional.linear, *given)
    true = all_of(functional.linear, *(x.double() for x in given))
    for mine, torchs, exact in zip(found, plain, true, strict=True):
        error, usual = ((x - exact).square().mean().sqrt() for x in (mine, torchs))
        assert error <= 1.5 * usual + 2e-7 * exact.abs().max()


@pytest.mark.usefixtures("has_unit")
@pytest.mark.parametrize("size", [1e-20, 1e-3, 1e3, 1e18])
def test_large_and_small_numbers_keep_their_digits(size):
    x, weight = size * torch.randn(32, 64), torch.randn(48, 64) / size
    torch.testing.assert_close(multiplied(x, weight), functional.linear(x, weight), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("has_unit")
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_in_its_row(bad):
    x = torch.randn(40, 50)
    x[7, 3] = bad
    rows = multiplied(x, torch.randn(60, 50)).isfinite().all(1)
    assert rows.tolist() == [row != 7 for row in range(40)]


@pytest.mark.usefixtures("has_unit")
def test_lanes_have_the_product_and_gradients_of_each_alone():
    x, weight, bias = torch.randn(3, 9, 5, 40), torch.randn(3, 50, 40), torch.randn(3, 50)
    together = all_of(vmap(multiplied), x, weight, bias)
    shared = all_of(lambda weight: vmap(multiplied, (None, 0))(x[0], weight), weight)
    for lane in range(3):
        out, *_ = all_of(multiplied, x[lane], weight[lane], bias[lane])
        torch.testing.assert_close(together[0][lane], out, rtol=0, atol=0)
        torch.testing.assert_close(shared[0][lane], multiplied(x[0], weight[lane]), rtol=0, atol=0)
    plain = all_of(
        lambda *given: torch.stack([functional.linear(*each) for each in zip(*given, strict=True)]), x, weight, bias
    )
    for mine, torchs in zip(together, plain, strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("has_unit")
def test_only_wide_layers_of_many_rows_are_taken():
    x, weight = torch.randn(27, 8, 256), torch.randn(256, 256)
    assert takes_product(x, weight)
    assert not takes_product(x[:1], weight)
    assert not takes_product(x[..., :32], weight[:, :32])
    assert not takes_product(x.double(), weight.double())
    torch.testing.assert_close(linear(x, weight), multiplied(x, weight), rtol=0, atol=0)
    assert linear(x[..., :0], weight[:, :0]).shape == x.shape


def test_without_a_matrix_unit_layers_are_torchs(monkeypatch):
    monkeypatch.setattr(products, "has_matrix_unit", lambda: False)
    x, weight, bias = torch.randn(27, 8, 256), torch.randn(256, 256), torch.randn(256)
    torch.testing.assert_close(linear(x, weight, bias), functional.linear(x, weight, bias), rtol=0, atol=0)
