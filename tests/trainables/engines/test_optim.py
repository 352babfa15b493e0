"""The optimiser step on the rows of an array, against torch's own on one network after the other."""

import dataclasses

import pytest
import torch
from torch import nn

from spaces.errors import ConfigError
from tests.made.small import tiny_config, tiny_module, write_tiny
from trainables.config import OptimConfig, default_config
from trainables.engines.fused import FusedEngine
from trainables.engines.optim import (
    Stepper,
    StepSettings,
    _clip_matrix,
    _clip_row_by_row,
    _step_matrix,
    _step_row_by_row,
    learning_rates,
    make_optimizer,
    moment_kinds,
    parameter_groups,
    settings_table,
    take_step,
)
from trainables.engines.rows import ALIGN, Rows
from trainables.engines.single import SingleEngine

CONFIGS = [
    OptimConfig(lr=1e-2),
    OptimConfig(lr=3e-3, weight_decay=0.3, lr_decay=0.5, lr_decay_steps=4),
    OptimConfig(lr=2e-2, beta1=0.5, beta2=0.9, clip=0.0, lr_decay_by="epochs"),
    OptimConfig(lr=1e-2, lr_decay_by="epochs", lr_decay=0.9, lr_decay_large=0.3, large_decay_epochs=1),
    OptimConfig(lr=1e-2, beta1=0.0, beta2=0.0, clip=0.2, weight_decay=0.01, lr_decay_by="share"),
]


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)).double()


def gradients(seed, step, one):
    make = torch.Generator().manual_seed(100 * seed + step)
    return [torch.randn(p.shape, generator=make, dtype=torch.float64) for p in one.parameters()]


