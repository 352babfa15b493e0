"""Golden data of the image models: weights by rule, outputs, intermediate results, losses, gradient norms."""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.batches.batch import Batch
from trainables.layers.hrnet import ClassHRNet, Shape, Stage, shape_of
from trainables.models.context_aware_poseformer.config import NetworkConfig
from trainables.models.context_aware_poseformer.head import LiftingHead
from trainables.models.context_aware_poseformer.network import ContextAwarePoseFormer

Archive = Mapping[str, np.ndarray]

# Stated with the data: float64 within this, absolutely; arrays kept as float32 within a rounding of it.
FLOAT64 = 1e-9
ROUNDED = 1e-6
# Stated with the data: of the largest magnitude.
FLOAT32 = 1e-5
# Stated with the data: key biases have a true gradient of zero.
NORMS, NORM_FLOOR = 1e-9, 1e-10

TYPES = (("f32", torch.float32), ("f64", torch.float64))


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    CHECKS[hyper_of(archive)["kind"]](archive)


def hyper_of(archive: Archive) -> dict[str, Any]:
    """The constructor arguments of a case."""
    found: dict[str, Any] = json.loads(str(archive["hyper"]))
    return found


def tensor(archive: Archive, name: str, dtype: torch.dtype) -> Tensor:
    """An array of the archive."""
    return torch.from_numpy(archive[name]).to(dtype)


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The golden weight of that name, float32: a sine wave whose start is a hash of the name."""
    start = zlib.crc32(name.encode("ascii")) % 10007
    wave = np.sin(0.37 * np.arange(np.prod(shape, dtype=np.int64)) + start)
    if len(shape) >= 2:
        wave /= np.sqrt(np.prod(shape[1:]))
    elif name.endswith("running_var"):
        wave = 1 + 0.3 * wave
    elif name.endswith("weight") and len(shape) == 1:
        wave = 1 + 0.1 * wave
    else:
        wave *= 0.1
    return wave.astype(np.float32).reshape(shape)


def filled(archive: Archive) -> dict[str, Tensor]:
    """The golden state dict, by the reference's names."""
    tensors = {}
    for name, shape, dtype, *_ in json.loads(str(archive["manifest"])):
        value = fill(name, tuple(shape)) if dtype == "float32" else np.zeros(shape)
        tensors[name] = torch.from_numpy(value.astype(dtype))
    return tensors


def load_golden(network: nn.Module, archive: Archive) -> nn.Module:
    """The network with the golden weights, in evaluation mode; names, shapes and counts are those of the archive."""
    weights = filled(archive)
    assert sum(parameter.numel() for parameter in network.parameters()) == int(archive["param_count"])
    found = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert found == {name: tensor.shape for name, tensor in weights.items()}
    network.load_state_dict(weights, assign=True)  # a network that was built without memory gets it here
    return network.eval()


def head_of(archive: Archive) -> LiftingHead:
    """The lifting head of a case, with its weights."""
    hyper = hyper_of(archive)
    network = LiftingHead(_head_config(hyper), hyper["feature_channels"], hyper["num_joints"])
    load_golden(network, archive)
    return network


