"""Samples per second that the data module gathers on one core: python bench/gather.py

Single frames, windows, windows in four views: shuffled batches of 1,024 from a set the size of CMU's training split.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from data.config import DataConfig
from data.formats.poses.h36m import h36m_cameras
from data.batches.poses import DataModule
from data.poses.poseset import PoseSet, Sequence
from data.poses.skeleton import H36M_17
from data.poses.splits import Split
from spaces.table import text_table

LIFTING, WINDOWED = ("pose2d", "pose3d"), ("pose2d", "window3d")


def noise_set(clips: int, frames: int) -> PoseSet:
    """Clips of noise, four views each: gathering does not look at values."""
    rng = np.random.default_rng(0)
    cameras = h36m_cameras()["S1"]
    made = []
    for number in range(clips):
        pose = rng.normal(size=(frames, 17, 3)).astype(np.float32)
        views = tuple(rng.uniform(0, 1000, (frames, 17, 2)).astype(np.float32) for _ in cameras)
        made.append(Sequence(subject="S1", action=f"Walking {number}", pose3d=pose, pose2d=views, cameras=cameras))
    return PoseSet(name="noise", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=tuple(made))


def rate(module: DataModule, reads: tuple[str, ...], batch: int, seconds: float) -> float:
    """Samples per second of process time over whole epochs, the order of samples included."""
    done, epoch, started = 0, 0, time.process_time()
    while time.process_time() - started < seconds:
        epoch += 1
        for index, _, _ in module.batches("train", epoch, 0, batch):
            done += module.gather("train", index, reads).size
    return done / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row, after one second of warm-up")
    options = parser.parse_args()
    torch.set_num_threads(1)
    poses = noise_set(clips=120, frames=540)
    split = Split(name="noise", set="noise", train=("S1",), val=(), test=())
    rows = []
    # SGraFormer's batches: four views, and the poses of the whole window.
    for frames, views, flip, reads in (
        (1, 1, False, LIFTING),
        (1, 1, True, LIFTING),
        (27, 1, False, LIFTING),
        (81, 1, False, LIFTING),
        (27, 4, False, WINDOWED),
    ):
        config = DataConfig(name="noise", frames=frames, views=views, flip=flip)
        module = DataModule(poses, split, config, parts=("train",))
        rate(module, reads, options.batch, 1.0)
        found = rate(module, reads, options.batch, options.seconds)
        rows.append([frames, views, "yes" if flip else "no", f"{found / 1e6:.3f} M/s"])
    print(f"torch {torch.__version__}, {platform.machine()}, one thread, batch {options.batch}")
    print(text_table(["frames", "views", "flip", "samples"], rows))


if __name__ == "__main__":
    main()
