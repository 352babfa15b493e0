"""Ray sessions: start our own Ray instance or join a cluster, and compute how many trials fit."""

from __future__ import annotations

import functools
import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import worker

from spaces.errors import ConfigError, InputError, one_line
from spaces.loading import all_kept
from trainables.devices.cpus import num_cpus

from ..environment.variables import ARENAS, LOOPBACK, RAY, ROOT, is_job
from .addresses import check_address, no_cluster
from .claims import Demand, Wish, claimed_share, most_at_a_time
from .folders import quoted_commands, ray_folder, worker_environment
from .gpus import only_visible, visible_gpus
from .guard import hush
from .orphans import marked, no_orphans
from .ports import free_ports, settled_services
from .sessions import remove_session
from .token import tell_token

SLOT = "trial_slot"  # a resource of our own for light trial drivers, so that they take no share of a CPU
LOOPBACK_INTERFACE = "lo0" if sys.platform == "darwin" else "lo"
SHARE = 0.01  # CPU of such a driver on a cluster without slots


@contextmanager
def ray_session(
    address: str | None, wish: Wish, worker_program: Path | None = None, *, has_environments: bool = True
) -> Iterator[tuple[Demand, int, Path | None]]:
    """Starts our own Ray on this machine (`address` None), for a sweep on what other sweeps have not claimed, or joins
    the cluster at `address`; shuts down or disconnects at the end of the block.

    Yields the demand of one trial, the number of trials that run at once, and the session folder of our own Ray, which
    stays at the end of the block (None on a cluster). ConfigError, with figures, if not one fits, or if no cluster
    answers, or this process uses a Ray already.

    `worker_program`, `has_environments`: as of `settled_services`, for a Ray of our own."""
    if ray.is_initialized():
        remedy = "leave it first with ray.shutdown(); a sweep joins a cluster by --address"
        raise ConfigError("Ray", [f"this process is connected to a Ray already; {remedy}"])
    # Ray's worker processes import our packages from the repository, wherever they start.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    hush()
    session = None
    with ExitStack() as stack:
        if address is None:
            gpus = visible_gpus()
            demand = wish.demand(has_gpus=bool(gpus))
            # One run that somebody asks for by name may share the machine; sweeps, which take all of it, may not.
            share = stack.enter_context(claimed_share(demand, wish, float(num_cpus()), gpus))
            at_a_time = share.at_a_time
            # What this process itself computes on a GPU, it computes on these, too.
            stack.enter_context(only_visible(share.gpus))
            folder = stack.enter_context(ray_folder())
            num_cpus_used = max(1, math.ceil(at_a_time * demand.total["CPU"]))
            mark = stack.enter_context(no_orphans())
            stack.callback(_shut_down)  # where the start is interrupted
            with marked(mark):
                session = start_own(
                    num_cpus_used, len(share.gpus), folder, worker_program, has_environments=has_environments
                )
            stack.push(functools.partial(_after_refusal, session))
            stack.callback(_shut_down, has_own_workers=worker_program is None)
        else:
            join(address)
            stack.callback(_shut_down)
            free, have = ray.available_resources(), ray.cluster_resources()
            demand = wish.demand(has_gpus=have.get("GPU", 0.0) >= 1)
            at_a_time = most_at_a_time(demand, wish, free, have, [])
        yield demand, at_a_time, session


def _shut_down(*, has_own_workers: bool = True) -> None:
    """Shuts Ray down, or leaves the cluster, while no garbage is collected: Ray 2.60 ends this whole process if another
    thread frees an object of Ray's at that moment.

    `has_own_workers`: Ray makes the workers. Where somebody else makes and ends them its processes are killed at once:
    asked to end they take a second, and are killed then."""
    own = vars(worker)["_global_node"]
    if own is not None and not has_own_workers:
        kill = own.kill_all_processes
        own.kill_all_processes = lambda **options: kill(**{**options, "allow_graceful": False})
    with all_kept():
        ray.shutdown()


def _after_refusal(folder: Path, kind: type[BaseException] | None, *rest: object) -> None:
    """Removes the session folder if the block was left by an InputError: nothing was trained then."""
    if kind is not None and issubclass(kind, InputError):
        remove_session(folder)


def start_own(
    num_cpus: int,
    num_gpus: int,
    folder: str | None,
    worker_program: Path | None = None,
    *,
    has_environments: bool = True,
) -> Path:
    """Starts our own Ray instance, on loopback only and with a token; a second time if the first fails, as on a busy
    machine. Returns its session folder. ConfigError if it does not start.

    `folder`: for Ray's files (None: Ray's own choice); `worker_program`, `has_environments`: as of
    `settled_services`."""
    tell_token(may_make=True)
    # Ranks of a group find each other on this machine: torch's backends would take the first interface.
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, LOOPBACK_INTERFACE)
    settled = functools.partial(
        settled_services, worker_program, has_environments=has_environments or bool(worker_environment())
    )
    try:
        return _start_once(num_cpus, num_gpus, folder, settled())
    except Exception as error:  # Ray raises what its processes, sockets and files raise
        ray.shutdown()
        print(f"Ray did not start ({one_line(error)}); trying once more", file=sys.stderr, flush=True)
    try:
        return _start_once(num_cpus, num_gpus, folder, settled())
    except Exception as error:
        ray.shutdown()
        remedy = "see what it lacks (python -m search doctor --ray), or free CPUs and memory and run it again"
        raise ConfigError("Ray", [f"did not start on this machine: {one_line(error)}; {remedy}"]) from None


def _start_once(num_cpus: int, num_gpus: int, folder: str | None, settled: AbstractContextManager[int]) -> Path:
    (port,) = free_ports(1)
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    try:
        with quoted_commands(), settled as metrics_port:
            context: Any = ray.init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                resources={SLOT: 1000.0},
                include_dashboard=False,
                runtime_env=worker_environment() or None,
                _temp_dir=folder,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address=LOOPBACK,
                _metrics_export_port=metrics_port,
            )
    finally:
        del os.environ["RAY_GCS_SERVER_PORT"]
    return Path(context.address_info["session_dir"])


def join(address: str) -> None:
    """Connects to the running Ray cluster at `address`. ConfigError if none answers, or it refuses us."""
    tell_token(may_make=False)
    check_address(address)
    # The cluster's processes have the environment of `ray start`. A job has its own, beside which Ray takes no other.
    given = None if is_job() else {"env_vars": {ARENAS: os.environ.get(ARENAS, RAY[ARENAS])}}
    try:
        ray.init(address=address, runtime_env=given, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of connections, tokens and versions
        ray.shutdown()
        raise no_cluster(address, one_line(error)) from None
