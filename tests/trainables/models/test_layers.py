"""Layers that models share: attention, dropout, graph convolutions."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from data.poses.skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17
from trainables.layers.attention import attend
from trainables.layers.dropout import Dropout, DropPath
from trainables.layers.graph import ChebyshevConv, Spectrum, mix_joints, row_normalized_adjacency
from trainables.layers.norm import BatchNorm
from trainables.layers.stream import shared_stream, step_keys
from trainables.layers.transformer import EPS, Block


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_agrees_with_torch(scale):
    query, key, value = normal(2, 3, 5, 4), normal(2, 3, 7, 4), normal(2, 3, 7, 6)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)
    # float64 rounding
    torch.testing.assert_close(attend(query, key, value, scale=scale), expected, rtol=1e-12, atol=1e-12)


def test_attention_drops_weights_and_not_values():
    query, key, value = normal(1, 3, 4), normal(1, 3, 4), normal(1, 3, 4)
    assert not attend(query, key, value, drop=torch.zeros_like).any()


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.9])
@pytest.mark.parametrize("is_lane", [False, True])
def test_dropout_drops_its_share_and_keeps_the_mean(rate, is_lane):
    dropout, size = Dropout(0.5 if is_lane else rate), 400_003
    if is_lane:
        shared_stream(dropout).begin(torch.tensor(1), None, torch.tensor([rate]))
    out = dropout(torch.ones(size))
    kept = out != 0
    # Five standard errors of a share.
    assert abs(kept.double().mean() - (1 - rate)) < 5 * (rate * (1 - rate) / size) ** 0.5 + 1 / 65536
    torch.testing.assert_close(out[kept], torch.full_like(out[kept], 1 / (1 - rate)))


def kept_of(*keys, count=4, size=100_000):
    """Decisions [size, decisions] of `count` elements a row, under each key in turn."""
    dropout, found = Dropout(0.5), []
    for key in keys:
        shared_stream(dropout).begin(key)
        found.append(dropout(torch.ones(size, count)).bool().double())
    return torch.cat(found, 1)


def assert_unrelated(kept):
    """No two columns agree more often than chance has it."""
    correlation = torch.corrcoef(kept.T)
    assert (correlation - torch.eye(kept.shape[1])).abs().max() < 5 / len(kept) ** 0.5  # five standard errors


def test_dropout_decides_on_every_element_alone():
    # Four decisions come out of one random number: neither its parts nor its neighbours may be alike.
    kept = kept_of(step_keys(0, 0, 1, 1)[0], count=16)
    assert_unrelated(kept)
    assert_unrelated(torch.cat((kept[1:], kept[:-1]), 1)[:, [0, 3, 12, 15, 16, 19, 28, 31]])


def test_dropout_decides_anew_with_every_step_seed_rank_and_call():
    keys = [step_keys(0, 0, 1, 2)[0], step_keys(0, 0, 1, 2)[1], step_keys(1, 0, 1, 1)[0], step_keys(0, 1, 1, 1)[0]]
    assert_unrelated(kept_of(*keys))
    dropout, x = Dropout(0.5), torch.ones(100_000)
    shared_stream(dropout).begin(keys[0])
    assert_unrelated(torch.stack([dropout(x).bool().double() for _ in range(4)], 1))


def test_keys_of_a_run_follow_from_the_number_of_the_step():
    whole = step_keys(5, 0, 1, 1000)
    assert torch.equal(step_keys(5, 0, 401, 600), whole[400:])
    assert len(set(whole.tolist())) == 1000
    assert len({int(step_keys(seed, 0, 1, 1)) for seed in (0, 1, 2, 2**31, 2**62)}) == 5


def test_dropout_is_silent_in_evaluation_and_at_rate_zero():
    x = normal(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    lane = Dropout(0.5)
    stream = shared_stream(lane)
    stream.begin(torch.tensor(1), None, torch.zeros(1, dtype=torch.float64))
    assert torch.equal(lane(x), x)
    stream.off = frozenset({0})
    assert lane(x) is x


def test_a_silent_dropout_leaves_the_masks_of_the_others_as_they_are():
    masks = []
    for rate in (0.0, 0.3):
        network = nn.Sequential(Dropout(rate), Dropout(0.5))
        shared_stream(network).begin(torch.tensor(1))
        masks.append(network[1](network[0](torch.ones(1000))) != 0)
    assert not (masks[1] & ~masks[0]).any()
    assert (masks[0] & ~masks[1]).float().mean() == pytest.approx(0.15, abs=0.06)  # five standard errors


def test_dropout_repeats_with_its_seed_and_passes_its_mask_to_the_gradient():
    x = normal(50).requires_grad_()
    outs = []
    for _ in range(2):
        torch.manual_seed(5)
        outs.append(Dropout(0.5)(x))
    assert torch.equal(*outs)
    outs[0].sum().backward()
    torch.testing.assert_close(x.grad, (outs[0] / x).detach())


def test_stacked_dropouts_have_their_own_keys_and_rates_and_the_masks_of_each_alone():
    dropout, x = Dropout(0.5), torch.ones(4000)
    stream = shared_stream(dropout)
    keys, rates = step_keys(0, 0, 1, 3), torch.tensor([[0.0], [0.2], [0.7]], dtype=torch.float64)

    def masked(key, rate):
        stream.begin(key, None, rate)
        return dropout(x)

    together = vmap(masked)(keys, rates)
    for lane, key, rate in zip(together, keys, rates.flatten().tolist(), strict=True):
        one = Dropout(rate)
        shared_stream(one).begin(key)
        torch.testing.assert_close(lane, one(x).to(lane.dtype), rtol=1e-6, atol=0)  # float32
    assert len({tuple(lane.tolist()) for lane in together}) == 3


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    x, drop = torch.ones(20_000, 3, 2), DropPath(0.3)
    out = drop(x)
    assert ((out == 0).all((1, 2)) | (out != 0).all((1, 2))).all()
    assert (out[:, 0, 0] != 0).double().mean() == pytest.approx(0.7, abs=5 * (0.21 / 20_000) ** 0.5)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert drop.eval()(x) is x


def test_batch_norm_equals_torchs_and_its_momentum_falls_as_published():
    ours, theirs = BatchNorm(4, 0.001).double(), nn.BatchNorm1d(4).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    stream = shared_stream(ours)
    for epoch in range(1, 6):
        x = normal(6, 4, 9) * 3 + 1
        theirs.momentum = 0.1 * math.exp(-((epoch - 1) / 5) * math.log(100))
        stream.begin(torch.tensor(1), torch.tensor((epoch - 1) / 5, dtype=torch.float64))
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-12)  # float64 rounding
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-10, atol=1e-12)


def test_stacked_batch_norms_keep_their_own_statistics_and_momentum():
    layers = [BatchNorm(3, final).double() for final in (0.001, 0.05)]
    x, progress = normal(2, 8, 3, 5), torch.tensor([0.5, 0.25], dtype=torch.float64)
    template = BatchNorm(3, 0.1).double()
    stream = shared_stream(template)
    buffers = {name: torch.stack([b, b]) for name, b in template.named_buffers()}
    dials = torch.tensor([[0.001], [0.05]], dtype=torch.float64)

    def one(buffers, x, *step):
        stream.begin(*step)
        return functional_call(template, buffers, (x,))

    out = vmap(one)(buffers, x, step_keys(0, 0, 1, 2), progress, dials)
    for lane, layer in enumerate(layers):
        shared_stream(layer).begin(torch.tensor(1), progress[lane])
        torch.testing.assert_close(out[lane], layer(x[lane]), rtol=1e-10, atol=1e-12)  # float64 rounding
        for name, buffer in layer.named_buffers():
            torch.testing.assert_close(buffers[name][lane], buffer, rtol=1e-10, atol=1e-12)


def test_adjacency_of_a_chain_of_three():
    expected = torch.tensor([[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]])
    torch.testing.assert_close(row_normalized_adjacency(((0, 1), (1, 2)), 3), expected)


@pytest.mark.parametrize(
    "skeleton", [H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17], ids=lambda skeleton: skeleton.name
)
def test_chebyshev_convolution_is_the_sum_over_polynomials_of_the_laplacian(skeleton):
    joints = skeleton.num_joints
    adjacency = row_normalized_adjacency(skeleton.edges, joints)
    convolution, spectrum = ChebyshevConv(5, 4).double(), Spectrum(adjacency).double()
    torch.nn.init.normal_(convolution.bias)
    x = normal(joints, 3, 5)
    root = adjacency.double().sum(1).rsqrt()
    laplacian = torch.eye(joints, dtype=torch.float64) - root[:, None] * adjacency.double() * root
    polynomials = [torch.eye(joints, dtype=torch.float64), laplacian, 2 * laplacian @ laplacian]
    polynomials[2] = polynomials[2] - polynomials[0]
    expected = sum(mix_joints(t, x) @ weight[0] for t, weight in zip(polynomials, convolution.weight, strict=True))
    # float64 rounding: the basis itself was never rounded to float32
    torch.testing.assert_close(convolution(x, spectrum), expected + convolution.bias, rtol=1e-12, atol=1e-12)


def test_spectrum_follows_its_module_without_losing_digits():
    spectrum = Spectrum(row_normalized_adjacency(H36M_16.edges, 16))
    identity = torch.eye(16)
    torch.testing.assert_close(spectrum.synthesis @ spectrum.analysis, identity, rtol=0, atol=1e-6)  # float32
    spectrum.half().double()
    exact = spectrum.synthesis @ spectrum.analysis
    torch.testing.assert_close(exact, identity.double(), rtol=0, atol=1e-14)  # float64 rounding
    assert spectrum.state_dict() == {}


def test_spectrum_refuses_what_is_no_undirected_graph():
    with pytest.raises(AssertionError, match="no undirected graph"):
        Spectrum(torch.tensor([[0.5, 0.5], [0.0, 1.0]]))


def test_convolution_starts_with_the_published_deviation():
    torch.manual_seed(0)
    weight = ChebyshevConv(96, 96).weight
    assert weight.shape == (3, 1, 96, 96)
    assert float(weight.detach().std()) == pytest.approx(0.00737, rel=0.02)  # five standard errors of 27,648 draws


def test_transformer_block_agrees_with_torch():
    block = Block(12, 3, 20, drop_path=0.5).double().eval()
    layer = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", layer_norm_eps=EPS, norm_first=True, dtype=torch.float64
    )
    # The same weights under other names, in the same order but for the norms.
    names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.proj.", "linear": "mlp.fc"}
    ours = block.state_dict()
    for name, tensor in layer.named_parameters():
        for theirs, renamed in names.items():
            name = name.replace(theirs, renamed)
        tensor.data.copy_(ours.pop(name).normal_())
    assert not ours
    x_TNC = normal(7, 4, 12)
    # float64 rounding of sums of some 20 products
    torch.testing.assert_close(block(x_TNC), layer(x_TNC), rtol=1e-10, atol=1e-10)


def test_transformer_block_drops_branches_of_whole_sequences():
    block = Block(4, 2, 8, drop_path=0.5)
    shared_stream(block).begin(torch.tensor(3))
    x_TNC = torch.randn(1, 1, 4).expand(3, 4000, 4)  # all tokens and sequences alike: only the fates of two branches
    change = block(x_TNC) - x_TNC
    assert torch.equal(change, change[:1].expand_as(change))
    kinds, counts = change[0].detach().unique(dim=0, return_counts=True)
    # Neither, one, the other, both: a quarter each, within five standard errors of a share.
    assert len(kinds) == 4
    assert (counts / 4000 - 0.25).abs().max() < 5 * (0.25 * 0.75 / 4000) ** 0.5
