"""The loop, the engine, and what a run leaves on disk."""

import math
import re

import pytest
import torch

from spaces.errors import ConfigError
from spaces.schema import config_id
from tests.made.small import tiny_config, tiny_module
from trainables import registry
from trainables.config import OptimConfig
from trainables.engines.engine import Losses
from trainables.engines.optim import learning_rates
from trainables.engines.single import SingleEngine
from trainables.layers.stream import Stream
from trainables.runs import memory
from trainables.runs.folder import RunFolder
from trainables.runs.loop import Judge, fit, train_alone
from trainables.runs.memory import memory_line
from trainables.weights.checkpoint import load_into, load_state, load_weights

RATES = ("network__dropout", "network__attention_dropout", "network__graph_dropout")


def run(config, folder, reports=None, state=None, weights=None):
    engine = SingleEngine()
    tell = (reports if reports is not None else []).append
    train_alone(config, tiny_module(config), folder, engine, state, tell, weights)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one if key != "seconds")
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_run_resumed_after_any_epoch_equals_the_unbroken_run_bit_for_bit(root, tmp_path):
    config = tiny_config(root, network__dropout=0.3, loop__epochs=4, loop__snapshot_epochs=1)
    whole = RunFolder(tmp_path / "whole", config)
    run(config, whole)
    for epoch in (1, 3):
        part = RunFolder(tmp_path / f"from{epoch}", config)
        run(config, part, state=load_state(whole.path / f"epoch_{epoch:04d}" / "state.pt"))
        assert same(load_state(part.latest), load_state(whole.latest))


def test_a_finished_run_goes_on_to_more_epochs_like_a_run_that_was_planned_that_long(root, tmp_path):
    short, long = (tiny_config(root, network__dropout=0.3, loop__epochs=epochs) for epochs in (2, 4))
    whole, grown = RunFolder(tmp_path / "whole", long), RunFolder(tmp_path / "grown", short)
    run(long, whole)
    grown.begin()
    run(short, grown)
    with pytest.raises(ConfigError, match="holds a run of config"):
        RunFolder(tmp_path / "grown", long).resume_state()
    again = RunFolder(tmp_path / "grown", long, former=(config_id(short),))
    again.begin()
    reports = []
    run(long, again, reports, state=again.resume_state())
    assert [report.epoch for report in reports] == [3, 4]
    assert same(load_state(again.latest), load_state(whole.latest))
    assert RunFolder(tmp_path / "grown", long).resume_state()["epoch"] == 4, "from now on it is the longer run"


def test_an_interrupted_run_started_again_ends_like_the_unbroken_one(root, tmp_path):
    config = tiny_config(root, network__dropout=0.3, loop__epochs=4)
    whole, broken = RunFolder(tmp_path / "whole", config), RunFolder(tmp_path / "broken", config)
    run(config, whole)
    engine, judge = SingleEngine(), Judge()
    engine.join(0, config)

    def offer(report):
        broken.record(report, engine.state(0))
        judge.hear(report)
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(engine, tiny_module(config), offer, judge.verdicts)
    broken.begin()
    run(config, broken, state=broken.resume_state())
    assert same(load_state(broken.latest), load_state(whole.latest))
    assert broken.best.read_bytes() == whole.best.read_bytes()
    assert len((broken.path / "log.tsv").read_text().splitlines()) == 5


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(root, tmp_path):
    losses = []
    for i, seed in enumerate((0, 0, 1)):
        config = tiny_config(root, loop__seed=seed)
        reports = []
        run(config, RunFolder(tmp_path / str(i), config), reports)
        losses.append([report.losses.mean for report in reports])
    assert losses[0] == losses[1] != losses[2]


def test_two_engines_side_by_side_do_not_disturb_each_other(root):
    config = tiny_config(root, network__dropout=0.4)
    data = tiny_module(config)
    alone = SingleEngine()
    alone.join(0, config)
    expected = [alone.train_epoch(data)[0].mean for _ in range(2)]
    one, other = SingleEngine(), SingleEngine()
    one.join(0, config)
    other.join(0, tiny_config(root, network__dropout=0.1, loop__seed=5))
    found = []
    for _ in range(2):
        found.append(one.train_epoch(data)[0].mean)
        other.train_epoch(data)
    assert found == expected


