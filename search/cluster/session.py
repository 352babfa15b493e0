"""Ray sessions: start our own Ray instance or join a cluster, and compute how many trials fit."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import ray
import torch

from spaces.errors import ConfigError, one_line
from trainables.devices.cpus import num_cpus

from ..environment.variables import LOOPBACK, ROOT
from .addresses import check_address, no_cluster
from .claims import Demand, Wish, claimed_share, most_at_a_time
from .folders import quoted_commands, ray_folder, worker_environment
from .guard import hush
from .ports import free_ports, settled_ports

SLOT = "trial_slot"  # a resource of our own for light trial drivers, so that they take no share of a CPU
STARTS = 2  # of a Ray of our own: on a busy machine the first may come too late
SHARE = 0.01  # CPU of such a driver on a cluster without slots


@contextmanager
def ray_session(address: str | None, wish: Wish) -> Iterator[tuple[Demand, int]]:
    """Starts our own Ray on this machine (`address` None), for a sweep on what other sweeps have not claimed, or joins
    the cluster at `address`; shuts down or disconnects at the end of the block.

    Yields the demand of one trial and the number of trials that run at once. ConfigError, with figures, if not one
    fits, or if no cluster answers."""
    # Ray's worker processes import our packages from the repository, wherever they start.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    hush()
    with ExitStack() as stack:
        if address is None:
            have = {"CPU": float(num_cpus()), "GPU": float(torch.cuda.device_count())}
            demand = wish.demand(has_gpus=have["GPU"] >= 1)
            # One run that somebody asks for by name may share the machine; sweeps, which take all of it, may not.
            if wish.is_sweep:
                at_a_time = stack.enter_context(claimed_share(demand, wish, have))
            else:
                at_a_time = most_at_a_time(demand, wish, have, have, [])
            folder = stack.enter_context(ray_folder())
            stack.callback(ray.shutdown)
            _start_own(max(1, math.ceil(at_a_time * demand.total["CPU"])), wish.in_groups, folder)
        else:
            join(address)
            stack.callback(ray.shutdown)
            free, have = ray.available_resources(), ray.cluster_resources()
            demand = wish.demand(has_gpus=have.get("GPU", 0.0) >= 1)
            at_a_time = most_at_a_time(demand, wish, free, have, [])
        yield demand, at_a_time


def _start_own(num_cpus: int, for_groups: bool, folder: str | None) -> None:
    """Starts our own Ray instance, on loopback only; a second time if the first fails. `for_groups`: trials run in Ray
    Train worker groups; `folder`: for Ray's files (None: Ray's own choice). ConfigError if it does not start.

    Ray Train releases the resources of a stopped worker group through the dashboard of the single Ray that it finds on
    this host. So groups need the dashboard, and an explicit address, as other instances may be running."""
    for start in range(1, STARTS + 1):
        try:
            _start_once(num_cpus, for_groups, folder)
        except Exception as error:  # Ray raises what its processes, sockets and files raise
            ray.shutdown()
            fault = one_line(error)
            if start == STARTS:
                remedy = "see what it lacks (python -m search doctor --ray), or free CPUs and memory and run it again"
                raise ConfigError("Ray", [f"did not start on this machine: {fault}; {remedy}"]) from None
            print(f"Ray did not start ({fault}); trying once more", file=sys.stderr, flush=True)
        else:
            return


def _start_once(num_cpus: int, for_groups: bool, folder: str | None) -> None:
    (port,) = free_ports(1)
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    groups: dict[str, object] = {"env_vars": {"RAY_ADDRESS": f"{LOOPBACK}:{port}"}}
    try:
        with quoted_commands(), settled_ports() as metrics_port:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                resources={SLOT: 1000.0},
                include_dashboard=for_groups,
                dashboard_host=LOOPBACK,
                runtime_env=worker_environment() | (groups if for_groups else {}) or None,
                _temp_dir=folder,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address=LOOPBACK,
                _metrics_export_port=metrics_port,
            )
    finally:
        del os.environ["RAY_GCS_SERVER_PORT"]


def join(address: str) -> None:
    """Connects to the running Ray cluster at `address`. ConfigError if none answers, or it refuses us."""
    check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of connections, tokens and versions
        ray.shutdown()
        raise no_cluster(address, one_line(error)) from None
