#!/usr/bin/env bash
# Whether processes that are forked of one that has loaded Ray draw ids of their own.
#
# Ray 2.60.0 (Python 3.11), Linux. A process forks others, as a server of warm workers does, or multiprocessing by its
# usual way on Linux, and each draws an id of Ray's in a thread of its own. Expected: all ids differ, as tasks, objects
# and actors are known by them.
# Seen: they differ after `import ray`, and are the same in every fork after `import ray.tune`: an actor class, which
# some of its modules define, draws an id, and the first draw seeds a generator whose state the forks share. Two workers
# of a group that were made so submitted tasks with one id; the process of the actor that got both ended itself.
#
# Fails if the ids differ after `import ray.tune`, or are the same after `import ray`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'ray[tune]==2.60.0'
cd "$folder"
cat > drawn.py <<'PY'
"""Imports the module that is named and prints the ids that two forks draw."""

import importlib
import os
import sys
import threading

importlib.import_module(sys.argv[1])
UniqueID = importlib.import_module("ray").UniqueID


def draw():
    print(UniqueID.from_random().hex(), flush=True)


for _ in range(2):
    if not os.fork():
        thread = threading.Thread(target=draw)
        thread.start()
        thread.join()
        os._exit(0)
    os.wait()
PY
count() { "$folder/venv/bin/python" drawn.py "$1" 2>/dev/null | sort -u | wc -l; }
ray=$(count ray) tune=$(count ray.tune)
echo "different ids of two forks: $ray after import ray, $tune after import ray.tune"
test "$ray" -eq 2
test "$tune" -eq 1
echo "as stated"
