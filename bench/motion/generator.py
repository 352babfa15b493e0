"""Frames of synthetic motion per second on one core.

python bench/motion/generator.py --frames 200000
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, Python looks beside it only

from data.synthetic.poses.motion import motion


def main() -> None:
    parser = argparse.ArgumentParser(description="Frames of synthetic motion per second on one core.")
    parser.add_argument("--frames", type=int, default=200_000, help="frames in all (default: %(default)s)")
    parser.add_argument("--clip", type=int, default=240, help="frames per clip (default: %(default)s)")
    parser.add_argument("--skeleton", choices=("h36m", "cmu"), default="h36m")
    arguments = parser.parse_args()
    count = max(1, round(arguments.frames / arguments.clip))
    motion(0, 0, 0, arguments.clip, skeleton=arguments.skeleton)
    wall, cpu = time.perf_counter(), time.process_time()
    for clip in range(count):
        motion(0, clip % 8, clip, arguments.clip, skeleton=arguments.skeleton)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    frames = count * arguments.clip
    print(f"python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, one thread")
    print(f"{frames:,} frames in clips of {arguments.clip}, skeleton {arguments.skeleton}")
    print(f"{frames / cpu:,.0f} frames/s of process time ({cpu:.2f} s), {frames / wall:,.0f} frames/s of wall time")


if __name__ == "__main__":
    main()
