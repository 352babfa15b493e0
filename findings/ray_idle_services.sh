#!/usr/bin/env bash
# Which processes a local Ray starts when it is told to leave the dashboard and the forwarding of log lines out.
#
# Ray 2.60.0 (Python 3.11, Linux). Expected of ray.init(include_dashboard=False, log_to_driver=False): servers and agents
# of one node, and nothing for a dashboard, for log lines or for autoscaling, which one node cannot do.
# Seen: dashboard.py runs all the same, with --modules-to-load=UsageStatsHead --disable-frontend, even where usage
# statistics are switched off; log_monitor.py runs, whose lines nobody reads; monitor.py, the autoscaler, runs. They are
# three of seven processes before the first worker, each an interpreter that imports Ray, and ray.init waits for the
# first of them.
#
# Fails if one of the three is gone, or the dashboard is started in another way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[default]==2.60.0" psutil==7.1.3
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" -W ignore - <<'PY'
import logging
import pathlib

import psutil
import ray

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
found = {}
for process in psutil.Process().children(recursive=True):
    words = process.cmdline()
    for name in ("gcs_server", "raylet", "dashboard.py", "log_monitor.py", "monitor.py"):
        if any(pathlib.Path(word).name == name for word in words[:3]):
            found[name] = words
ray.shutdown()
print("\n".join(sorted(found)))
assert {"gcs_server", "raylet", "dashboard.py", "log_monitor.py", "monitor.py"} <= set(found), sorted(found)
assert {"--modules-to-load=UsageStatsHead", "--disable-frontend"} <= set(found["dashboard.py"]), found["dashboard.py"]
PY
echo "as described"
