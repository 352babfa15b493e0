"""Crops in batches: the cache, the order, the mirror, and images that cannot be read."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule, mirror_batch
from data.errors import DataError
from data.formats.images.h36m_images import IMAGES
from data.formats.poses import h36m
from data.formats.source import read_poses, split_of
from data.images import building, crops
from tests import ROOT
from tests.made.images import SHOTS, made_images, opened, settings_for
from tests.made.small import tiny_config, tiny_module, write_tiny
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine

FIELDS = ("image", "crop2d", "pose2d", "pose3d")
STILL = dict.fromkeys(("network__dropout", "network__attention_dropout", "network__graph_dropout"), 0.0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A set and its cache, not to be changed."""
    root = tmp_path_factory.mktemp("images")
    made_images(root)
    return root


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the set, without a cache, to be changed."""
    shutil.copytree(stored / "synthetic_images", tmp_path / "synthetic_images")
    return tmp_path


def a_file(root, number=1):
    return next((root / "synthetic_images" / IMAGES / "s_01_act_02_subact_01_ca_01").glob(f"*_{number:06d}.jpg"))


def every(module, part="train"):
    return module.gather(part, torch.arange(module.count(part)), FIELDS)


def cut_directly(root, part):
    """The crops of a split, and the keypoints in them, without cache or module."""
    settings = settings_for(root)
    poses, _ = read_poses(settings, (part,))
    pixels, points = [], []
    for clip in poses.sequences:
        track = clip.images[0]
        for frame in range(len(track.numbers)):
            matrix = crops.affine(track.center[frame], track.width_px[frame], *settings.sizes.crop)
            image = crops.decode(track.file(frame).read_bytes())
            pixels.append(crops.warp(image, matrix, *settings.sizes.crop).transpose(2, 0, 1))
            points.append(crops.moved(clip.pose2d[0][frame].astype(np.float64), matrix) / (16, 32) - 1)
    return np.stack(pixels), np.stack(points)


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


def test_a_second_module_reads_no_image_again(own):
    before = every(opened(own))
    shutil.copytree(own / "synthetic_images", own / "kept", copy_function=shutil.copy2)
    for path in (own / "synthetic_images").rglob("*.jpg"):
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))  # same size and, below, same time: only its pixels would tell
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (own / "synthetic_images" / IMAGES).rename(own / "zeros")
    shutil.copytree(own / "kept" / IMAGES, own / "synthetic_images" / IMAGES, copy_function=shutil.copy2)
    cached = {path: path.stat().st_mtime_ns for path in (own / "cache").rglob("*.crops")}
    after = every(opened(own))
    assert torch.equal(before.image, after.image)
    assert cached == {path: path.stat().st_mtime_ns for path in (own / "cache").rglob("*.crops")}


def test_a_changed_image_is_cut_again(own):
    before = every(opened(own))
    shutil.copyfile(a_file(own, 2), a_file(own, 1))
    os.utime(a_file(own, 1), ns=(1, 1))
    after = every(opened(own))
    assert not torch.equal(before.image[0], after.image[0])
    assert torch.equal(before.image[7:], after.image[7:])
    assert len(list((own / "cache").rglob("*.crops"))) == 4  # the old crops are gone


def test_other_crops_lie_beside_the_first_ones(own):
    module, larger = opened(own), opened(own, crop_height=96, crop_width=64)
    assert every(larger).image.shape == (16, 1, 3, 96, 64)
    assert every(module).image.shape == (16, 1, 3, 64, 32)
    assert module.sources["image"].fingerprint("train") != larger.sources["image"].fingerprint("train")
    assert module.sources["image"].fingerprint("train") == opened(own).sources["image"].fingerprint("train")


@pytest.mark.parametrize("share", [0.999, 0.5, 0])
def test_a_cache_that_was_cut_off_is_made_again(own, share):
    before = every(opened(own))
    path = sorted((own / "cache").rglob("*.crops"))[0]
    os.truncate(path, int(path.stat().st_size * share))
    assert torch.equal(every(opened(own)).image, before.image)


def test_a_cache_that_is_cut_off_in_use_is_told(own):
    module = opened(own)
    for path in (own / "cache").rglob("*.crops"):
        os.truncate(path, 10)
    with pytest.raises(DataError, match="cut off while it was in use; run again"):
        every(module)


def test_a_killed_build_leaves_nothing_that_is_taken_for_a_cache(own):
    code = f"""
