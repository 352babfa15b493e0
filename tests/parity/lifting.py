"""Golden data of the lifting models: weights by rule, outputs, losses, gradients, five training steps, the start."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.poses.skeleton import H36M_17
from trainables import registry
from trainables.layers.dropout import Dropout
from trainables.layers.graph import row_normalized_adjacency
from trainables.layers.stream import dialled
from trainables.models.graformer.config import NetworkConfig
from trainables.models.graformer.network import GraFormer
from trainables.models.poseformer.config import NetworkConfig as PoseFormerConfig
from trainables.models.poseformer.network import PoseFormer
from trainables.models.sgraformer.config import NetworkConfig as SGraFormerConfig
from trainables.models.sgraformer.network import SGraFormer
from trainables.models.videopose3d.config import NetworkConfig as VideoPose3DConfig
from trainables.models.videopose3d.network import VideoPose3D

Archive = Mapping[str, np.ndarray]

# Stated with the data: a relative input change of 1e-13 moves outputs by 1.5e-12, trajectory losses by 5e-13 relative
# and parameter norms by 1e-10, while the smallest slip in a formula moves outputs by 2.7e-6.
FLOAT64 = 1e-9
# Stated with the data: float32 and float64 differ by up to 6e-6.
FLOAT32 = 2e-5
# Gradients whose true value is 0 (key biases) hold only rounding: compared to this part of the largest norm.
NORM_FLOOR = 1e-6


@dataclass(frozen=True)
class Adapter:
    """How the archives of one model become a module and a call of it."""

    build: Callable[[dict[str, Any], Archive], nn.Module]
    run: Callable[[nn.Module, Tensor], Tensor]


def _build_graformer(arguments: dict[str, Any], archive: Archive) -> GraFormer:
    adjacency = torch.from_numpy(archive["in_adj"])
    ours = row_normalized_adjacency(arguments["edges"], arguments["n_pts"])
    torch.testing.assert_close(ours, adjacency, rtol=0, atol=1e-7)  # one float32 division
    width, heads = arguments["hid_dim"], arguments["n_head"]
    config = NetworkConfig(width=width, layers=arguments["num_layers"], heads=heads, dropout=arguments["dropout"])
    return GraFormer(config, adjacency, in_features=arguments["coords_dim"][0])


def _build_poseformer(arguments: dict[str, Any], archive: Archive) -> PoseFormer:
    config = PoseFormerConfig(
        embed_dim_ratio=arguments["embed_dim_ratio"],
        depth=arguments["depth"],
        heads=arguments["num_heads"],
        mlp_ratio=arguments["mlp_ratio"],
        qkv_bias=arguments["qkv_bias"],
        qk_scale=arguments["qk_scale"] or 0.0,
        drop_path=arguments["drop_path_rate"],
    )
    frames, joints = arguments["num_frame"], arguments["num_joints"]
    return PoseFormer(config, frames=frames, joints=joints, in_channels=arguments["in_chans"])


def _build_videopose3d(arguments: dict[str, Any], archive: Archive) -> VideoPose3D:
    config = VideoPose3DConfig(
        channels=arguments["channels"], dropout=arguments["dropout"], dense=arguments.get("dense", False)
    )
    joints, features = arguments["num_joints_in"], arguments["in_features"]
    network = VideoPose3D(config, tuple(arguments["filter_widths"]), joints, features, causal=arguments["causal"])
    # The reference has a class for each form.
    network.lift = partial(network.lift, strided=arguments["class"].endswith("1f"))
    return network


def _build_sgraformer(arguments: dict[str, Any], archive: Archive) -> SGraFormer:
    config = SGraFormerConfig(
        embed_dim_ratio=arguments["embed_dim_ratio"],
        depth=arguments["depth"],
        heads=arguments["num_heads"],
        mlp_ratio=arguments["mlp_ratio"],
        mvf_kernel=arguments["mvf_kernel"],
        qkv_bias=arguments["qkv_bias"],
        qk_scale=arguments["qk_scale"] or 0.0,
        drop_path=arguments["drop_path_rate"],
    )
    frames, channels = arguments["num_frame"], arguments["in_chans"]
    network = SGraFormer(config, views=4, frames=frames, skeleton=H36M_17, in_channels=channels)
    if (archive["in_hops"] != archive["in_hops"][0]).any():
        network.lift = _with_hops(network.lift, torch.from_numpy(archive["in_hops"]))
    else:
        np.testing.assert_array_equal(network.hops.numpy(), archive["in_hops"][0])
    return network


def _with_hops(lift: Callable[..., Tensor], hops: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: lift(x, hops.to(x))


ADAPTERS = {
    "graformer": Adapter(build=_build_graformer, run=lambda network, x: network.lift(x)),
    "poseformer": Adapter(build=_build_poseformer, run=lambda network, x: network.lift(x)),
    # Its views stand behind the frames in the published tensors.
    "sgraformer": Adapter(build=_build_sgraformer, run=lambda network, x: network.lift(x.transpose(1, 2))),
    "videopose3d": Adapter(build=_build_videopose3d, run=lambda network, x: network.lift(x)),
}


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    config = json.loads(str(archive["config"]))
    adapter = ADAPTERS[config["model"]]
    rename = registry.get(config["model"]).rename
    network = adapter.build(config["args"], archive)
    loss_of = LOSSES[config["loss"]]
    _check_start(network, archive, rename)
    _check_layout(network, archive, rename)
    network.load_state_dict(_filled(archive, rename))
    network.eval()
    names = [rename(name) for name in json.loads(str(archive["param_names"]))]
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        network.to(dtype)
        _check_output(network, adapter, loss_of, archive, names, suffix)
    _check_trajectory(network, adapter, loss_of, archive, names)
    if "train_out_f64" in archive:
        network.load_state_dict(_filled(archive, rename))
        _check_training_pass(network.train(), adapter, loss_of, archive, names)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda out, target: (out - target).square().mean(),
    "mpjpe": lambda out, target: (out - target).norm(dim=-1).mean(),
}


def fill(name: str, shape: tuple[int, ...], offset: float, scale: float) -> np.ndarray:
    """The golden weight of that name: a hash of name and index, spread over offset +- scale, float32."""
    x = np.arange(np.prod(shape, dtype=np.int64), dtype=np.uint32) * np.uint32(2654435761)
    x += np.uint32(zlib.crc32(name.encode("ascii")))
    for _ in range(2):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x45D9F3B)
    x ^= x >> np.uint32(16)
    return (offset + scale * (x / 2.0**31 - 1)).astype(np.float32).reshape(shape)


def _filled(archive: Archive, rename: Callable[[str], str]) -> dict[str, Tensor]:
    tensors = {}
    for name, shape, dtype, offset, scale, _ in json.loads(str(archive["manifest"])):
        value = fill(name, tuple(shape), offset, scale) if dtype == "float32" else np.zeros(shape)
        tensors[rename(name)] = torch.from_numpy(value.astype(dtype))
    return tensors


def _check_layout(network: nn.Module, archive: Archive, rename: Callable[[str], str]) -> None:
    manifest = json.loads(str(archive["manifest"]))
    expected = [(rename(name), tuple(shape), dtype) for name, shape, dtype, *_ in manifest]
    found = [(name, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in network.state_dict().items()]
    assert found == expected
    parameters = dict(network.named_parameters())
    assert list(parameters) == [rename(name) for name in json.loads(str(archive["param_names"]))]
    assert sum(parameter.numel() for parameter in parameters.values()) == int(archive["param_count"])


def _check_output(
    network: nn.Module, adapter: Adapter, loss_of: Callable, archive: Archive, names: list[str], suffix: str
) -> None:
    dtype, limit = (torch.float64, FLOAT64) if suffix == "f64" else (torch.float32, FLOAT32)
    out, target = adapter.run(network, _tensor(archive, "in_x", dtype)), _tensor(archive, "target", dtype)
    _near(out, archive[f"out_{suffix}"], limit, "output")
    loss = loss_of(out, target)
    _near(loss, archive[f"loss_{suffix}"], limit, "loss")
    network.zero_grad(set_to_none=True)
    loss.backward()
    grads = [network.get_parameter(name).grad for name in names]
    norms = np.array([-1.0 if grad is None else float(grad.double().norm()) for grad in grads])
    expected = archive[f"grad_norms_{suffix}"]
    # float32: two orders of summation, some hundred roundings of 6e-8 relative each.
    relative, floor = (FLOAT64, FLOAT64 * expected.max()) if suffix == "f64" else (1e-4, NORM_FLOOR * expected.max())
    np.testing.assert_array_equal(norms == -1, expected == -1, err_msg="parameters without gradient")
    np.testing.assert_allclose(norms, expected, rtol=relative, atol=floor, err_msg=f"gradient norms, {suffix}")
    if suffix == "f64":
        heads = np.zeros((len(grads), 8))
        for row, grad in zip(heads, grads, strict=True):
            head = [] if grad is None else grad.flatten()[:8].tolist()
            row[: len(head)] = head
        np.testing.assert_allclose(heads, archive["grad_head_f64"], rtol=0, atol=FLOAT64, err_msg="gradient heads")


def _check_trajectory(
    network: nn.Module, adapter: Adapter, loss_of: Callable, archive: Archive, names: list[str]
) -> None:
    settings = json.loads(str(archive["traj_optimizer"]))
    parameters = [network.get_parameter(name) for name in names]
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["kind"]]
    optimizer = make(parameters, lr=settings["lr"], weight_decay=settings["weight_decay"], amsgrad=settings["amsgrad"])
    x, target = _tensor(archive, "in_x", torch.float64), _tensor(archive, "target", torch.float64)
    losses = []
    for _ in range(len(archive["traj_loss_f64"]) - 1):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(adapter.run(network, x), target)
        losses.append(loss.item())
        loss.backward()
        if settings["clip_grad_norm"]:
            nn.utils.clip_grad_norm_(parameters, settings["clip_grad_norm"])
        optimizer.step()
    losses.append(loss_of(adapter.run(network, x), target).item())
    np.testing.assert_allclose(losses, archive["traj_loss_f64"], rtol=FLOAT64, atol=0, err_msg="trajectory losses")
    norms = [float(parameter.detach().norm()) for parameter in parameters]
    np.testing.assert_allclose(
        norms, archive["traj_param_norms_f64"], rtol=FLOAT64, atol=FLOAT64, err_msg="parameter norms"
    )


def _check_training_pass(
    network: nn.Module, adapter: Adapter, loss_of: Callable, archive: Archive, names: list[str]
) -> None:
    """One pass in training mode, every rate 0: batch statistics, and the running ones after it."""
    for layer in dialled(network):
        if isinstance(layer, Dropout):
            layer.dial = 0.0
    network.zero_grad(set_to_none=True)
    out = adapter.run(network, _tensor(archive, "in_x", torch.float64))
    _near(out, archive["train_out_f64"], FLOAT64, "training output")
    loss = loss_of(out, _tensor(archive, "target", torch.float64))
    _near(loss, archive["train_loss_f64"], FLOAT64, "training loss")
    loss.backward()
    grads = [network.get_parameter(name).grad for name in names]
    norms = [-1.0 if grad is None else float(grad.norm()) for grad in grads]
    expected = archive["train_grad_norms_f64"]
    np.testing.assert_allclose(norms, expected, rtol=FLOAT64, atol=FLOAT64 * expected.max(), err_msg="training norms")
    buffers = [key for key in archive if key.startswith("train_after/")]
    assert buffers, "an archive with a training pass holds the buffers after it"
    for key in buffers:
        found = network.get_buffer(key.removeprefix("train_after/"))
        np.testing.assert_allclose(found.numpy(), archive[key], rtol=0, atol=FLOAT64, err_msg=key)


def _check_start(network: nn.Module, archive: Archive, rename: Callable[[str], str]) -> None:
    """The fresh network has the reference's distributions: two samples of size n each, five standard errors apart."""
    for name, (mean, std, low, high) in json.loads(str(archive["init_stats"])).items():
        values = network.get_parameter(rename(name)).detach().double()
        size, found = values.numel(), values.std(correction=0)
        if std == 0:
            assert (values == mean).all(), f"{name} starts at {values.flatten()[:4]}, not {mean}"
            continue
        assert abs(values.mean() - mean) <= 5 * std * (2 / size) ** 0.5, f"{name}: mean {values.mean()}, not {mean}"
        assert abs(found / std - 1) <= 5 / size**0.5, f"{name}: deviation {found}, not {std}"
        if size >= 1000:
            # Tells uniform (1.7 deviations wide) from normal (more than 3).
            width, expected = (values.max() - values.min()) / found, (high - low) / std
            assert 0.6 < width / expected < 1.6, f"{name}: {width} deviations wide, not {expected}"


def _tensor(archive: Archive, name: str, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(archive[name]).to(dtype)


def _near(found: Tensor, expected: np.ndarray, limit: float, what: str) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=limit, err_msg=what)
