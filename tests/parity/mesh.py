"""Golden data of Mesh Graphormer: encoder, whole network and body models."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.bodies.body_model import BodyModel, MeshLevels
from tests.parity import mesh_scores
from tests.parity.images import TYPES, Archive, check_norms, hyper_of, load_golden, near, tensor
from trainables.layers import smpl
from trainables.layers.graph import row_normalized_adjacency
from trainables.models.mesh_graphormer.config import NetworkConfig
from trainables.models.mesh_graphormer.encoder import BlockShape, Plain, stack_of
from trainables.models.mesh_graphormer.graph import GraphResBlock
from trainables.models.mesh_graphormer.mesh import OF_H36M, OF_UNION, body_mesh, coarser
from trainables.models.mesh_graphormer.network import MeshGraphormer

BLOCKS, TRUNK = 83_318_598, 128_059_944  # parameters, stated with the published network


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    CHECKS[hyper_of(archive)["kind"]](archive)


# --- encoder


def adjacency_of(archive: Archive) -> Tensor:
    """The row-normalised adjacency from the binary one, which the archive holds too."""
    links = archive["const/adjacency_binary"]
    edges = [(int(i), int(j)) for i, j in np.argwhere(np.triu(links, 1))]
    found = row_normalized_adjacency(edges, len(links))
    np.testing.assert_array_equal(found.numpy(), archive["const/adjacency_normalised"])
    return found


def graph_block_of(archive: Archive) -> nn.Module:
    """The graph residual block of a case, with its weights."""
    return load_golden(GraphResBlock(hyper_of(archive)["channels"], is_compact=False), archive)


def _check_graph(archive: Archive) -> None:
    block, adjacency = graph_block_of(archive), adjacency_of(archive)
    for suffix, dtype in TYPES:
        x = tensor(archive, "in/x", dtype).requires_grad_()
        out = block.to(dtype)(x.transpose(0, 1), adjacency.to(dtype)).transpose(0, 1)
        loss = (out - tensor(archive, "target/y", dtype)).square().mean()
        near(out, archive, "out/y", suffix)
        near(loss, archive, "loss", suffix)
    loss.backward()
    check_norms(block, _norms(archive))
    assert x.grad is not None
    np.testing.assert_allclose(float(x.grad.norm()), float(archive["input_grad_norm"]), rtol=1e-9)


def encoder_of(archive: Archive) -> nn.ModuleList:
    """The three blocks of a case, with their weights."""
    hyper = hyper_of(archive)
    columns = zip(
        *(hyper[f"{kind}_feat_dim"] for kind in ("input", "hidden", "output")), hyper["which_gcn"], strict=True
    )
    shapes = [
        BlockShape(
            channels=channels,
            hidden=hidden,
            out=out,
            layers=hyper["num_hidden_layers"],
            heads=hyper["num_attention_heads"],
            scale=hyper["interm_size_scale"],
            has_graph=bool(has_graph),
            words=hyper["vocab_size"],
            positions=hyper["max_position_embeddings"],
        )
        for channels, hidden, out, has_graph in columns
    ]
    blocks = stack_of(shapes)
    load_golden(blocks, archive)
    return blocks


def encode(blocks: nn.ModuleList, archive: Archive, dtype: torch.dtype, adjacency: Tensor) -> list[Tensor]:
    """What each block answers, [B, T, C]."""
    x, found = tensor(archive, "in/tokens", dtype).transpose(0, 1), []
    for block in blocks.to(dtype):
        x = block(Plain(x), adjacency.to(dtype), hyper_of(archive)["num_joints"])
        found.append(x.transpose(0, 1))
    return found


def _check_encoder(archive: Archive) -> None:
    hyper, blocks, adjacency = hyper_of(archive), encoder_of(archive), adjacency_of(archive)
    used = hyper["num_joints"] + hyper["num_vertices"]
    for suffix, dtype in TYPES:
        found = encode(blocks, archive, dtype, adjacency)
        loss = (found[-1][:, :used] - tensor(archive, "target/tokens", dtype)).abs().mean()
        near(found[-1], archive, "out/tokens", suffix)
        near(loss, archive, "loss", suffix)
    for i in range(2):
        near(found[i], archive, f"mid/block{i}", "f64")
    loss.backward()
    check_norms(blocks, _norms(archive))


# --- the whole network


def body_of(archive: Archive) -> MeshGraphormer:
    """The published body network on the archive's template, with its weights."""
    rows, columns, values = (archive[f"const/joint_regressor_{kind}"] for kind in ("rows", "cols", "vals"))
    regressor = np.zeros((17, 6890), np.float32)
    regressor[rows, columns] = values
    levels = MeshLevels(
        edges=archive["const/adjacency_edges"].astype(np.int64),
        down=tuple(archive[f"const/down{i}_indices"].astype(np.int64) for i in range(2)),
        h36m_regressor=regressor,
    )
    mesh = body_mesh(levels, tensor(archive, "const/template_vertices", torch.float64)[0])
    np.testing.assert_allclose(mesh.template.numpy(), archive["mid/template_tokens_f64"], rtol=0, atol=1e-9)
    hyper = hyper_of(archive)
    config = NetworkConfig(
        trunk=f"w{hyper['hrnet_width']}",
        hidden=tuple(hyper["hidden_feat_dim"]),
        widths=tuple(hyper["input_feat_dim"][1:]),
        layers=hyper["num_hidden_layers"],
        heads=hyper["num_attention_heads"],
        feed_forward=hyper["interm_size_scale"],
        graph=tuple(map(bool, hyper["which_gcn"])),
    )
    with torch.device("meta"):  # 226 million random numbers would be drawn to be thrown away
        network = MeshGraphormer(config, mesh, None)
    load_golden(network, archive)
    return network


