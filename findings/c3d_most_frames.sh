#!/usr/bin/env bash
# How many frames a C3D file holds, to the libraries that write and read it.
#
# ezc3d 1.7.2 and c3d 0.6.0 (Python 3.11, numpy 2.4.6). The header counts frames in 16 bits, so 65,535 is the most that a
# file holds without further parameters. Expected: ezc3d refuses more, or says so; c3d reads 65,535.
# Seen: ezc3d writes all points of 70,000 frames, with a header and a POINT:FRAMES of 65,535, and reads 65,535 back,
# both without a word. c3d reads every frame of a file of 65,534, and not one of a file of 65,535: it adds 1 to the
# number of the last frame in 16 bits. All that shows is numpy's warning of an overflow.
#
# Fails if the counts change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import os
import sys

import c3d
import ezc3d
import numpy as np


def write(frames):
    file, points = ezc3d.c3d(), np.ones((4, 1, frames))
    points[0, 0] = np.arange(frames)
    file["parameters"]["POINT"]["RATE"]["value"] = [50.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["hip"]
    file["data"]["points"] = points
    file.write("walk.c3d")
    return os.path.getsize("walk.c3d") // 16  # bytes of a frame with one point


def read_by_ezc3d():
    return ezc3d.c3d("walk.c3d")["data"]["points"].shape[2]


def read_by_c3d():
    with open("walk.c3d", "rb") as file:
        return sum(1 for _ in c3d.Reader(file).read_frames())


found = {}
for frames in (65_534, 65_535, 70_000):
    holds_all = write(frames) >= frames
    found[frames] = (holds_all, read_by_ezc3d(), read_by_c3d())
    print(f"{frames} frames written, all points in the file: {holds_all}; ezc3d reads {found[frames][1]}, c3d {found[frames][2]}")
sys.exit(found != {65_534: (True, 65_534, 65_534), 65_535: (True, 65_535, 0), 70_000: (True, 65_535, 0)})
PY
echo "as stated"
