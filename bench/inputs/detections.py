"""What reading and following detections takes and how right it is: python bench/inputs/detections.py

Files of OpenPose of 100,000 frames are written to a temporary folder and read; two people of real motion who cross are
followed; a detector's jitter on real motion is smoothed. The last two need ../shared/data/real.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from data.formats.pickles import read_object
from data.inputs.smoothing import smoothed
from spaces.table import text_table
from tests.made.detected.crossing import crossing, identity, real_walks
from tests.made.detected.files import person

REAL = ROOT.parent / "shared" / "data" / "real"
FPS = 50


def written(folder: Path, frames: int, people: int) -> Path:
    """Writes a folder as OpenPose does, people side by side who walk to and fro."""
    tracks = [person(200, at=(300.0 + 500 * at, 360.0), layout="body25", count=25) for at in range(people)]
    rows = np.concatenate((np.stack(tracks, 1), np.full((200, people, 25, 1), 0.8)), -1).round(3)
    empty = {f"{part}_keypoints_{axes}": [] for part in ("face", "hand_left", "hand_right") for axes in ("2d", "3d")}
    for number in range(frames):
        at = number % 400
        poses = rows[at if at < 200 else 399 - at].reshape(people, -1).tolist()
        found = [{"person_id": [-1], "pose_keypoints_2d": pose, **empty} for pose in poses]
        name = f"walk_{number:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": found}))
    return folder


# Run in a process that imports nothing else: prints process time, memory in MB at most, frames, and joints not found.
READING = """
import resource, sys, time
from pathlib import Path
from data.inputs.keypoints import Told, read_keypoints
started = time.process_time()
found = read_keypoints(Path(sys.argv[1]), Told(width=1920, height=1080, fps=50))
taken = time.process_time() - started
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(taken, most, len(found.points), (found.points != found.points).sum())
"""


def read(folder: Path) -> tuple[float, float, int]:
    """Process time, memory in MB at most, and frames of a folder."""
    words = [sys.executable, "-c", READING, str(folder)]
    told = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert told[3] == "0", told
    return float(told[0]), float(told[1]), int(told[2])


def smoothing() -> tuple[float, ...]:
    """Error and jitter of a detector on real motion, pixels, before and after."""
    contents: list[Any] = [read_object(REAL / f"data_2d_cmu_{source}.npz", "positions_2d") for source in ("gt", "det")]
    true, found = contents
    rows = []
    for subject, actions in true.items():
        action = next(iter(actions))
        pixels, noisy = (files[subject][action][0][:600].astype(np.float64) for files in (true, found))
        calm = smoothed(noisy, FPS)
        errors = [np.linalg.norm(one - pixels, axis=-1).mean() for one in (noisy, calm)]
        jitter = [np.linalg.norm(np.diff(one, 2, axis=0), axis=-1).mean() for one in (noisy, calm, pixels)]
        rows.append((*errors, *jitter))
    return tuple(np.mean(rows, 0).tolist())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--scenes", type=int, default=60)
    options = parser.parse_args()
    table = []
    for people in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            seconds, megabytes, frames = read(written(Path(folder), options.frames, people))
        table.append((f"{frames:,} frames of {people}, OpenPose", f"{seconds:.1f} s, {megabytes:.0f} MB at most"))
    if REAL.is_dir():
        clips, rigs = real_walks(REAL)
        right = wrong = whole = 0
        for seed in range(options.scenes):
            for people in crossing(np.random.default_rng(seed), clips, rigs[seed % len(rigs)]):
                own, other = identity(people)
                right, wrong, whole = right + own, wrong + other, whole + (other == 0)
        share = (
            f"{right / (right + wrong):.2%} of the detections, {whole} of {4 * options.scenes} clips without a fault"
        )
        table.append(("two real people who cross, right one followed", share))
        before, after, shaking, calm, true = smoothing()
        told = (
            f"{before:.2f} -> {after:.2f} px from the truth, jitter {shaking:.2f} -> {calm:.2f} (truth {true:.2f}) px"
        )
        table.append(("One-Euro filter on detections of real motion", told))
    print(text_table(("what", "figure"), table))


if __name__ == "__main__":
    main()