@torch.no_grad()
def _check_body(archive: Archive) -> None:
    network = body_of(archive)
    for part, count in ((network.trans_encoder, BLOCKS), (network.backbone, TRUNK)):
        assert sum(parameter.numel() for parameter in part.parameters()) == count
    image, mask = (torch.from_numpy(archive[f"in/{name}"]) for name in ("image_uint8", "mask"))
    kept: dict[str, Tensor] = {}
    network.backbone.register_forward_hook(lambda _, given, out: kept.update(pooled=out[0]))
    network.grid_feat_dim.register_forward_hook(lambda _, given, out: kept.update(grid=out))
    for suffix, dtype in TYPES:
        network.to(dtype)
        tokens = network.tokens(image, None)
        near(kept["pooled"], archive, "mid/pooled_image_feature", suffix)
        if suffix == "f64":  # the archive's own float32 is 2.3e-5 of the largest away from its float64 here
            near(kept["grid"].transpose(0, 1)[..., :8], archive, "mid/grid_tokens_first8channels", suffix)
        for prefix, hidden in (("out", None), ("out_masked", mask.squeeze(-1))):
            camera, joints, *meshes = network.finish(dataclasses.replace(tokens, mask=hidden))
            near(camera, archive, f"{prefix}/cam", suffix)
            near(joints, archive, f"{prefix}/joints", suffix)
            names = ("vertices_sub2", "vertices_sub", "vertices") if hidden is None else ()
            for name, found in zip(names, meshes, strict=bool(names)):
                near(found, archive, f"{prefix}/{name}", suffix)


# --- body models


def model_of(archive: Archive) -> BodyModel:
    """The archive's body or hand."""
    parents = archive["model/kintree_table"][0].astype(np.int64)
    parents[0] = -1
    return BodyModel(
        v_template=archive["model/v_template"],
        shapedirs=archive["model/shapedirs"],
        posedirs=archive["model/posedirs"],
        weights=archive["model/weights"],
        joint_regressor=archive["model/J_regressor"],
        parents=parents,
        faces=archive["model/f"].astype(np.int64),
        hands_mean=archive.get("model/hands_mean"),
    )


