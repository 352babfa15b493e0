"""Classifies the exceptions of an attempt: faults of the machine, which end it as lost, or of the trial itself."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ray.exceptions import OutOfDiskError, RayError, RayTaskError

from spaces.errors import one_line

from ..record.coding import to_text
from ..record.records import GPU_MEMORY, LOST, MACHINE, PROCESS, STORAGE, EndRow
from .mirror import MirrorError

# The disk takes nothing more, whichever trial writes.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_MACHINE = {
    *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT, errno.EPIPE),
    *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTCONN),
}
# Written in Rust and C++, safetensors and torch put the system's error into a text.
_CODE = re.compile(r"Os \{ code: (\d+)|os error (\d+)")
_NO_MEMORY = re.compile(r"DefaultCPUAllocator|can't allocate memory|Cannot allocate memory|bad_alloc")
_DEVICE = re.compile(r"CUDA error|NCCL|PytorchStreamWriter failed")
# What torch raises in the other ranks of a group, on CPUs, when the process of one has died: often earlier than Ray
# finds it dead.
_PEER = re.compile(r"gloo/transport|TCPStore")
# What Ray Train raises of a group that does not come up, or stands still; by name, as only `group` imports it.
_OF_THE_GROUP = {
    *("WorkerGroupStartupFailedError", "WorkerGroupStartupTimeoutError", "WorkerHealthCheckTimeoutError"),
    *("CollectiveTimeoutError", "BroadcastCollectiveTimeoutError"),
}
REASON_CHARACTERS = 300


class Loss(NamedTuple):
    """Fault of the machine. `cause`: one of `records.CAUSES`; `reason`: one line."""

    cause: str
    reason: str


def loss_of(error: BaseException) -> Loss | None:
    """Classifies an exception together with those it was raised from. Returns None if the trial itself is at fault: in
    a group, if that of any rank is, as the other ranks then lose their connections to it."""
    ranks = [rank for one in _chain(error) for rank in _ranks(one)]
    if any(all(_loss(one) is None for one in _chain(rank)) for rank in ranks):
        return None
    return next((loss for one in _chain(error) if (loss := _loss(one)) is not None), None)


def report_of(trial: int, loss: Loss) -> dict[str, str]:
    """Builds the report that ends an attempt at `trial` as lost."""
    return {"report": to_text(EndRow(trial=trial, state=LOST, epoch=0, reason=loss.reason, cause=loss.cause))}


@contextmanager
def losses_reported(trial: int, send: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Runs the block, an attempt at `trial`, and sends a report that ends it as lost if the machine makes it raise. Any
    other exception is raised on."""
    try:
        yield
    except Exception as error:
        loss = loss_of(error)
        if loss is None:
            raise
        send(report_of(trial, loss))


def _ranks(error: BaseException) -> Iterable[BaseException]:
    """Lists what each rank of a group raised, as Ray Train keeps it."""
    ranks = getattr(error, "worker_failures", None)
    return ranks.values() if isinstance(ranks, dict) else ()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterates over an exception and all that it was raised from or wraps, the outermost first."""
    waiting: list[object] = [error]
    seen: list[object] = []
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        # Ray keeps what the task raised, Ray Train what each rank and the controller raised, and how a rank died.
        waiting += [getattr(one, name, None) for name in ("cause", "controller_failure", "health_check_failure")]
        waiting += [*_ranks(one), one.__cause__, one.__context__]


def _loss(error: BaseException) -> Loss | None:
    text, reason = " ".join(str(error).split()), one_line(error)
    # By its name, as the process that starts trials has no torch.
    if any(kind.__module__.startswith("torch") and kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return Loss(GPU_MEMORY, f"out of GPU memory: {text}"[:REASON_CHARACTERS])
    if isinstance(error, MemoryError) or _NO_MEMORY.search(text):
        return Loss(PROCESS, f"out of memory: {reason}"[:REASON_CHARACTERS])
    if isinstance(error, MirrorError):
        return Loss(MACHINE, text[:REASON_CHARACTERS])
    if isinstance(error, OutOfDiskError):
        return Loss(STORAGE, f"no space left for Ray's objects: {text}"[:REASON_CHARACTERS])
    code = _code_of(error, text)
    if code in _FULL:
        return Loss(STORAGE, os.strerror(code).lower())
    if code in _MACHINE or (isinstance(error, RuntimeError) and _DEVICE.search(text)):
        return Loss(MACHINE, reason)
    if isinstance(error, RuntimeError) and _PEER.search(text):
        return Loss(PROCESS, f"another process of its group died: {text}"[:REASON_CHARACTERS])
    if type(error).__name__ in _OF_THE_GROUP:
        return Loss(MACHINE, f"its group: {text}"[:REASON_CHARACTERS])
    if isinstance(error, RayError) and not isinstance(error, RayTaskError):
        return Loss(PROCESS, f"its process died: {text}"[:REASON_CHARACTERS])
    return None


def _code_of(error: BaseException, text: str) -> int:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _CODE.search(text)
    return int(found[1] or found[2]) if found is not None else 0
