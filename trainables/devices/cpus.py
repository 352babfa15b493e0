"""The number of CPUs that this process may use: the CPU affinity mask and the cgroup CPU quota of a container."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def num_cpus() -> int:
    """Returns the CPUs that this process may use at a time, at least 1: those of its affinity mask, which lies within
    the cpuset of its cgroup (`taskset`, SLURM, `docker --cpuset-cpus`), or fewer where a cgroup quota (`docker --cpus`,
    Kubernetes limits) allows fewer."""
    has_mask = hasattr(os, "sched_getaffinity")  # Linux only
    count = len(os.sched_getaffinity(0)) if has_mask else os.cpu_count() or 1
    quota = cgroup_quota()
    return count if quota is None else max(1, min(count, int(quota)))


def cgroup_quota(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float | None:
    """Returns the CPUs that the tightest quota of this process's cgroup and those above it allows, of version 2
    (`cpu.max`) or version 1 (`cpu.cfs_quota_us`); None where there is no limit, or no cgroups."""
    limits = []
    for line in _lines(own):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 1 is mounted below the name of one controller, or of all that share it.
        bases = {root / "cpu", root / controllers} if controllers else {root}
        # In a container the path may be that on the host, of which only the root is visible.
        inside = Path(path.lstrip("/"))
        folders = [base / at for base in bases for at in (inside, *inside.parents)]
        limits += [limit for folder in folders if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _limit(folder: Path) -> float | None:
    words = _words(folder / "cpu.max") or _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None  # "max" or -1: no limit
    return int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
