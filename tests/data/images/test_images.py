"""Crops in batches: what they hold, their order, what reads ahead, and the mirror."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule, mirror_batch
from data.formats.poses import h36m
from data.formats.source import split_of
from tests.made.images import FIELDS, cut_directly, every, opened
from tests.made.small import tiny_config, tiny_module, write_tiny
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine

STILL = dict.fromkeys(("network__dropout", "network__attention_dropout", "network__graph_dropout"), 0.0)


def test_a_batch_holds_what_its_images_show(stored):
    module = opened(stored)
    batch = every(module)
    pixels, points = cut_directly(stored, "train")
    assert batch.image.dtype == torch.uint8
    assert module.sizes.crop == (64, 32)
    np.testing.assert_array_equal(batch.image[:, 0].numpy(), pixels)
    # float32 of numbers around 1
    np.testing.assert_allclose(batch.crop2d[:, 0, 0].numpy(), points, atol=1e-6)
    assert batch.pose3d.shape == (16, 1, 17, 3)
    assert module.sources["image"].count("train") == 16


def test_samples_are_the_same_in_any_order_and_the_reader_ahead_changes_nothing(stored):
    module = opened(stored)
    whole = every(module)
    seen = torch.zeros(16, dtype=torch.bool)
    for index, own, size in module.batches("train", 3, 0, 5):
        assert own == size
        batch = module.gather("train", index, FIELDS)
        seen[index] = True
        for name in FIELDS:
            assert torch.equal(getattr(batch, name), getattr(whole, name)[index]), name
    assert seen.all()


def test_wrong_expectations_cost_nothing_but_time(stored):
    module = opened(stored)
    whole = every(module)
    for first in range(6):
        module.expect("train", torch.arange(first, first + 2))
    assert len(module.sources["image"]._ahead._coming) == 2  # no more than the memory of two batches
    index = torch.tensor((9, 3))
    for _ in range(2):
        assert torch.equal(module.gather("train", index, FIELDS).image, whole.image[index])
    assert not module.sources["image"]._ahead._coming


def test_scoring_reads_ahead(stored):
    module = opened(stored)
    reader = module.sources["image"]
    first = module.gather("val", torch.arange(2), FIELDS)
    assert len(reader._ahead._coming) == 1
    second = module.gather("val", torch.arange(2, 4), FIELDS)
    whole = every(module, "val")
    assert torch.equal(torch.cat((first.image, second.image)), whole.image[:4])


def test_a_mirror_seen_in_a_mirror_is_the_thing_itself(stored):
    module = opened(stored)
    batch, skeleton = every(module), module.sizes.skeleton
    once = mirror_batch(batch, skeleton)
    twice = mirror_batch(once, skeleton)
    for name in FIELDS:
        # Units of a crop are negated and shifted by a number that float32 does not hold exactly.
        torch.testing.assert_close(getattr(twice, name), getattr(batch, name), atol=1e-6, rtol=0)
        assert torch.equal(getattr(once, name), getattr(module.gather("train", torch.arange(16), FIELDS, mirrored=True),
                                                        name))  # fmt: skip
    pixels, mirrored = (((points.crop2d[..., 0] + 1) * 16) for points in (batch, once))
    right, left = skeleton.right[2], skeleton.left[2]
    # x of the mirrored crop is X - x - 1, and the joint on the other side is there.
    torch.testing.assert_close(mirrored[..., left], 32 - pixels[..., right] - 1, atol=1e-4, rtol=0)
    assert torch.equal(once.image, batch.image.flip(-1))


def test_every_sample_can_be_trained_on_twice_mirrored(stored):
    plain, module = every(opened(stored)), opened(stored, flip=True)
    assert module.count("train") == 32
    batch = every(module)
    first = opened(stored).gather("train", torch.arange(7), FIELDS, mirrored=True)
    assert torch.equal(batch.image[:7], plain.image[:7])
    assert torch.equal(batch.image[7:14], first.image)
    assert torch.equal(batch.crop2d[7:14], first.crop2d)


def test_a_coin_mirrors_whole_batches(stored):
    module, plain = opened(stored, flip=True, flip_by="batches"), opened(stored)
    assert module.count("train") == 16
    coins = []
    for epoch in range(1, 9):
        batches = list(module.batches("train", epoch, 0, 5))
        whole = module.order("train", epoch, 0, 5)
        assert torch.equal(torch.cat([index for index, _, _ in batches]), whole)
        assert torch.equal(whole % 16, plain.order("train", epoch, 0))
        for index, _, _ in batches:
            is_mirrored = bool(index[0] >= 16)
            assert ((index >= 16) == is_mirrored).all()
            coins.append(is_mirrored)
            expected = plain.gather("train", index % 16, FIELDS, mirrored=is_mirrored)
            batch = module.gather("train", index, FIELDS)
            for name in FIELDS:
                assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    assert 8 <= sum(coins) <= 24  # of 32 tosses; fewer or more come once in 2,000 seeds
    assert torch.equal(module.order("train", 2, 7, 5), module.order("train", 2, 7, 5))


def test_ranks_see_the_coins_of_the_whole_batch(stored):
    alone = opened(stored, flip=True, flip_by="batches")
    ranks = [opened(stored, flip=True, flip_by="batches", shard=(rank, 2)) for rank in range(2)]
    for whole, *parts in zip(*(module.batches("train", 1, 0, 4) for module in (alone, *ranks)), strict=True):
        assert torch.equal(torch.cat([index for index, _, _ in parts]), whole[0])


def test_values_of_a_source_go_into_the_batch_as_they_are(stored):
    class Maps:
        def expect(self, part, rows):
            pass

        def fetch(self, part, rows, is_mirrored):
            assert is_mirrored is None
            return rows[..., None].float()

    module = opened(stored)
    module.sources["features"] = Maps()
    index = torch.tensor((5, 2))
    assert module.gather("train", index, ("features",)).features.tolist() == [[[5.0]], [[2.0]]]


def test_batches_are_read_before_they_are_asked_for(stored):
    module = opened(stored)
    reader = module.sources["image"]
    threads = []
    read = reader._read

    def told(*arguments):
        threads.append(threading.current_thread() is threading.main_thread())
        return read(*arguments)

    reader._read = told
    for index, _, _ in module.batches("train", 1, 0, 4):
        module.gather("train", index, FIELDS)
    assert len(threads) > 2
    assert not any(threads)


def test_both_engines_mirror_the_same_batches(tmp_path):
    """The array splits the order itself; two lanes of other seeds have coins of their own."""
    write_tiny(tmp_path, frames=14)
    configs = [
        tiny_config(tmp_path, loop__batch=8, loop__seed=seed, data__flip=True, data__flip_by="batches", **STILL)
        for seed in (0, 5)
    ]
    data = tiny_module(configs[0], dtype=torch.float64)
    array = FusedEngine(2, dtype=torch.float64)
    for lane, config in enumerate(configs):
        array.join(lane, config)
    together = array.train_epoch(data)
    for lane, config in enumerate(configs):
        engine = SingleEngine(dtype=torch.float64)
        engine.join(0, config)
        # Sums of float64 in another order.
        assert engine.train_epoch(data)[0].mean == pytest.approx(together[lane].mean, rel=1e-9)
    plain = dataclasses.replace(configs[0].data, flip=False)
    unflipped = DataModule(h36m.read(tmp_path, "tiny", "gt", joints=16), split_of(plain), plain, dtype=torch.float64)
    engine = SingleEngine(dtype=torch.float64)
    engine.join(0, configs[0])
    assert abs(engine.train_epoch(unflipped)[0].mean - together[0].mean) > 1e-5
