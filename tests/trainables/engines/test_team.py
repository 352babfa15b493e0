"""Several ranks train every model, and score it, like one process with the same global batch.

Batch norm in training sees a rank's own part of a batch, so with it they differ from one process. All else is compared
with norms that keep their statistics; of norms that follow the data, what must hold is tested after it."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from data.batches.meshes import MeshModule, read_mesh_sets
from tests.made.crops import MODEL as CROPS
from tests.made.crops import CropModule, crop_run, store
from tests.made.small import tiny_config, tiny_module, tiny_run, write_tiny
from tests.made.small_meshes import MODEL as MESHES
from tests.made.small_meshes import hand_run, write_hands
from trainables import registry
from trainables.config import TrainConfig, knobs_of
from trainables.devices.team import DistributedTeam, Team
from trainables.engines.single import SingleEngine
from trainables.layers.stream import step_keys
from trainables.runs.loop import train_alone
from trainables.scoring.evaluation import score

LONG = "graformer, twenty steps"
IDLE = "sgraformer with its idle tensors and dropout"
FROZEN = f"{CROPS} on maps of a frozen trunk"
NORMED = (CROPS, MESHES, "sgraformer", "videopose3d")  # with norms that follow the data
COUNT, COUNTS = 24, {"sgraformer": 6, MESHES: 12}  # of training samples
SMALLER = {
    CROPS: {"network__trunk_lr_factor": 1.0, "data__crop_height": 64, "data__crop_width": 64},
    MESHES: {"data__downsample": 2},
}


@dataclass(frozen=True)
class Job:
    """One run; `is_still`: its norms keep their statistics, as in evaluation."""

    config: TrainConfig
    is_still: bool


class Still(SingleEngine):
    """An engine whose norms keep their statistics."""

    def join(self, *given):
        super().join(*given)
        for norm in norms_of(self._only().bare):
            norm.eval()
            norm.train = lambda mode=True: None


class Seen:
    """A folder that keeps nothing."""

    def record(self, report, state):
        pass


def norms_of(network):
    return [module for module in network.modules() if hasattr(module, "running_mean")]


def opened(config, team):
    """The data of a run in float64, as its model reads it."""
    options = {"dtype": torch.float64, "shard": (team.rank, team.world)}
    if config.model == MESHES:
        sets, _ = read_mesh_sets(config.data, ("train", "val"))
        return MeshModule(sets, config.data, **options)
    return CropModule(config, **options) if config.model == CROPS else tiny_module(config, **options)


def trained(job, team):
    """What a rank reports, ends with, and had of the training samples, epoch by epoch."""
    data = opened(job.config, team)
    engine = (Still if job.is_still else SingleEngine)(dtype=torch.float64, team=team)
    reports, weights, seen = [], {}, []
    cut = data.batches

    def batches(part, *place):
        seen.append([])
        for index, own, whole in cut(part, *place):
            seen[-1] += index[:own].tolist()
            yield index, own, whole

    def tell(report):
        reports.append((report.losses.mean, report.metrics))
        weights.update(engine.export(0))

    data.batches = batches
    train_alone(job.config, data, Seen(), engine, None, tell)
    return reports, weights, seen


def rank_main(rank, rounds, folder):
    torch.set_num_threads(1)
    for world, jobs in rounds.items():
        if rank < world:
            meeting = f"file://{folder}/meeting-{world}"
            distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
            team = DistributedTeam(torch.device("cpu"))
            found = {name: trained(job, team) for name, job in jobs.items()}
            torch.save(found, folder / f"{rank}-of-{world}.pt")
            distributed.destroy_process_group()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Runs without dropout, by name; those of NORMED once more, in one step an epoch."""
    root, hands = store(tmp_path_factory.mktemp("tiny")), write_hands(tmp_path_factory.mktemp("hands"))

    def run(name, **changes):
        plain = {path: 0.0 for path in knobs_of(name) if path.startswith("network.") and "drop" in path}
        plain = {path.replace(".", "__"): value for path, value in plain.items()} | SMALLER.get(name, {}) | changes
        if name == MESHES:
            return hand_run(hands, **plain)
        return crop_run(root, **plain) if name == CROPS else tiny_run(name, root, **plain)

    # All but one in the first batch, halved unevenly, and one in the last, of which a rank has none.
    found = {
        name: Job(run(name, loop__batch=COUNTS.get(name, COUNT) - 1, loop__epochs=2), True) for name in registry.names()
    }
    frozen = {"network__trunk_lr_factor": 0.0, "network__features": "cached"}
    found[FROZEN] = Job(run(CROPS, loop__batch=COUNT - 1, loop__epochs=2, **frozen), False)
    # 480 samples in batches of 53: ten steps an epoch, slices of unequal size, a last batch of three.
    longer = write_tiny(tmp_path_factory.mktemp("longer"))
    plain = {"network__dropout": 0, "network__attention_dropout": 0, "network__graph_dropout": 0}
    found[LONG] = Job(tiny_config(longer, loop__epochs=2, loop__batch=53, **plain), False)
    found[IDLE] = Job(tiny_run("sgraformer", root, loop__batch=2, loop__epochs=2), False)
    return found | {f"{name}, norms": Job(run(name, loop__batch=COUNT, loop__epochs=1), False) for name in NORMED}


