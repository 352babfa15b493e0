"""Resources of a trial (workers, CPUs, GPUs), and the reservation of this machine's resources between concurrent
sweeps."""

from __future__ import annotations

import fcntl
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

CLAIMS = "POSESWEEP_CLAIMS"  # environment: another folder for claims, so that some sweeps do not count others


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
    `at_a_time`: most concurrent trials (None: as many as fit); `in_groups`: trials run in Ray Train groups; `who`: name
    in messages."""

    who: str
    workers: int
    cpus: float
    gpus: float | None
    at_a_time: int | None
    in_groups: bool
    is_sweep: bool = True

    def demand(self, *, has_gpus: bool) -> Demand:
        """Returns the demand of one trial. `has_gpus`: whether the machine or cluster has GPUs."""
        return Demand(self.workers, self.cpus, float(has_gpus) if self.gpus is None else self.gpus)


def most_at_a_time(
    demand: Demand, wish: Wish, free: dict[str, float], have: dict[str, float], others: list[str]
) -> int:
    count = demand.fits(free)
    if count < 1:
        here = f"{have.get('CPU', 0):g} CPU and {have.get('GPU', 0):g} GPU here"
        left = f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU free"
        who = f" (in use: {', '.join(others)})" if others else ""
        remedy = "wait, give others a smaller --concurrent, or lower --workers, --cpus-per-worker or --gpus-per-worker"
        raise ConfigError("resources", [f"a trial needs {demand}; {here}, {left}{who}; {remedy}"])
    return min(count, wish.at_a_time or count)


@contextmanager
def claimed_share(demand: Demand, wish: Wish, have: dict[str, float]) -> Iterator[int]:
    """Reserves resources of this machine against other sweeps of this user for the duration of the block; yields the
    number of trials that run at once. ConfigError if not one fits.

    Every sweep has a Ray instance of its own that knows nothing of the others, so each writes its claim to a file that
    it keeps locked; the lock ends with its process. `have`: CPUs and GPUs of the machine."""
    folder = Path(os.environ.get(CLAIMS) or Path(tempfile.gettempdir(), f"posesweep-{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "lock", "w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        taken = _live_claims(folder)
        free = {kind: amount - sum(claim[kind] for claim in taken) for kind, amount in have.items()}
        others = [f"{claim['who']} {claim['CPU']:g} CPU and {claim['GPU']:g} GPU" for claim in taken]
        count = most_at_a_time(demand, wish, free, have, others)
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
    """Reads the claims of running processes and deletes the files of ended ones."""
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
