"""A lifting model against its golden file: names, outputs, losses, gradients, five training steps, initialisation."""

import json
import zlib
from collections.abc import Mapping

import numpy as np
import torch

from data.batch import Batch
from trainables import registry
from trainables.config import OptimConfig
from trainables.layers.graph import row_normalized_adjacency
from trainables.models.graformer.config import NetworkConfig
from trainables.models.graformer.network import GraFormer
from trainables.optim import learning_rate, make_optimizer, take_step

Archive = Mapping[str, np.ndarray]

# The tolerances of the golden data: float64 proves the mathematics, float32 differs by up to 6e-6 from it.
F64, F32 = 1e-9, 2e-5


def fill(name: str, shape: list[int], offset: float, scale: float) -> np.ndarray:
    """The generated weights of an entry: an integer hash of its name and flat index, float32."""
    word = np.uint64(0xFFFFFFFF)
    x = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    x = (x * np.uint64(2654435761) + np.uint64(zlib.crc32(name.encode()))) & word
    for _ in range(2):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B)) & word
    x = x ^ (x >> np.uint64(16))
    u = x.astype(np.float64) / 2**31 - 1
    return (offset + scale * u).astype(np.float32).reshape(shape)


class GraformerCase:
    """GraFormer from the reference's constructor arguments."""

    def __init__(self, settings: dict, archive: Archive) -> None:
        self.settings = settings
        self.adjacency = torch.from_numpy(archive["in_adj"])
        self.config = NetworkConfig(
            width=settings["hid_dim"],
            layers=settings["num_layers"],
            heads=settings["n_head"],
            dropout=settings["dropout"],
        )

    def build(self) -> GraFormer:
        return GraFormer(self.config, self.adjacency, in_features=self.settings["coords_dim"][0])

    def batch(self, archive: Archive, dtype: torch.dtype) -> Batch:
        pose2d = torch.from_numpy(archive["in_x"]).to(dtype)[:, None, None]
        return Batch(size=len(pose2d), pose2d=pose2d, pose3d=torch.from_numpy(archive["target"]).to(dtype)[:, None])

    def check_parts(self) -> None:
        joints = self.settings["n_pts"]
        own = row_normalized_adjacency([tuple(edge) for edge in self.settings["edges"]], joints)
        assert torch.equal(own, self.adjacency)


CASES = {"graformer": GraformerCase}


def check(archive: Archive) -> None:
    """Everything that a lifting model's file holds."""
    config = json.loads(str(archive["config"]))
    model, case = registry.get(config["model"]), CASES[config["model"]](config["args"], archive)
    manifest = json.loads(str(archive["manifest"]))
    case.check_parts()
    check_names(case.build(), model, manifest, archive)
    for dtype, suffix, tolerance in ((torch.float64, "f64", F64), (torch.float32, "f32", F32)):
        network = filled(case, model, manifest).to(dtype).eval()
        check_pass(network, model, case.batch(archive, dtype), archive, suffix, tolerance)
    check_steps(filled(case, model, manifest).double().eval(), model, case.batch(archive, torch.float64), archive)
    check_start(case, model, json.loads(str(archive["init_stats"])))


def check_names(network, model, manifest, archive) -> None:
    own = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert list(own) == [model.rename(entry[0]) for entry in manifest]
    assert list(own.values()) == [entry[1] for entry in manifest]
    names = [model.rename(name) for name in json.loads(str(archive["param_names"]))]
    assert [name for name, _ in network.named_parameters()] == names
    assert sum(parameter.numel() for parameter in network.parameters()) == int(archive["param_count"])


def filled(case, model, manifest) -> torch.nn.Module:
    network = case.build()
    tensors = {
        model.rename(name): torch.from_numpy(fill(name, shape, offset, scale)).to(getattr(torch, dtype))
        for name, shape, dtype, offset, scale, _ in manifest
    }
    network.load_state_dict(tensors)
    return network


def loss_of(network, model, batch) -> torch.Tensor:
    terms = model.terms(network(batch), batch, model.objective())
    return torch.stack(list(terms.values())).sum()


def check_pass(network, model, batch, archive, suffix, tolerance) -> None:
    out = network(batch).pose3d.squeeze(1)
    np.testing.assert_allclose(out.detach().numpy(), archive[f"out_{suffix}"], rtol=0, atol=tolerance)
    loss = loss_of(network, model, batch)
    np.testing.assert_allclose(loss.item(), float(archive[f"loss_{suffix}"]), rtol=tolerance, atol=0)
    loss.backward()
    expected = archive[f"grad_norms_{suffix}"]
    norms = [-1.0 if p.grad is None else float(p.grad.double().norm()) for p in network.parameters()]
    # A key's bias has a true gradient of zero: what is left there is rounding, hence the floor.
    floor = (1e-6 if suffix == "f32" else 1e-12) * expected.max()
    np.testing.assert_allclose(norms, expected, rtol=1e-9 if suffix == "f64" else 1e-3, atol=floor)
    if suffix == "f64":
        for parameter, head in zip(network.parameters(), archive["grad_head_f64"], strict=True):
            own = np.zeros(8)
            if parameter.grad is not None:
                first = parameter.grad.flatten()[:8].numpy()
                own[: len(first)] = first
            np.testing.assert_allclose(own, head, rtol=0, atol=1e-9 * expected.max())


def check_steps(network, model, batch, archive) -> None:
    settings = json.loads(str(archive["traj_optimizer"]))
    assert settings["kind"] == "adam", settings
    assert settings["weight_decay"] == 0, settings
    optim = OptimConfig(lr=settings["lr"], lr_decay=1.0, clip=settings["clip_grad_norm"] or 0.0)
    optimizer, parameters = make_optimizer(network.parameters(), optim), list(network.parameters())
    losses = []
    for step in range(1, 6):
        loss = loss_of(network, model, batch)
        optimizer.zero_grad()
        loss.backward()
        take_step(optimizer, parameters, learning_rate(optim, step), optim.clip)
        losses.append(loss.item())
    losses.append(loss_of(network, model, batch).item())
    np.testing.assert_allclose(losses, archive["traj_loss_f64"], rtol=1e-9)
    norms = [float(parameter.detach().norm()) for parameter in parameters]
    np.testing.assert_allclose(norms, archive["traj_param_norms_f64"], rtol=1e-8)  # 1e-10 is their own spread


def check_start(case, model, stats) -> None:
    """One fresh start against the statistics of one fresh start of the reference: compared as two samples."""
    torch.manual_seed(0)
    for name, parameter in case.build().named_parameters():
        mean, std, low, high = stats[name]
        values = parameter.detach().double()
        count = values.numel()
        spread = max(std, 1e-12)
        assert abs(float(values.mean()) - mean) <= 6 * spread * (2 / count) ** 0.5 + 1e-6, name
        assert abs(float(values.std(correction=0)) - std) <= 6 * spread / count**0.5 + 1e-6, name
        # Extremes grow slowly with the count: half the span is slack enough to catch a wrong law or scale.
        slack = 0.5 * (high - low) + 1e-6
        assert low - slack <= float(values.min()), name
        assert float(values.max()) <= high + slack, name
