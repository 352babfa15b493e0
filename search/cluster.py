"""Ray started quietly, and what it offers."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from spaces.schema import ConfigError

from .plan import SweepConfig

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def ray_session(address: str | None, cpus: int | None = None) -> Iterator[None]:
    """A Ray of our own on this machine, or the running cluster at `address`; shut down or left at the end."""
    # Ray's worker processes import our packages from the repository, wherever they start.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConfigError(f"--address {address}", [f"no Ray cluster answers: {error}"]) from None
    try:
        yield
    finally:
        ray.shutdown()


def places(sweep: SweepConfig) -> tuple[int, float, float]:
    """Trials at a time, and the CPUs and GPUs of each; ConfigError when not even one fits, with the figures."""
    have = ray.cluster_resources()
    gpus_here = have.get("GPU", 0.0)
    gpus = sweep.gpus_per_worker if sweep.gpus_per_worker is not None else float(gpus_here >= 1)
    cpus = sweep.cpus_per_worker
    fit_cpu = math.floor(have.get("CPU", 0.0) / cpus)
    fit_gpu = math.floor(gpus_here / gpus) if gpus else fit_cpu
    if min(fit_cpu, fit_gpu) < 1:
        needs = f"a trial needs {cpus:g} CPU and {gpus:g} GPU, Ray has {have.get('CPU', 0):g} CPU and {gpus_here:g} GPU"
        raise ConfigError("launch", [f"{needs}; lower --cpus-per-worker or --gpus-per-worker"])
    return min(fit_cpu, fit_gpu, sweep.concurrent or fit_cpu), cpus, gpus
