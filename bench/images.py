"""Images drawn, decoded and cropped, and crops read, on one core; memory at two sizes: python bench/images.py

Every size is a process of its own: memory is the most that it ever had, beyond what torch alone takes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from data.config import DataConfig
from data.batches.poses import DataModule
from data.formats.source import read_poses
from data.synthetic.images.images import NAME, write_images
from spaces.table import text_table

FIELDS = ("image", "crop2d", "pose2d", "pose3d")
BATCH = 64
STEP = 0.3  # seconds that a step of the small network takes with such a batch


def measure(root: str, count: int, height: int, width: int) -> list[object]:
    """One row, of a set that is there."""
    torch.set_num_threads(1)
    torch.zeros(1).sum()
    before = most_memory()
    config = DataConfig(name=NAME, root=root, flip=True, flip_by="batches", crop_height=height, crop_width=width)
    poses, split = read_poses(config, ("train", "val"))
    process = time.process_time()
    module = DataModule(poses, split, config)
    made = module.count("train") + module.count("val")
    decoded = made / (time.process_time() - process)
    source = module.sources["image"]
    read = epoch(module, 1, 0.0)
    waited = source.waited
    started = time.perf_counter()
    epoch(module, 2, STEP, steps=12)
    share = (source.waited - waited) / (time.perf_counter() - started)
    row = f"{height} x {width}", f"{decoded:.0f}/s", f"{read:.0f}/s", f"{share:.2%}", f"{most_memory() - before:.0f} MB"
    return [count, *row]


def epoch(module: DataModule, number: int, pause: float, steps: int | None = None) -> float:
    """Images per second of process time; `pause` stands for the work of a step."""
    done, started = 0, time.process_time()
    for at, (index, _, _) in enumerate(module.batches("train", number, 0, BATCH)):
        if at == steps:
            break
        done += module.gather("train", index, FIELDS).size
        time.sleep(pause)
    return done / (time.process_time() - started)


def most_memory() -> float:
    """The largest resident memory of this process so far, in MB. Not getrusage: that one begins with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 4000], help="sizes of the set")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in options.images:
            root = Path(folder) / str(count)
            (root / NAME).mkdir(parents=True)
            started = time.process_time()
            write_images(root / NAME, 0, count)
            print(f"{count} images drawn: {count / (time.process_time() - started):.0f} per second of process time")
            for crop in ((256, 192), (128, 96)):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    rows.append(pool.apply(measure, (str(root), count, *crop)))
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, one thread")
    print(text_table(["images", "crop", "decoded and cropped", "read", "of a step waited", "memory"], rows))


if __name__ == "__main__":
    main()
