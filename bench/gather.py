"""Samples per second that the data module gathers on one core: python bench/gather.py

Single frames and windows, shuffled batches of 1,024 out of a set as large as the CMU training split.
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
from data.formats.h36m import h36m_cameras
from data.module import DataModule
from data.poseset import PoseSet, Sequence
from data.skeleton import H36M_17
from data.splits import Split
from spaces.table import text_table

READS = ("pose2d", "pose3d")


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


def rate(module: DataModule, batch: int, seconds: float) -> float:
    """Samples per second over whole epochs, the order of samples included."""
    done, epoch, started = 0, 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        epoch += 1
        for index, _, _ in module.batches("train", epoch, 0, batch):
            done += module.gather("train", index, READS).size
    return done / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row, after one second of warm-up")
    options = parser.parse_args()
    torch.set_num_threads(1)
    poses = noise_set(clips=120, frames=540)
    split = Split(name="noise", set="noise", train=("S1",), val=(), test=())
    rows = []
    for frames, flip in ((1, False), (1, True), (27, False), (81, False)):
        config = DataConfig(name="noise", frames=frames, flip=flip)
        module = DataModule(poses, split, config, parts=("train",))
        rate(module, options.batch, 1.0)
        rows.append([frames, "yes" if flip else "no", f"{rate(module, options.batch, options.seconds) / 1e6:.2f} M/s"])
    print(f"torch {torch.__version__}, {platform.machine()}, one thread, batch {options.batch}")
    print(text_table(["frames", "flip", "samples"], rows))


if __name__ == "__main__":
    main()
