"""Resources of a trial (workers, CPUs, GPUs), and the reservation of this machine's resources between concurrent
sweeps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from spaces.errors import ConfigError

from .claim_files import claims_folder, lay_claim, live_claims, open_claims
from .gpus import Gpu, share_out


@dataclass(frozen=True, slots=True)
class Demand:
    """Resources of one trial or run: number of workers, and CPUs and GPUs of each."""

    workers: int
    cpus: float
    gpus: float

    @property
    def total(self) -> dict[str, float]:
        """Returns the CPUs and GPUs of all workers."""
        return {"CPU": self.workers * self.cpus, "GPU": self.workers * self.gpus}

    def fits(self, free: dict[str, float]) -> int:
        """Computes how many such demands fit into the free CPUs and GPUs at once."""
        return min(math.floor(free.get(kind, 0.0) / need + 1e-9) for kind, need in self.total.items() if need)

    def __str__(self) -> str:
        each = f"{self.cpus:g} CPU and {self.gpus:g} GPU"
        return each if self.workers == 1 else f"{self.workers} workers with {each} each"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Requested resources of a sweep or run. `cpus`, `gpus`: of each worker (gpus None: 1 where there are GPUs);
    `at_a_time`: most concurrent trials (None: as many as fit); `who`: name in messages."""

    who: str
    workers: int
    cpus: float
    gpus: float | None
    at_a_time: int | None
    is_sweep: bool = True

    def demand(self, *, has_gpus: bool) -> Demand:
        """Returns the demand of one trial. `has_gpus`: whether the machine or cluster has GPUs."""
        return Demand(self.workers, self.cpus, float(has_gpus) if self.gpus is None else self.gpus)


@dataclass(frozen=True, slots=True)
class Share:
    """Part of this machine that a sweep or run may use: `at_a_time`, trials at once; `gpus`, the GPUs for them."""

    at_a_time: int
    gpus: tuple[Gpu, ...]


def most_at_a_time(
    demand: Demand, wish: Wish, free: dict[str, float], have: dict[str, float], others: list[str]
) -> int:
    """Computes how many trials run at once on the free CPUs and GPUs. `have`: all there are; `others`: who uses the
    rest, for the message. ConfigError, with figures, if not one fits."""
    count = demand.fits(free)
    if count < 1:
        raise _no_room(demand, free, have, others)
    return min(count, wish.at_a_time or count)


def _no_room(demand: Demand, free: dict[str, float], have: dict[str, float], others: list[str]) -> ConfigError:
    here = f"{have.get('CPU', 0):g} CPU and {have.get('GPU', 0):g} GPU here"
    left = f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU free"
    who = f" (in use: {', '.join(others)})" if others else ""
    remedy = "wait, give others a smaller --concurrent, or lower --workers, --cpus-per-worker or --gpus-per-worker"
    return ConfigError("resources", [f"a trial needs {demand}; {here}, {left}{who}; {remedy}"])


@contextmanager
def claimed_share(demand: Demand, wish: Wish, cpus: float, gpus: Sequence[Gpu]) -> Iterator[Share]:
    """Reserves CPUs and GPUs of this machine against other sweeps of this user for the duration of the block; yields
    them and the number of trials that run at once. `cpus`, `gpus`: those that this process may use. ConfigError if not
    one trial fits. A run that is no sweep reserves nothing, and takes the GPUs that sweeps use least.

    Every sweep has a Ray instance of its own that knows nothing of the others, so each writes its claim to a file that
    it keeps locked."""
    claim: tuple[str, int] | None = None
    with open_claims() if wish.is_sweep or gpus else nullcontext() as folder:
        taken = [] if folder is None else live_claims(folder)
        free_gpus = {gpu.identity: 1 - sum(one["gpus"].get(gpu.identity, 0.0) for one in taken) for gpu in gpus}
        have = {"CPU": cpus, "GPU": float(len(gpus))}
        free = {"CPU": cpus - sum(one["CPU"] for one in taken), "GPU": sum(free_gpus.values())}
        others = [f"{one['who']} {one['CPU']:g} CPU and {one['GPU']:g} GPU" for one in taken]
        if not wish.is_sweep:
            free_gpus = dict.fromkeys(sorted(free_gpus, key=free_gpus.__getitem__, reverse=True), 1.0)
            free, others = have, []
        count, shares = most_at_a_time(demand, wish, free, have, others), dict[str, float]()
        if demand.gpus:
            count, shares = share_out(demand.workers, demand.gpus, count, free_gpus)
            if count < 1:
                raise _no_room(demand, free, have, others)
        if wish.is_sweep and folder is not None:
            total = {kind: need * count for kind, need in demand.total.items()}
            claim = lay_claim(folder, {"who": wish.who, **total, "gpus": shares})
    try:
        yield Share(count, tuple(gpu for gpu in gpus if gpu.identity in shares))
    finally:
        if claim is not None:
            with suppress(OSError):
                os.unlink(claims_folder() / claim[0])
            os.close(claim[1])
