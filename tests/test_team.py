"""Several ranks train and score like one process with the same batches."""

import numpy as np
import pytest
import torch
from small import tiny_config, tiny_module, write_tiny
from torch import distributed, multiprocessing

from trainables.folder import RunFolder
from trainables.layers.stream import step_keys
from trainables.single import SingleEngine
from trainables.team import DistributedTeam, Team
from trainables.train import train_alone


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


def trained(config, folder, team, epochs_from=None):
    """Reports of a run in float64, and the state it ends with."""
    data = tiny_module(config, dtype=torch.float64, shard=(team.rank, team.world))
    engine = SingleEngine(dtype=torch.float64, team=team)
    reports = []
    train_alone(config, data, RunFolder(folder, config), engine, epochs_from, reports.append)
    return [(report.losses.mean, report.metrics) for report in reports]


def rank_main(rank, world, config, folder, results):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting{world}", rank=rank, world_size=world)
    results[rank] = trained(config, folder / f"of{world}", DistributedTeam(torch.device("cpu")))
    distributed.destroy_process_group()


def run_team(world, config, folder):
    with multiprocessing.Manager() as manager:
        results = manager.dict()
        multiprocessing.spawn(rank_main, (world, config, folder, results), nprocs=world)
        return dict(results)


@pytest.mark.parametrize("world", [2, 3])
def test_a_team_equals_one_process_with_the_same_global_batch(root, tmp_path, world):
    # 480 samples in batches of 53: ten steps an epoch, slices of unequal size, a last batch of three.
    config = tiny_config(
        root, loop__epochs=2, loop__batch=53, network__dropout=0, network__attention_dropout=0, network__graph_dropout=0
    )
    alone = trained(config, tmp_path / "alone", Team())
    team = run_team(world, config, tmp_path)
    assert team[0] == team[world - 1]
    for (loss, metrics), (expected_loss, expected) in zip(team[0], alone, strict=True):
        # Sums in another order: float64 rounding over 20 steps.
        assert loss == pytest.approx(expected_loss, rel=1e-10)
        assert metrics.keys() == expected.keys()
        np.testing.assert_allclose(list(metrics.values()), list(expected.values()), rtol=1e-8)


def test_ranks_drop_out_differently_and_start_alike(root):
    config = tiny_config(root, network__dropout=0.5)
    first, second = SingleEngine(), SingleEngine(team=_Rank(1, 2))
    first.join(0, config)
    second.join(0, config)
    one, other = first.export(0), second.export(0)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert set(step_keys(0, 0, 1, 100).tolist()).isdisjoint(step_keys(0, 1, 1, 100).tolist())


class _Rank(Team):
    def __init__(self, rank, world):
        self.rank, self.world = rank, world
