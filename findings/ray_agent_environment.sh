#!/usr/bin/env bash
# What /proc tells of the environment of Ray's agents.
#
# Ray 2.60.0 (Python 3.11, Linux). Expected: a process that Ray starts shows the environment it was started with in
# /proc/PID/environ, as the raylet does, so that one finds what belongs to a job by a variable that it was given.
# Seen: the raylet shows it all. Its two agents show it too until they are up; then they set their title
# (ray::DashboardAgent, ray::RuntimeEnvAgent), which is written over the first part of the environment, more than a
# kilobyte of it: variables are there one second and gone the next. Which ones depends on their order.
#
# Fails if an agent shows its whole environment, or the raylet does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[default]==2.60.0" psutil==7.1.3
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" -W ignore - <<'PY'
import logging
import os
import pathlib
import time

import psutil
import ray

given = {f"GIVEN_{number}": "x" * 20 for number in range(40)}
os.environ.update(given)
ray.init(num_cpus=1, logging_level=logging.ERROR)


def shown(process):
    parts = pathlib.Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    return sum(f"{name}={value}".encode() in parts for name, value in given.items())


deadline = time.monotonic() + 60
agents = {}
while len(agents) < 2 and time.monotonic() < deadline:
    time.sleep(0.5)
    for process in psutil.Process().children(recursive=True):
        title = " ".join(process.cmdline()).strip()
        if title in ("ray::DashboardAgent", "ray::RuntimeEnvAgent"):
            agents[title] = shown(process)
        elif pathlib.Path(title.split(" ")[0]).name == "raylet":
            raylet = shown(process)
ray.shutdown()
print("raylet:", raylet, "of", len(given), "variables;", agents)
assert raylet == len(given), raylet
assert len(agents) == 2 and all(number < len(given) for number in agents.values()), agents
PY
echo "as described"