@pytest.fixture(scope="module")
def teams(jobs, tmp_path_factory):
    """By the number of ranks, what each answers, by job. Processes start once: that takes as long as training."""
    folder, rounds = tmp_path_factory.mktemp("teams"), {3: {LONG: jobs[LONG]}, 2: jobs}
    multiprocessing.spawn(rank_main, (rounds, folder), nprocs=max(rounds))
    return {
        world: [torch.load(folder / f"{rank}-of-{world}.pt", weights_only=False) for rank in range(world)]
        for world in rounds
    }


@pytest.fixture(scope="module")
def alone(jobs):
    """By job, what one process without ranks answers."""
    return functools.cache(lambda name: trained(jobs[name], Team()))


@pytest.fixture
def two(teams):
    return teams[2]


@pytest.fixture
def three(teams):
    return teams[3]


@pytest.mark.parametrize("name", [*registry.names(), FROZEN, LONG])
def test_two_ranks_equal_one_process_with_the_same_global_batch(alone, two, name):
    assert_equal(two[0][name], alone(name))


def test_so_do_three(alone, three):
    assert three[0][LONG][0] == three[2][LONG][0]
    assert_equal(three[0][LONG], alone(LONG))


def assert_equal(rank, alone):
    """Losses, scores and weights of two epochs."""
    (reports, weights, _), (wanted, expected, _) = rank, alone
    assert len(reports) == len(wanted) == 2
    for (loss, metrics), (wanted_loss, wanted_metrics) in zip(reports, wanted, strict=True):
        # Sums in another order: float64 rounding over 4 steps or 20.
        assert loss == pytest.approx(wanted_loss, rel=1e-10)
        assert metrics.keys() == wanted_metrics.keys()
        np.testing.assert_allclose(list(metrics.values()), list(wanted_metrics.values()), rtol=1e-8)
    assert weights.keys() == expected.keys()
    for key, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-8, atol=1e-9, msg=key)


@pytest.mark.parametrize("name", [*registry.names(), FROZEN, LONG, IDLE, *(f"{name}, norms" for name in NORMED)])
def test_ranks_agree_bit_for_bit_and_share_the_samples(jobs, two, name):
    (reports, weights, first), (others, again, second) = (found[name] for found in two)
    assert reports == others
    assert all(torch.equal(tensor, again[key]) for key, tensor in weights.items())
    config = jobs[name].config
    data = opened(config, Team())
    for epoch, (one, other) in enumerate(zip(first, second, strict=True), 1):
        assert one
        assert other
        assert sorted(one + other) == sorted(data.order("train", epoch, config.loop.seed).tolist())


def test_ranks_learn_with_tensors_that_want_no_gradient(jobs, two):
    network = registry.get("sgraformer").build(jobs[IDLE].config.network, jobs[IDLE].config.data.sizes)
    assert not all(parameter.requires_grad for parameter in network.parameters())
    (before, _), (after, _) = two[0][IDLE][0]
    assert after < before


@pytest.mark.parametrize("name", NORMED)
def test_norms_keep_the_mean_over_the_ranks_and_are_scored_with_it(jobs, alone, two, name):
    job = jobs[f"{name}, norms"]
    reports, weights, _ = two[0][f"{name}, norms"]
    network = registry.get(name).build(job.config.network, job.config.data.sizes).double()
    network.load_state_dict(weights)
    sums = score(network, job.config, opened(job.config, Team()), "val")
    expected = {f"val/{metric}": value for metric, value in sums.frame_mean().items()}
    assert reports[-1][1] == pytest.approx(expected, rel=1e-9)  # sums of the ranks, float64
    # The first norm follows weights that no step has changed, of halves of the batch: the mean of their means is its.
    first = next(key for key in weights if key.endswith("running_mean"))
    torch.testing.assert_close(weights[first], alone(f"{name}, norms")[1][first], rtol=1e-9, atol=1e-12)
    assert weights[first].any()


def test_ranks_drop_out_differently_and_start_alike():
    config = tiny_config("store", network__dropout=0.5)
    first, second = SingleEngine(), SingleEngine(team=_Rank(1, 2))
    first.join(0, config)
    second.join(0, config)
    one, other = first.export(0), second.export(0)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert set(step_keys(0, 0, 1, 100).tolist()).isdisjoint(step_keys(0, 1, 1, 100).tolist())


class _Rank(Team):
    def __init__(self, rank, world):
        self.rank, self.world = rank, world