def head_inputs(archive: Archive, dtype: torch.dtype) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Screen units, crop units and maps of a case."""
    pose, ref, *maps = (
        torch.from_numpy(archive[f"in/{name}"]).to(dtype)
        for name in ("keypoints_2d", "ref", "feat0", "feat1", "feat2", "feat3")
    )
    return pose, ref, maps


def _head_config(hyper: dict[str, Any]) -> NetworkConfig:
    return NetworkConfig(
        embed_dim=hyper["embed_dim_ratio"],
        depth=hyper.get("depth", hyper["levels"]),
        heads=hyper.get("heads", 8),
        context_heads=hyper.get("deform_heads", 4),
        points=hyper.get("deform_samples", 4),
        mlp_ratio=hyper.get("mlp_ratio", 2),
        drop_path=hyper.get("drop_path_rate", 0.2),
    )


def _check_head(archive: Archive) -> None:
    network = head_of(archive)
    middles = {"context": network.context_blocks, "res": network.res_blocks, "joint": network.joint_blocks}
    kept: dict[str, Tensor] = {}
    for name, blocks in middles.items():
        blocks[-1].register_forward_hook(lambda _, given, out, name=name: kept.update({name: out}))
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        network.to(dtype)
        target = torch.from_numpy(archive["target/keypoints_3d"]).to(dtype)
        out = network(*head_inputs(archive, dtype)).unsqueeze(1)
        loss = (out - target).norm(dim=-1).mean()
        near(out, archive, "out/keypoints_3d", suffix)
        near(loss, archive, "loss", suffix)
    layouts: dict[str, Callable[[Tensor], Tensor]] = {
        "context": lambda x: x.transpose(0, 1),
        "res": lambda x: x.transpose(0, 1),
        "joint": lambda x: x.transpose(0, 1),
    }
    for name, turned in layouts.items():
        if f"mid/{name}_f64" in archive:
            near(turned(kept[name]), archive, f"mid/{name}", "f64")
    loss.backward()
    check_norms(network, json.loads(str(archive["grad_norms"])))


def check_norms(network: nn.Module, expected: dict[str, float | None]) -> None:
    """Gradient norms by parameter; None takes no part."""
    assert expected.keys() == dict(network.named_parameters()).keys()
    floor = NORM_FLOOR * max(norm for norm in expected.values() if norm is not None)
    for name, norm in expected.items():
        grad = network.get_parameter(name).grad
        assert (grad is None) == (norm is None), name
        if grad is not None:
            np.testing.assert_allclose(float(grad.norm()), norm, rtol=NORMS, atol=floor, err_msg=name)


def trunk_shape(config: dict[str, Any]) -> Shape:
    """The shape that an archive states."""
    stages = tuple(
        Stage(modules=stage["NUM_MODULES"], channels=tuple(stage["NUM_CHANNELS"]), blocks=tuple(stage["NUM_BLOCKS"]))
        for stage in (config[f"STAGE{number}"] for number in (2, 3, 4))
    )
    return Shape(stages=stages)


def whole_network(archive: Archive) -> ContextAwarePoseFormer:
    """Trunk and head of a case, with their weights."""
    hyper = hyper_of(archive)
    network = ContextAwarePoseFormer(
        _head_config(hyper),
        joints=archive["in/keypoints_2d"].shape[1],
        crop=tuple(hyper["image_hw"]),
        shape=trunk_shape(hyper["hrnet"]),
    )
    load_golden(network, archive)
    return network


def whole_batch(archive: Archive, dtype: torch.dtype) -> Batch:
    """Its inputs; the constants of a 192 x 256 crop hold whatever the image."""
    image, pose, pixels = (
        torch.from_numpy(archive[f"in/{name}"]) for name in ("image_rgb_uint8", "keypoints_2d", "keypoints_2d_crop_px")
    )
    crop = pixels.to(dtype) / torch.tensor([96, 128], dtype=dtype) - 1
    return Batch(
        size=len(image),
        image=image.permute(0, 3, 1, 2).unsqueeze(1),
        pose2d=pose.to(dtype)[:, None, None],
        crop2d=crop[:, None, None],
    )


def _check_whole(archive: Archive) -> None:
    network = whole_network(archive)
    trunk = network.backbone
    assert trunk is not None
    if "backbone_params" in (hyper := hyper_of(archive)):
        assert sum(parameter.numel() for parameter in trunk.parameters()) == hyper["backbone_params"]
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        network.to(dtype)
        batch = whole_batch(archive, dtype)
        target = torch.from_numpy(archive["target/keypoints_3d"]).to(dtype)
        with torch.no_grad():
            out = network(batch).pose3d
        near(out, archive, "out/keypoints_3d", suffix)
        near((out - target).norm(dim=-1).mean(), archive, "loss", suffix)
    if "in/image_normalised" in archive:
        expected = torch.from_numpy(archive["in/image_normalised"]).double().permute(0, 3, 1, 2)
        torch.testing.assert_close(trunk.normalised(batch.image[:, 0]), expected, rtol=0, atol=ROUNDED)
    for level, found in enumerate(trunk(batch.image[:, 0])):
        if f"mid/feat{level}_f64" in archive:
            near(found, archive, f"mid/feat{level}", "f64")


def _check_classifier(archive: Archive) -> None:
    hyper = hyper_of(archive)
    network = ClassHRNet(trunk_shape(hyper["config"]) if "config" in hyper else shape_of(hyper["width"]))
    load_golden(network, archive)
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        network.to(dtype)
        with torch.no_grad():
            pooled, grid = network(torch.from_numpy(archive["in/image"]).to(dtype))
        near(pooled, archive, "out/pooled", suffix)
        near(grid, archive, "out/grid", suffix)


CHECKS = {"lifting_head": _check_head, "end_to_end": _check_whole, "hrnet_cls_trunk": _check_classifier}


def near(found: Tensor, archive: Archive, name: str, suffix: str) -> None:
    """Asserts float64 against the stored float64; float32 against it too, as far as float32 goes."""
    stored = archive[f"{name}_{suffix}"]
    exact = archive[f"{name}_f64"]
    scale = float(np.abs(exact).max())
    limit = FLOAT32 * scale if suffix == "f32" else ROUNDED * scale if stored.dtype == np.float32 else FLOAT64
    values = found.detach().double().numpy()
    np.testing.assert_allclose(values, exact, rtol=0, atol=limit, err_msg=f"{name}, {suffix}")
