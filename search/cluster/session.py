"""Ray sessions: start our own Ray instance or join a cluster, and compute how many trials fit."""

from __future__ import annotations

import functools
import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
import torch

from spaces.errors import ConfigError, InputError
from trainables.devices.cpus import num_cpus

from ..environment.variables import LOOPBACK, ROOT
from .claims import Demand, Wish, claimed_share, most_at_a_time
from .ports import free_ports, settled_ports
from .sessions import remove_session

SLOT = "trial_slot"  # a resource of our own for light trial drivers, so that they take no share of a CPU
CONNECT_S = 10.0
SHARE = 0.01  # CPU of such a driver on a cluster without slots


@contextmanager
def ray_session(address: str | None, wish: Wish) -> Iterator[tuple[Demand, int, Path | None]]:
    """Starts our own Ray on this machine (`address` None), for a sweep on what other sweeps have not claimed, or joins
    the cluster at `address`; shuts down or disconnects at the end of the block.

    Yields the demand of one trial, the number of trials that run at once, and the session folder of our own Ray, which
    stays at the end of the block (None on a cluster). ConfigError, with figures, if not one fits, or if no cluster
    answers."""
    # Ray's worker processes import our packages from the repository, wherever they start.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    folder = None
    with ExitStack() as stack:
        if address is None:
            have = {"CPU": float(num_cpus()), "GPU": float(torch.cuda.device_count())}
            demand = wish.demand(has_gpus=have["GPU"] >= 1)
            # One run that somebody asks for by name may share the machine; sweeps, which take all of it, may not.
            if wish.is_sweep:
                at_a_time = stack.enter_context(claimed_share(demand, wish, have))
            else:
                at_a_time = most_at_a_time(demand, wish, have, have, [])
            folder = _start_own(max(1, math.ceil(at_a_time * demand.total["CPU"])), wish.in_groups)
            stack.push(functools.partial(_after_refusal, folder))
            stack.callback(ray.shutdown)
        else:
            join(address)
            stack.callback(ray.shutdown)
            free, have = ray.available_resources(), ray.cluster_resources()
            demand = wish.demand(has_gpus=have.get("GPU", 0.0) >= 1)
            at_a_time = most_at_a_time(demand, wish, free, have, [])
        yield demand, at_a_time, folder


def _after_refusal(folder: Path, kind: type[BaseException] | None, *rest: object) -> None:
    """Removes the session folder if the block was left by an InputError: nothing was trained then."""
    if kind is not None and issubclass(kind, InputError):
        remove_session(folder)


def _start_own(num_cpus: int, for_groups: bool) -> Path:
    """Starts our own Ray instance, on loopback only, and returns its session folder. `for_groups`: trials run in Ray
    Train worker groups.

    Ray Train releases the resources of a stopped worker group through the dashboard of the single Ray that it finds on
    this host. So groups need the dashboard, and an explicit address, as other instances may be running."""
    (port,) = free_ports(1)
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    try:
        with settled_ports() as metrics_port:
            context: Any = ray.init(
                address="local",
                num_cpus=num_cpus,
                resources={SLOT: 1000.0},
                include_dashboard=for_groups,
                dashboard_host=LOOPBACK,
                runtime_env={"env_vars": {"RAY_ADDRESS": f"{LOOPBACK}:{port}"}} if for_groups else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address=LOOPBACK,
                _metrics_export_port=metrics_port,
            )
    finally:
        del os.environ["RAY_GCS_SERVER_PORT"]
    return Path(context.address_info["session_dir"])


def join(address: str) -> None:
    """Connects to the running Ray cluster at `address`. ConfigError if none answers."""
    try:
        host, _, port = address.rpartition(":")
        if host and port.isdecimal():
            # Where nothing listens Ray would wait for minutes.
            socket.create_connection((host.rpartition("/")[2], int(port)), timeout=CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except OSError as error:  # ConnectionError is one; no such host and no answer in time are others
        raise ConfigError(f"--address {address}", [f"no Ray cluster answers: {error}"]) from None
