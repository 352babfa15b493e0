#!/usr/bin/env bash
# How OpenSim reads a TRC file in which a marker was not seen in a frame, so that its three fields are empty.
#
# opensim 4.6 (Python 3.11). Expected: wherever the marker stands in the row, its place is nan in that frame.
# Seen: so it is for every marker but the last. Where the last one is missing, the row, whose number of tabs is right, counts
# as one field too short, and the whole file is refused. One more tab at the end of such a row, which makes it a field
# too long, is read as meant.
#
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opensim==4.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import math
import sys

import opensim

HEAD = (
    "PathFileType\t4\t(X/Y/Z)\twalk.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    "50\t50\t3\t2\tmm\t50\t1\t3\nFrame#\tTime\thip\t\t\tfoot\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n"
)


def read(second):
    rows = ["1\t0.00\t1\t2\t3\t4\t5\t6", second, "3\t0.04\t1\t2\t3\t4\t5\t6"]
    with open("walk.trc", "w") as file:
        file.write(HEAD + "".join(f"{row}\n" for row in rows))
    try:
        table = opensim.TimeSeriesTableVec3("walk.trc")
    except RuntimeError as error:
        return next(part.strip() for part in str(error).split("\n")[0].split(". ") if "Received" in part)
    row = table.getRowAtIndex(1)
    return [marker for at, marker in enumerate(("hip", "foot")) if math.isnan(row[at][0])]


found = {
    "hip missing": read("2\t0.02\t\t\t\t4\t5\t6"),
    "foot missing": read("2\t0.02\t1\t2\t3\t\t\t"),
    "foot missing, one more tab": read("2\t0.02\t1\t2\t3\t\t\t\t"),
}
for row, answer in found.items():
    print(f"{row}: {answer}")
expected = {
    "hip missing": ["hip"],
    "foot missing": "Received = 7",
    "foot missing, one more tab": ["foot"],
}
sys.exit(found != expected)
PY
echo "as stated"
