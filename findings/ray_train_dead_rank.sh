#!/usr/bin/env bash
# What Ray Train hands on of a rank whose process was killed.
#
# Ray 2.60.0 with torch 2.13.0, CPUs (gloo), Python 3.11, Linux. Expected: the exception that `fit` raises tells of the
# killed rank by a Ray exception (ActorDiedError), as such or as the cause of another, so that one knows a fault of the
# machine from one of the training function.
# Seen: the rank's entry in `worker_failures` is a WorkerHealthCheckFailedError, which is no RayError; it keeps the
# ActorDiedError in an attribute of its own, `health_check_failure`, and has neither `__cause__` nor `__context__`.
# The rank that lives has an entry beside it as soon as it waits for the other: a RuntimeError of gloo's about its
# connection, which looks like one of the training function.
#
# Fails if the killed rank's exception is another, or is chained.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[train]==2.60.0" torch==2.13.0 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import logging
import os
import signal
import time

import ray
import ray.train
import torch
from ray.exceptions import ActorDiedError, RayError
from ray.train.torch import TorchTrainer


def train(config):
    torch.distributed.all_reduce(torch.ones(1))
    if ray.train.get_context().get_world_rank() == 1:
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.all_reduce(torch.ones(1))


ray.init(num_cpus=2, logging_level=logging.CRITICAL, log_to_driver=False)
config = ray.train.RunConfig(name="run", storage_path=os.getcwd() + "/runs")
trainer = TorchTrainer(train, scaling_config=ray.train.ScalingConfig(num_workers=2), run_config=config)
try:
    trainer.fit()
except ray.train.WorkerGroupError as error:
    failures = error.worker_failures
ray.shutdown()
for rank, failure in sorted(failures.items()):
    print(f"rank {rank}: {type(failure).__name__}: {' '.join(str(failure).split())[:90]}")
killed = failures[1]
assert type(killed).__name__ == "WorkerHealthCheckFailedError", type(killed)
assert not isinstance(killed, RayError)
assert killed.__cause__ is None and killed.__context__ is None, (killed.__cause__, killed.__context__)
assert isinstance(killed.health_check_failure, ActorDiedError), killed.health_check_failure
if 0 in failures:
    assert "gloo" in str(failures[0]), failures[0]
PY
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore run.py
echo "as described"