import sys, time
sys.path[:0] = {[str(ROOT)]!r}
from data.images import building
from tests.made.images import opened
cut = building.cut
def slow(part, *task):
    found = cut(part, *task)
    print(part.name, flush=True)
    time.sleep(0.3)
    return found
building.cut = slow
opened({str(own)!r})
"""
    build = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with build:
        assert build.stdout.readline()
        assert build.stdout.readline()
        build.send_signal(signal.SIGKILL)
    assert len(list((own / "cache").rglob("*.part"))) == 1
    finished = {path: path.stat().st_mtime_ns for path in (own / "cache").rglob("*.crops")}
    assert len(finished) == 1
    np.testing.assert_array_equal(every(opened(own)).image[:, 0].numpy(), cut_directly(own, "train")[0])
    assert not list((own / "cache").rglob("*.part"))
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())  # what was whole stays


@pytest.mark.slow
def test_processes_make_the_same_crops_and_end_with_the_one_they_work_for(own, stored):
    assert torch.equal(every(opened(own, workers=1)).image, every(opened(stored)).image)
    code = f"""
import sys, time
sys.path[:0] = {[str(ROOT)]!r}
if __name__ == "__main__":
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from data.images.building import _die_with_parent
    import os
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=_die_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""
    script = own / "parent.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the process goes on without its parent"
        time.sleep(0.1)


def spoil_two(root):
    content = a_file(root, 2).read_bytes()
    a_file(root, 2).write_bytes(content[: len(content) // 2])
    a_file(root, 5).unlink()


def test_broken_and_missing_images_stop_a_run_by_name(own):
    spoil_two(own)
    for _ in range(2):  # the second time nothing is decoded again
        with pytest.raises(DataError) as error:
            opened(own)
        text = str(error.value)
        assert "2 images of synthetic_images" in text
        assert f"{a_file(own, 2)}: is no image, or cut off" in text
        assert "ca_01_000005.jpg: no such file" in text
        assert "data.broken_images=skip" in text


def test_a_run_can_go_on_without_broken_images(own, stored, capsys):
    spoil_two(own)
    module, whole = opened(own, broken_images="skip"), every(opened(stored))
    assert "going on without 2 images" in capsys.readouterr().err
    kept = torch.tensor([row for row in range(16) if row not in (1, 4)])
    batch = every(module)
    for name in FIELDS:
        assert torch.equal(getattr(batch, name), getattr(whole, name)[kept]), name
    assert module.count("train") == 14


def test_an_image_of_another_size_than_its_clip_is_broken(own):
    image = crops.decode(a_file(own, 3).read_bytes())
    image.resize((50, 48)).save(a_file(own, 3))
    with pytest.raises(DataError, match="is 50 x 48 pixels, others of its clip 100 x 96"):
        opened(own)


def test_a_thinned_training_set_needs_only_its_own_crops(own, stored):
    module = opened(own, downsample=2)
    assert module.sources["image"].count("train") == module.count("train") == 4 + 3 + 2
    assert module.count("val") == 6
    assert torch.equal(every(module).image, every(opened(stored)).image[torch.tensor((0, 2, 4, 6, 7, 9, 11, 12, 14))])


def test_who_reads_no_images_makes_no_cache(own):
    module = opened(own, reads=("pose2d", "pose3d"))
    assert module.sources == {}
    assert not list((own / "cache").rglob("*.crops"))
    assert module.gather("train", torch.arange(2), ("crop2d", "pose2d")).crop2d.shape == (2, 1, 1, 17, 2)


def test_a_disk_that_is_too_small_is_told_before_the_work(own, monkeypatch):
    monkeypatch.setattr(building.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(DataError, match=r"22 crops of 64 x 32, 0\.00 GB, .* name a folder on another disk"):
        opened(own)


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
        def fetch(self, part, rows, is_mirrored):
            assert is_mirrored is None
            return rows[..., None].float()

        def expect(self, part, rows):
            pass

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


def test_clips_that_lose_every_frame_are_left_out_and_losing_all_is_told(own):
    lengths = sorted(SHOTS.values())
    assert lengths[0] < lengths[-1]
    share = 0.4 / lengths[0]  # of the shortest clip less than half a frame stays
    module = opened(own, subset=share)
    assert 0 < module.count("train") < opened(own).count("train")
    with pytest.raises(DataError, match=r"no image of train is left; look at the images, raise data\.subset"):
        opened(own, subset=0.4 / lengths[-1])