# Both ways on the CPU: the one for recorded steps is arithmetic like any other.
@pytest.mark.parametrize(("clip", "update"), [(_clip_row_by_row, _step_row_by_row), (_clip_matrix, _step_matrix)])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_rows_take_the_steps_of_torchs_adamw(clip, update, amsgrad):
    configs = [dataclasses.replace(config, amsgrad=amsgrad) for config in CONFIGS]
    networks = [network(i) for i in range(len(configs))]
    rows = Rows(networks[0], len(configs), torch.device("cpu"), torch.float64)
    for i, one in enumerate(networks):
        rows.write(rows.values, i, dict(one.named_parameters()))
    optimizers = [
        make_optimizer(parameter_groups(one, {}), config, torch.device("cpu"))
        for one, config in zip(networks, configs, strict=True)
    ]
    grads, moments = rows.like(), [rows.like() for _ in moment_kinds(configs[0])]
    tables = torch.stack([settings_table(config, 1, 12, 5, 3) for config in configs], 2)
    for step in range(1, 13):
        own = [gradients(i, step, one) for i, one in enumerate(networks)]
        rows.collect(grads, [torch.stack(parts) for parts in zip(*own, strict=True)], len(configs))
        settings = StepSettings(*tables[:, step - 1])
        clip(grads, settings.clip)
        update(rows.values, grads, moments, settings)
        for one, config, optimizer, parts in zip(networks, configs, optimizers, own, strict=True):
            for parameter, grad in zip(one.parameters(), parts, strict=True):
                parameter.grad = grad
            lr = learning_rates(config, torch.tensor([step]), 5, 3)[0]
            take_step(optimizer, list(one.parameters()), lr, config.clip)
    for i, one in enumerate(networks):
        for name, part in rows.read(rows.values, i).items():
            # float64 rounding over twelve steps
            torch.testing.assert_close(part, one.get_parameter(name).detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("factors", [{}, {"1.": 0.25}])
def test_stepper_takes_the_steps_of_torchs_adamw(config, amsgrad, factors):
    config = dataclasses.replace(config, amsgrad=amsgrad)
    ours, plain = network(0).float(), network(0).float()
    # In memory column by column, and so its gradients, as autograd makes them.
    ours[0].weight = nn.Parameter(ours[0].weight.detach().mT.contiguous().mT)
    optimizers = [make_optimizer(parameter_groups(one, factors), config, torch.device("cpu")) for one in (ours, plain)]
    stepper = Stepper(optimizers[0], config.clip)
    for step in range(1, 13):
        for one in (ours, plain):
            for parameter, grad in zip(one.parameters(), gradients(0, step, one), strict=True):
                parameter.grad = torch.empty_like(parameter).copy_(grad)
        if step == 7:  # a parameter without a gradient keeps its value and its moments
            ours[0].bias.grad = plain[0].bias.grad = None
        lr = learning_rates(config, torch.tensor([step]), 5, 3)[0]
        stepper.take(lr)
        take_step(optimizers[1], list(plain.parameters()), lr, config.clip)
        for own, other in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(own, other, rtol=2e-6, atol=2e-7)
            for kind in moment_kinds(config):
                torch.testing.assert_close(
                    optimizers[0].state[own][kind], optimizers[1].state[other][kind], rtol=2e-6, atol=2e-7
                )


def test_rows_give_back_what_was_written_and_keep_to_themselves():
    one, other = network(0), network(1)
    rows = Rows(one, 3, torch.device("cpu"), torch.float64)
    rows.write(rows.values, 0, dict(one.named_parameters()))
    rows.write(rows.values, 2, dict(other.named_parameters()))
    for row, made_by in ((0, one), (2, other)):
        found = rows.read(rows.values, row)
        assert list(found) == [name for name, _ in made_by.named_parameters()]
        assert all(torch.equal(found[name], made_by.get_parameter(name)) for name in found)
    assert not rows.values[1].any()
    assert all(view.storage_offset() % ALIGN == 0 for view in rows.views(rows.values, 3).values())
    rows.write(rows.values, 0, {"0.bias": torch.ones(5)})
    assert rows.values[0].sum() == 5


def test_a_part_without_gradient_is_zero():
    one = network(0)
    rows = Rows(one, 2, torch.device("cpu"), torch.float64)
    matrix = torch.full_like(rows.values, 7.0)
    parts = [None if name == "1.weight" else torch.ones(2, *p.shape) for name, p in one.named_parameters()]
    rows.collect(matrix, parts, 2)
    views = rows.views(matrix, 2)
    assert not views["1.weight"].any()
    assert matrix.sum() == sum(p[0].numel() for p in parts if p is not None) * 2


LARGE = OptimConfig(lr=1.0, lr_decay=0.9, lr_decay_by="epochs", lr_decay_large=0.5, large_decay_epochs=3)


def test_the_large_decay_takes_the_place_of_the_small_one_at_the_end_of_every_third_epoch():
    # By hand: after epochs 1 and 2 times 0.9, after epoch 3 times 0.5, and so on; two steps an epoch.
    expected = [1, 0.9, 0.81, 0.405, 0.3645, 0.32805, 0.164025, 0.1476225]
    found = learning_rates(LARGE, torch.arange(1, 17), 2, 8)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64).repeat_interleave(2))
    plain = dataclasses.replace(LARGE, large_decay_epochs=0)
    torch.testing.assert_close(learning_rates(plain, torch.tensor([15]), 2, 8), torch.tensor([0.9**7]).double())


@pytest.mark.parametrize("make", [lambda: SingleEngine(), lambda: FusedEngine(2)])
def test_both_engines_take_the_rates_of_the_large_decay(tmp_path, make):
    changes = {f"optim__{field}": getattr(LARGE, field) for field in ("lr_decay_by", "lr_decay_large", "lr_decay")}
    root = write_tiny(tmp_path, frames=4)
    config = tiny_config(root, **changes, optim__lr=1e-3, optim__large_decay_epochs=2, loop__epochs=5)
    engine, data = make(), tiny_module(config)
    engine.join(0, config)
    rates = [engine.train_epoch(data)[0].lr for _ in range(5)]
    assert rates == pytest.approx([1e-3, 9e-4, 4.5e-4, 4.05e-4, 2.025e-4])


def test_a_large_decay_needs_epochs_as_stairs():
    with pytest.raises(ConfigError, match="large_decay_epochs = 5 must be 0 while"):
        default_config("graformer", {"optim.large_decay_epochs": 5}, "tests")
