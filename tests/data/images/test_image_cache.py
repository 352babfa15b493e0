"""The cache of crops: when it is made again, what it survives, and images that cannot be read."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import DataError
from data.formats.images.h36m_images import IMAGES
from data.images import building, crops
from tests import ROOT
from tests.made.images import FIELDS, SHOTS, cut_directly, every, opened


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the set, without a cache, to be changed."""
    shutil.copytree(stored / "synthetic_images", tmp_path / "synthetic_images")
    return tmp_path


def a_file(root, number=1):
    return next((root / "synthetic_images" / IMAGES / "s_01_act_02_subact_01_ca_01").glob(f"*_{number:06d}.jpg"))


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
sys.path[:0] = {[str(ROOT), str(ROOT / "tests")]!r}
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


def test_clips_that_lose_every_frame_are_left_out_and_losing_all_is_told(own):
    lengths = sorted(SHOTS.values())
    assert lengths[0] < lengths[-1]
    share = 0.4 / lengths[0]  # of the shortest clip less than half a frame stays
    module = opened(own, subset=share)
    assert 0 < module.count("train") < opened(own).count("train")
    with pytest.raises(DataError, match=r"no image of train is left; look at the images, raise data\.subset"):
        opened(own, subset=0.4 / lengths[-1])