def test_training_lowers_the_error(root, tmp_path):
    config = tiny_config(root, loop__epochs=15, loop__batch=16, optim__lr=4e-3, network__dropout=0.0)
    reports = []
    run(config, RunFolder(tmp_path / "run", config), reports)
    assert reports[-1].losses.mean < 0.2 * reports[0].losses.mean


def test_a_divergence_is_reported_with_its_step_and_leaves_the_last_sound_state(root, tmp_path):
    config = tiny_config(root, optim__lr=1e30, optim__clip=0.0, loop__epochs=4)
    folder, reports = RunFolder(tmp_path / "run", config), []
    run(config, folder, reports)
    assert "at step" in reports[-1].losses.diverged
    assert reports[-1].metrics == {}
    assert not folder.latest.exists() or load_state(folder.latest)["epoch"] == len(reports) - 1


def test_clipping_takes_its_value(root):
    """With plain SGD-like reasoning: Adam's first step is lr * sign, so compare the second moments, which scale."""
    moments = []
    for clip in (0.0, 1e-3, 2e-3):
        config = tiny_config(root, optim__clip=clip, network__dropout=0.0, loop__batch=100_000)
        engine = SingleEngine()
        engine.join(0, config)
        engine.train_epoch(tiny_module(config))
        averages = engine.state(0)["moments"]["exp_avg"]
        moments.append(math.sqrt(sum(float((average**2).sum()) for average in averages.values())) * 10)
    assert moments[1] == pytest.approx(1e-3, rel=1e-3)  # float32 sums over the parameters
    assert moments[2] == pytest.approx(2e-3, rel=1e-3)
    assert moments[0] > 2e-3


def test_the_rate_is_the_published_staircase():
    config = OptimConfig(lr=1e-3, lr_decay=0.9, lr_decay_steps=50_000)
    first, before, at, later, second = learning_rates(config, torch.tensor([1, 49_999, 50_000, 99_999, 100_000]), 10, 1)
    assert first == pytest.approx(0.999998e-3, rel=1e-6)
    assert before == first
    assert at == later == pytest.approx(0.9e-3)
    assert second == pytest.approx(0.81e-3)


def test_the_rate_falls_once_an_epoch_where_that_is_the_rule():
    config = OptimConfig(lr=4e-5, lr_decay=0.99, lr_decay_by="epochs")
    rates = learning_rates(config, torch.tensor([1, 10, 11, 20, 21]), 10, 1)
    assert rates.tolist() == pytest.approx([4e-5, 4e-5, 3.96e-5, 3.96e-5, 3.9204e-5])


def test_the_rate_falls_behind_a_share_of_the_epochs_where_that_is_the_rule():
    config = OptimConfig(lr=1e-4, lr_decay=0.1, lr_decay_by="share")
    rates = learning_rates(config, torch.tensor([1, 49, 50, 99, 100]), 10, 10)
    # As published: a step that ends an epoch counts to the next one, so the very last one has a rate of its own.
    assert rates.tolist() == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6])
    odd = learning_rates(config, torch.tensor([24, 25, 29]), 10, 5)  # half of five epochs
    assert odd.tolist() == pytest.approx([1e-4, 1e-4, 1e-4])
    assert learning_rates(config, torch.tensor([30]), 10, 5).item() == pytest.approx(1e-5)


def test_parts_of_a_batch_make_the_step_of_the_batch(root):
    losses, weights = [], []
    for accumulate in (1, 3, 10):
        config = tiny_config(root, loop__batch=10, loop__accumulate=accumulate, **dict.fromkeys(RATES, 0.0))
        engine = SingleEngine(dtype=torch.float64)
        engine.join(0, config)
        module = tiny_module(config, dtype=torch.float64)
        losses.append([engine.train_epoch(module)[0].mean for _ in range(2)])
        weights.append(engine.export(0))
    # The loss is a mean over samples; only the order of its sums differs, in float64.
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    assert losses[2] == pytest.approx(losses[0], rel=1e-12)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-9)


