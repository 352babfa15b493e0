"""Ray sessions: start our own Ray instance or join a cluster, and compute how many trials fit."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import ray

from spaces.errors import ConfigError
from trainables.devices.cpus import num_cpus

from ..environment.store import redacted
from ..environment.variables import LOOPBACK, ROOT
from .claims import Demand, Wish, claimed_share, most_at_a_time
from .gpus import only_visible, visible_gpus
from .ports import free_ports, settled_ports
from .token import tell_token

SLOT = "trial_slot"  # a resource of our own for light trial drivers, so that they take no share of a CPU
CONNECT_S = 10.0
LOOPBACK_INTERFACE = "lo0" if sys.platform == "darwin" else "lo"
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
    with ExitStack() as stack:
        if address is None:
            gpus = visible_gpus()
            demand = wish.demand(has_gpus=bool(gpus))
            # One run that somebody asks for by name may share the machine; sweeps, which take all of it, may not.
            share = stack.enter_context(claimed_share(demand, wish, float(num_cpus()), gpus))
            at_a_time = share.at_a_time
            # What this process itself computes on a GPU, it computes on these, too.
            stack.enter_context(only_visible(share.gpus))
            start_own(max(1, math.ceil(at_a_time * demand.total["CPU"])), len(share.gpus), for_groups=wish.in_groups)
            stack.callback(ray.shutdown)
        else:
            join(address)
            stack.callback(ray.shutdown)
            free, have = ray.available_resources(), ray.cluster_resources()
            demand = wish.demand(has_gpus=have.get("GPU", 0.0) >= 1)
            at_a_time = most_at_a_time(demand, wish, free, have, [])
        yield demand, at_a_time


def start_own(num_cpus: int, num_gpus: int, *, for_groups: bool) -> None:
    """Starts our own Ray instance, on loopback only and with a token. `for_groups`: trials run in Ray Train worker
    groups.

    Ray Train releases the resources of a stopped worker group through the dashboard of the single Ray that it finds on
    this host. So groups need the dashboard, and an explicit address, as other instances may be running."""
    tell_token(may_make=True)
    # Ranks of a group find each other on this machine: torch's backends would take the first interface.
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, LOOPBACK_INTERFACE)
    (port,) = free_ports(1)
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    try:
        with settled_ports() as metrics_port:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=num_gpus,
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


def join(address: str) -> None:
    """Connects to the running Ray cluster at `address`. ConfigError if none answers."""
    tell_token(may_make=False)
    try:
        host, _, port = address.rpartition(":")
        if host and port.isdecimal():
            # Where nothing listens Ray would wait for minutes.
            socket.create_connection((host.rpartition("/")[2], int(port)), timeout=CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except OSError as error:  # ConnectionError is one; no such host and no answer in time are others
        raise ConfigError(
            f"--address {redacted(address)}", [f"no Ray cluster answers: {redacted(str(error))}"]
        ) from None
