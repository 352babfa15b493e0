"""How sharp the golden data is: the change of an output that one slip makes, as stated with the data."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from tests.parity import images as parity_images
from tests.parity import mesh as parity_mesh
from tests.parity.test_parity import FOLDER
from trainables.models.context_aware_poseformer import head as heads

LEVELS = 5  # tokens of a joint: its 2D pose and four maps


def golden(name):
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no {path.name} in {FOLDER}")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def digits(change):
    """The two that are stated."""
    return f"{float(change):.1e}"


# --- Context-Aware PoseFormer: (network, monkeypatch) -> None


def lifted(archive, alter, patch):
    head = parity_images.head_of(archive).double()
    alter(head, patch)
    with torch.no_grad():
        return head(*parity_images.head_inputs(archive, torch.float64))


def norms_with(pick, eps):
    def alter(head, patch):
        for module in head.modules():
            if isinstance(module, nn.LayerNorm) and pick(module, head):
                module.eps = eps

    return alter


def in_context(module, head):
    return any(module is inner for inner in head.context_blocks.modules())


def gelu_of_tanh(head, patch):
    for module in head.modules():
        if isinstance(module, nn.GELU):
            module.approximate = "tanh"


def sampled(**changes):
    """Both samplers with another padding or other corners."""

    def alter(head, patch):
        plain = heads.grid_sample

        def slipped(level, place, mode, padding, align_corners):
            return plain(level, place, mode, **{"padding_mode": padding, "align_corners": align_corners, **changes})

        patch.setattr(heads, "grid_sample", slipped)

    return alter


def offsets_as_y_x(head, patch):
    for block in head.context_blocks:
        block.sampling_offsets.register_forward_hook(
            lambda _, given, out: out.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        )


def offsets_without_tanh(head, patch):
    patch.setattr(torch.Tensor, "tanh", lambda x: x)


def query_without_pose(head, patch):
    for block in head.context_blocks:
        kept = []
        block.register_forward_pre_hook(lambda _, given, kept=kept: kept.append(given[0]))
        block.norm1.register_forward_pre_hook(lambda _, given, kept=kept: kept.pop()[1:])


def weights_over_all_points(head, patch):
    plain = torch.Tensor.softmax

    def softmax(x, axis):
        # Weights of points are the only ones with five axes: level, sample, joint, head, point.
        return plain(x.flatten(-2), axis).view_as(x) if x.dim() == LEVELS else plain(x, axis)

    def look(project, level, place, weight, plain):
        # Every place is projected by itself in the reference, so what the weights lack of 1 the bias lacks too.
        lacking = 1 - weight.sum(-1, keepdim=True)
        return plain(project, level, place, weight) - (lacking * project.bias).flatten(-2)

    patch.setattr(torch.Tensor, "softmax", softmax)
    for block in head.context_blocks:
        block._look = functools.partial(look, plain=block._look)


def channels_first(head, patch):
    def turned(_, given):
        return given[0].unflatten(-1, (LEVELS, -1)).mT.flatten(-2)

    head.joint_blocks[0].register_forward_pre_hook(turned)


# Slip, and the changes that are stated with the data, of head-a and head-b.
HEAD_SLIPS = {
    "level and joint norms with 1e-5": (norms_with(lambda norm, _: norm.eps == 1e-6, 1e-5), 6.1e-5, 2.6e-5),
    "context norms with 1e-6": (norms_with(in_context, 1e-6), 2.1e-5, 7.4e-5),
    "last norm with 1e-6": (norms_with(lambda norm, head: norm is head.head[0], 1e-6), 1.7e-6, 6.8e-7),
    "GELU by tanh": (gelu_of_tanh, 3.8e-5, 8.1e-5),
    "border padding": (sampled(padding_mode="border"), 0.06, 0.12),
    "zero padding": (sampled(padding_mode="zeros"), 0.14, 0.14),
    "corners not aligned": (sampled(align_corners=False), 0.17, 0.11),
    "offsets without tanh": (offsets_without_tanh, 0.13, 0.15),
    "query without the pose token": (query_without_pose, 0.11, 0.18),
    "softmax over the points of all heads": (weights_over_all_points, 0.29, 0.14),
    "offsets read as y, x": (offsets_as_y_x, 0.11, 0.19),
    "channel-major tokens": (channels_first, 1.5, 1.2),
}


@pytest.mark.parametrize(("case", "column"), [("head-a", 1), ("head-b", 2)])
@pytest.mark.parametrize("slip", HEAD_SLIPS)
def test_a_slip_in_the_lifting_head_moves_the_golden_output_as_stated(monkeypatch, slip, case, column):
    archive = golden(f"context_aware_poseformer-{case}")
    expected = torch.from_numpy(archive["out/keypoints_3d_f64"])[:, 0]
    change = float((lifted(archive, HEAD_SLIPS[slip][0], monkeypatch) - expected).abs().max())
    assert digits(change) == digits(HEAD_SLIPS[slip][column])
    assert change > 100 * parity_images.FLOAT64


def test_other_coarse_maps_and_other_colours_move_the_golden_output_as_stated(monkeypatch):
    """The maps of the transitions, or of the last module, load the same weights and are wrong."""
    archive = golden("context_aware_poseformer-e2e-w32")
    network = parity_images.whole_network(archive).double()
    batch = parity_images.whole_batch(archive, torch.float64)
    trunk, kept = network.backbone, {}
    trunk.stage4[0].register_forward_pre_hook(lambda _, given: kept.update(transitions=list(given[0])))
    trunk.stage4[-1].register_forward_hook(lambda *given: kept.update(last=given[2][1]))
    with torch.no_grad():
        expected = network(batch).pose3d
        finest = trunk(batch.image[:, 0])[0]
        lift = functools.partial(network.volume_net, batch.pose2d[:, 0, 0], batch.crop2d[:, 0, 0])
        changes = {name: (lift([finest, *maps[1:]]) - expected[:, 0]).abs().max() for name, maps in kept.items()}
        plain = trunk.normalised
        monkeypatch.setattr(trunk, "normalised", lambda image: plain(image).flip(1))
        turned = network(batch)
    assert digits(changes["transitions"]) == digits(0.68)
    assert changes["last"] > 0.01
    assert digits((turned.pose3d - expected).abs().max()) == digits(2.8e-3)


# --- Mesh Graphormer: (blocks, monkeypatch, adjacency) -> adjacency


def _all_norms(blocks, patch, adjacency):
    return _set_eps(blocks, "", 1e-5, adjacency)


def _graph_norms(blocks, patch, adjacency):
    return _set_eps(blocks, "norm", 1e-6, adjacency)


def _set_eps(blocks, kind, eps, adjacency):
    for name, module in blocks.named_modules():
        if isinstance(module, nn.LayerNorm) and kind in name:
            module.eps = eps
    return adjacency


def _tanh_gelu(blocks, patch, adjacency):
    exact = nn.functional.gelu
    patch.setattr(nn.functional, "gelu", lambda x: exact(x, approximate="tanh"))
    return adjacency


def _no_self_loops(blocks, patch, adjacency):
    links = (adjacency > 0).double().fill_diagonal_(0)
    return links / links.sum(1, keepdim=True)


def _symmetric(blocks, patch, adjacency):
    links = (adjacency > 0).double()
    root = links.sum(1).rsqrt()
    return root[:, None] * links * root


def _transposed(blocks, patch, adjacency):
    for name, parameter in blocks.named_parameters():
        if name.endswith("conv.weight"):
            parameter.data = parameter.data.mT.contiguous()
    return adjacency


def _graph_layers(blocks):
    return [layer for block in blocks for layer in block.bert.encoder["layer"] if layer.has_graph]


def _graph_last(blocks, patch, adjacency):
    for layer in _graph_layers(blocks):
        graph, layer.has_graph = layer.graph_conv, False

        def mixed(_, given, out, graph=graph):
            _, links, joints = given
            before, mesh, after = out.split((joints, len(links), len(out) - joints - len(links)))
            return torch.cat((before, graph(mesh, links), after))

        layer.register_forward_hook(mixed)
    return adjacency


def _skip_convolution(blocks, patch, adjacency):
    for layer in _graph_layers(blocks):
        graph = layer.graph_conv
        graph.forward = lambda x, a, graph=graph, plain=graph.forward: plain(x, a) - x + graph.skip_conv(x)
    return adjacency


def _dead_positions(blocks, patch, adjacency):
    for block in blocks:
        block.bert.position_embeddings = block.bert.embeddings.position_embeddings
    return adjacency


def _no_skip(blocks, patch, adjacency):
    for block in blocks:
        nn.init.zeros_(block.residual.weight)
        nn.init.zeros_(block.residual.bias)
    return adjacency


# Slip, and the changes that are stated with the data, of the body and of the hand.
ENCODER_SLIPS = {
    "every norm with 1e-5": (_all_norms, 2.5e-4, 5.2e-5),
    "norms of graph blocks with 1e-6": (_graph_norms, 2.5e-5, 5.6e-6),
    "GELU by tanh": (_tanh_gelu, 6.2e-5, 1.2e-5),
    "no self loops": (_no_self_loops, 0.076, 4.7e-3),
    "symmetric normalisation": (_symmetric, 0.016, 2.2e-3),
    "transposed graph weight": (_transposed, 0.068, 0.034),
    "graph block after the feed-forward": (_graph_last, 0.46, 0.21),
    "skip convolution": (_skip_convolution, 0.70, 0.54),
    "positions of the dead embeddings": (_dead_positions, 0.34, 0.39),
    "no skip around blocks": (_no_skip, 2.8, 0.70),
}


@pytest.mark.parametrize(("case", "column"), [("body", 1), ("hand", 2)])
@pytest.mark.parametrize("slip", ENCODER_SLIPS)
def test_a_slip_in_the_encoder_moves_the_golden_output_as_stated(monkeypatch, slip, case, column):
    archive = golden(f"mesh_graphormer-encoder-{case}")
    blocks = parity_mesh.encoder_of(archive).double()
    adjacency = ENCODER_SLIPS[slip][0](blocks, monkeypatch, parity_mesh.adjacency_of(archive).double())
    with torch.no_grad():
        found = parity_mesh.encode(blocks, archive, torch.float64, adjacency)[-1]
    change = float((found - torch.from_numpy(archive["out/tokens_f64"])).abs().max())
    assert digits(change) == digits(ENCODER_SLIPS[slip][column])
