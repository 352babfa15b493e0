"""Ray started quietly, what it offers, and what sweeps on this machine have claimed of it."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
import torch

from spaces.errors import ConfigError

from ..environment.variables import LOOPBACK, ROOT

SLOT = "trial_slot"  # a resource of our own for light trial drivers, so that they take no share of a CPU
CONNECT_S = 10.0
CLAIMS = "POSESWEEP_CLAIMS"  # environment: another folder for claims, so that some sweeps do not count others
SHARE = 0.01  # CPU of such a driver on a cluster without slots


@dataclass(frozen=True, slots=True)
class Demand:
    """What one trial or run takes: workers, and the CPUs and GPUs of each."""

    workers: int
    cpus: float
    gpus: float

    @property
    def total(self) -> dict[str, float]:
        """CPUs and GPUs of all workers."""
        return {"CPU": self.workers * self.cpus, "GPU": self.workers * self.gpus}

    def fits(self, free: dict[str, float]) -> int:
        """How many of these fit at once."""
        return min(math.floor(free.get(kind, 0.0) / need + 1e-9) for kind, need in self.total.items() if need)

    def __str__(self) -> str:
        each = f"{self.cpus:g} CPU and {self.gpus:g} GPU"
        return each if self.workers == 1 else f"{self.workers} workers with {each} each"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a sweep or run asks for. gpus None: one a worker where there are any; at_a_time None: all that fit."""

    who: str
    workers: int
    cpus: float
    gpus: float | None
    at_a_time: int | None
    in_groups: bool
    is_sweep: bool = True

    def demand(self, *, has_gpus: bool) -> Demand:
        """The demand of one trial."""
        return Demand(self.workers, self.cpus, float(has_gpus) if self.gpus is None else self.gpus)


@contextmanager
def ray_session(address: str | None, wish: Wish) -> Iterator[tuple[Demand, int]]:
    """Ray ready for trials: a Ray of our own on what is free of this machine, or the running cluster at `address`.

    Yields a trial's demand and how many run at a time. ConfigError, with figures, when not one fits."""
    # Ray's worker processes import our packages from the repository, wherever they start.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    with ExitStack() as stack:
        if address is None:
            have = {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}
            demand = wish.demand(has_gpus=have["GPU"] >= 1)
            # One run that somebody asks for by name may share the machine; sweeps, which take all of it, may not.
            if wish.is_sweep:
                at_a_time = stack.enter_context(_claim(demand, wish, have))
            else:
                at_a_time = _at_a_time(demand, wish, have, have, [])
            _start_own(max(1, math.ceil(at_a_time * demand.total["CPU"])), wish.in_groups)
            stack.callback(ray.shutdown)
        else:
            join(address)
            stack.callback(ray.shutdown)
            free, have = ray.available_resources(), ray.cluster_resources()
            demand = wish.demand(has_gpus=have.get("GPU", 0.0) >= 1)
            at_a_time = _at_a_time(demand, wish, free, have, [])
        yield demand, at_a_time


def _start_own(num_cpus: int, for_groups: bool) -> None:
    """A Ray of our own, on loopback only.

    Ray Train frees what a stopped worker group held through the dashboard of the one Ray it finds on this host. So
    groups need the dashboard, and an address to look for, as there may be others."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            resources={SLOT: 1000.0},
            include_dashboard=for_groups,
            dashboard_host=LOOPBACK,
            runtime_env={"env_vars": {"RAY_ADDRESS": f"{LOOPBACK}:{port}"}} if for_groups else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address=LOOPBACK,
        )
    finally:
        del os.environ["RAY_GCS_SERVER_PORT"]


def join(address: str) -> None:
    """Connects to the running cluster at `address`; ConfigError where none answers."""
    try:
        host, _, port = address.rpartition(":")
        if host and port.isdecimal():
            # Where nothing listens Ray would wait for minutes.
            socket.create_connection((host.rpartition("/")[2], int(port)), timeout=CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except OSError as error:  # ConnectionError is one; no such host and no answer in time are others
        raise ConfigError(f"--address {address}", [f"no Ray cluster answers: {error}"]) from None


def _at_a_time(demand: Demand, wish: Wish, free: dict[str, float], have: dict[str, float], others: list[str]) -> int:
    count = demand.fits(free)
    if count < 1:
        here = f"{have.get('CPU', 0):g} CPU and {have.get('GPU', 0):g} GPU here"
        left = f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU free"
        who = f" (in use: {', '.join(others)})" if others else ""
        remedy = "wait, give others a smaller --concurrent, or lower --workers, --cpus-per-worker or --gpus-per-worker"
        raise ConfigError("resources", [f"a trial needs {demand}; {here}, {left}{who}; {remedy}"])
    return min(count, wish.at_a_time or count)


@contextmanager
def _claim(demand: Demand, wish: Wish, have: dict[str, float]) -> Iterator[int]:
    """Reserves a share of this machine against other sweeps of this user for as long as this process lives.

    Each of them has a Ray of its own, which knows nothing of the others; so each writes what it takes into a file that
    it keeps locked, and a lock dies with its process."""
    folder = Path(os.environ.get(CLAIMS) or Path(tempfile.gettempdir(), f"posesweep-{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "lock", "w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        taken = _live_claims(folder)
        free = {kind: amount - sum(claim[kind] for claim in taken) for kind, amount in have.items()}
        others = [f"{claim['who']} {claim['CPU']:g} CPU and {claim['GPU']:g} GPU" for claim in taken]
        count = _at_a_time(demand, wish, free, have, others)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".claim")
        file = os.fdopen(handle, "w")
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({"who": wish.who, **{kind: need * count for kind, need in demand.total.items()}}, file)
        file.flush()
    try:
        yield count
    finally:
        Path(name).unlink(missing_ok=True)
        file.close()


def _live_claims(folder: Path) -> list[dict[str, float]]:
    """What is claimed by processes that still run; files of others are taken away."""
    found = []
    for path in folder.glob("*.claim"):
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(json.load(file))
            else:
                path.unlink()
    return found