def _posed(
    archive: Archive, layer: smpl.BodyLayer, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    pose, betas = (tensor(archive, f"in/{name}", dtype).requires_grad_() for name in ("pose", "betas"))
    return layer.to(dtype)(pose, betas), (pose, betas)


def _check_gradients(archive: Archive, vertices: Tensor, pose: Tensor, betas: Tensor) -> None:
    for gradient, name in zip(
        torch.autograd.grad(vertices.square().sum(), (pose, betas)), ("pose", "beta"), strict=True
    ):
        near(gradient, archive, f"out/grad_{name}", "f64")


def _check_smpl(archive: Archive) -> None:
    body, hyper = model_of(archive), hyper_of(archive)
    assert list(smpl.UNION_24) == hyper["joints_idx"]
    assert [list(OF_UNION), list(OF_H36M)] == [hyper["j24_to_j14"], hyper["h36m17_to_j14"]]
    layer = smpl.BodyLayer(body)
    assert list(layer.parents) == hyper["parents"]
    for suffix, dtype in TYPES:
        (vertices, _), inputs = _posed(archive, layer, dtype)
        regressors = [tensor(archive, f"model/J_regressor{kind}", dtype) for kind in ("", "_extra", "_h36m")]
        near(vertices, archive, "out/vertices", suffix)
        near(smpl.body_joints(vertices, *regressors[:2]), archive, "out/joints24", suffix)
        near(regressors[2] @ vertices, archive, "out/joints_h36m17", suffix)
    near(smpl.rotations(inputs[0].unflatten(1, (-1, 3))), archive, "out/rotmats", "f64")
    _check_gradients(archive, vertices, *inputs)


def _check_mano(archive: Archive) -> None:
    body, hyper = model_of(archive), hyper_of(archive)
    assert list(smpl.HAND_ORDER) == hyper["reorder"]
    assert list(smpl.TIPS) == hyper["published_tip_vertices_layer"]
    assert list(smpl.REGRESSOR_TIPS) == hyper["published_tip_vertices_mesh_regressor"]
    regressor = smpl.hand_regressor(body, hyper["tip_vertices_mesh_regressor"])
    np.testing.assert_array_equal(regressor, archive["out/joint_regressor21"])
    layer = smpl.BodyLayer(body)
    for suffix, dtype in TYPES:
        (vertices, parts), inputs = _posed(archive, layer, dtype)
        # The archive's layer answers in millimetres.
        near(vertices * 1000, archive, "out/vertices_mm", suffix)
        near(smpl.hand_joints(parts, vertices, hyper["tip_vertices_layer"]) * 1000, archive, "out/joints21_mm", suffix)
        near(torch.from_numpy(regressor).to(dtype) @ vertices * 1000, archive, "out/joints21_from_mesh_mm", suffix)
    _check_gradients(archive, vertices, *inputs)


def _check_sampler(archive: Archive) -> None:
    """Coarser levels by index; the learned network never makes a finer one with the file's matrices."""
    down = [torch.from_numpy(archive[f"const/D{i}"].argmax(1)) for i in range(2)]
    for i in range(2):
        assert (archive[f"const/D{i}"].sum(1) == 1).all()
    full = torch.from_numpy(archive["in/full"])
    coarse, middle, same = coarser(full, down)
    assert same is full
    for found, name in ((middle, "down_default"), (coarse, "down_0_2"), (coarser(middle, down[1:])[0], "down_1_2")):
        np.testing.assert_array_equal(found.numpy(), archive[f"out/{name}"])
    np.testing.assert_array_equal(coarser(full[0], down[:1])[0].numpy(), archive["out/down_2d"])
    for level in range(3):
        links = archive[f"const/A{level}"]
        edges = [(int(i), int(j)) for i, j in np.argwhere(np.triu(links, 1))]
        found = row_normalized_adjacency(edges, len(links)).numpy()
        np.testing.assert_allclose(found, archive[f"out/adjacency_normalised_{level}"], rtol=1e-7)  # float32


def _norms(archive: Archive) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(archive["grad_norms"]))
    return found


CHECKS: dict[str, Callable[[Archive], None]] = {
    "graph_res_block": _check_graph,
    "encoder_stack": _check_encoder,
    "end_to_end_body": _check_body,
    "smpl_layer": _check_smpl,
    "mano_layer": _check_mano,
    "mesh_sampler": _check_sampler,
    "losses_and_metrics": mesh_scores.check_losses,
    "freihand_evaluation": mesh_scores.check_freihand,
}