def test_an_engine_splits_a_batch_further_at_the_same_config(root):
    whole = tiny_config(root, loop__accumulate=2, **dict.fromkeys(RATES, 0.0))
    split = tiny_config(root, loop__accumulate=6, **dict.fromkeys(RATES, 0.0))
    engines = [SingleEngine(parts=3), SingleEngine()]
    for engine, config in zip(engines, (whole, split), strict=True):
        engine.join(0, config)
        engine.train_epoch(tiny_module(config))
    assert engines[0].rehearse(tiny_module(whole)) == engines[1].rehearse(tiny_module(split)) == 6
    for name, value in engines[1].export(0).items():
        assert torch.equal(engines[0].export(0)[name], value), name


def test_parts_of_a_batch_draw_masks_of_their_own_and_are_no_lane(root):
    config = tiny_config(root, loop__accumulate=2)
    assert "loop.accumulate" in config.traits.unfusable
    stream = Stream()
    drawn = []
    for part in (0, 1, 0):
        stream.begin(torch.tensor(7), part=part)
        drawn.append(stream.bits(100, torch.device("cpu")))
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    with pytest.raises(ConfigError, match=r"accumulate = 33 must be at most loop.batch = 32"):
        tiny_config(root, loop__accumulate=33)


def test_a_rehearsal_leaves_no_trace_and_tells_the_memory(root, monkeypatch):
    config, module = tiny_config(root), tiny_module(tiny_config(root))
    plain, rehearsed = SingleEngine(), SingleEngine()
    for engine in (plain, rehearsed):
        engine.join(0, config)
    assert memory_line(rehearsed, config, module) == ""  # a small network
    monkeypatch.setattr(memory, "WORTH_TELLING", 0)
    line = memory_line(rehearsed, config, module)
    assert re.fullmatch(r"memory on cpu: \d+\.\d of \d+\.\d GiB, with 32 samples at a time, .*", line)
    first, second = (engine.train_epoch(module)[0].mean for engine in (plain, rehearsed))
    assert first == second
    one, other = plain.export(0), rehearsed.export(0)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_metric_of_another_model_cannot_select(root):
    with pytest.raises(ConfigError, match=r"loop.select = val/mpvpe_mm is no metric of graformer; it has val/mpjpe_mm"):
        tiny_config(root, loop__select="val/mpvpe_mm")


def test_the_best_epoch_is_the_lowest_or_the_last_as_the_config_says(root):
    for keep, expected in (("lowest", [True, False, False, False]), ("last", [True, True, False, True])):
        engine = SingleEngine()
        engine.join(0, tiny_config(root, loop__keep=keep))
        found = []
        for score in (50.0, 60.0, math.nan, 55.0):
            found.append(engine.report(0, Losses(1.0, 1e-3, ""), {"val/mpjpe_mm": score}).is_best)
        assert found == expected


def test_a_folder_of_another_config_is_refused(root, tmp_path):
    config = tiny_config(root)
    folder = RunFolder(tmp_path / "run", config)
    folder.begin()
    other = tiny_config(root, optim__lr=0.01)
    with pytest.raises(ConfigError, match="choose another --out"):
        RunFolder(tmp_path / "run", other).resume_state()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty"):
        RunFolder(tmp_path / "mine", config).resume_state()


def test_weights_go_only_into_the_network_that_made_them(root, tmp_path):
    config = tiny_config(root)
    folder = RunFolder(tmp_path / "run", config)
    run(config, folder)
    model = registry.get("graformer")
    network = model.build(config.network, config.data.sizes)
    facts = load_into(network, folder.best, config)
    assert facts["epoch"] >= 1
    other_heads = tiny_config(root, network__heads=4)
    with pytest.raises(ConfigError, match=r"network\.heads = 2 in the weights, 4 in the config"):
        load_into(model.build(other_heads.network, other_heads.data.sizes), folder.best, other_heads)


def test_init_starts_from_weights_with_a_fresh_optimizer(root, tmp_path):
    config = tiny_config(root)
    first = RunFolder(tmp_path / "first", config)
    run(config, first)
    tensors, _, _ = load_weights(first.best)
    reports = []
    second = tiny_config(root, loop__epochs=1)
    run(second, RunFolder(tmp_path / "second", second), reports, weights=tensors)
    fresh = []
    run(second, RunFolder(tmp_path / "fresh", second), fresh)
    assert reports[0].losses.mean < fresh[0].losses.mean
    assert load_state(tmp_path / "second" / "latest" / "state.pt")["step"] > 0


def test_a_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_state(path)
