"""What is a fault of the machine, and what of the trial."""

import errno
import os
import pickle

import pytest
import torch
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    BroadcastCollectiveTimeoutError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)

from search.executors.faults import loss_of, losses_reported
from search.executors.mirror import Mirror, MirrorError
from search.record.coding import from_text
from search.record.records import GPU_MEMORY, LOST, MACHINE, PROCESS, STORAGE
from spaces.errors import InputError
from spaces.files import replacing
from trainables.weights.checkpoint import save_state


def os_error(name):
    code = getattr(errno, name)
    return OSError(code, os.strerror(code), "/data/latest/state.pt")


PEER = RuntimeError(
    "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:49565: Connection reset by peer."
)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        *((os_error(name), STORAGE) for name in ("ENOSPC", "EDQUOT", "EROFS")),
        *((os_error(name), MACHINE) for name in ("EIO", "ESTALE", "ECONNREFUSED", "EMFILE")),
        (
            RuntimeError('Error: IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })'),
            STORAGE,
        ),
        (RuntimeError("CUDA error: unspecified launch failure"), MACHINE),
        (PEER, PROCESS),
        (MirrorError("the checkpoint store s3://bucket: EndpointConnectionError"), MACHINE),
        (ConnectionResetError(errno.ECONNRESET, "reset"), MACHINE),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), GPU_MEMORY),
        (MemoryError(), PROCESS),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            PROCESS,
        ),
        (ActorDiedError(), PROCESS),
        (OutOfMemoryError("Task was killed due to the node running low on memory."), PROCESS),
    ],
)
def test_the_machine_is_at_fault(error, cause):
    loss = loss_of(error)
    assert loss is not None
    assert loss.cause == cause
    assert loss.reason
    assert "\n" not in loss.reason


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such joint"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "weights"),
        PermissionError(errno.EACCES, "Permission denied", "weights"),
        KeyError("lr"),
        AssertionError(),
    ],
)
def test_the_trial_is_at_fault(error):
    assert loss_of(error) is None
    assert loss_of(RayTaskError("train", "Traceback ...", error)) is None


def test_what_ray_wraps_is_found():
    full = os_error("ENOSPC")
    task = RayTaskError("train", "Traceback ...", full)
    for error in (task, pickle.loads(pickle.dumps(task)), WorkerGroupError("rank 1", {1: full})):
        assert loss_of(error) == (STORAGE, "no space left on device")


DIED = WorkerHealthCheckFailedError("A worker health check failed.", ActorDiedError())


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (PEER, PROCESS),
        (DIED, PROCESS),
        (torch.OutOfMemoryError("CUDA out of memory."), GPU_MEMORY),
        (os_error("ENOSPC"), STORAGE),
        (RuntimeError("NCCL error in: ProcessGroupNCCL.cpp"), MACHINE),
        (WorkerHealthCheckTimeoutError("no answer"), MACHINE),
        (BroadcastCollectiveTimeoutError(9.0, [1], 8.0), MACHINE),
    ],
)
def test_what_a_rank_raised_is_found(error, cause):
    assert loss_of(pickle.loads(pickle.dumps(WorkerGroupError("rank 1", {1: error})))).cause == cause


def test_a_group_that_does_not_come_up_is_the_machines_fault():
    assert loss_of(ControllerError(WorkerGroupStartupTimeoutError(2))).cause == MACHINE


def test_of_a_group_one_rank_that_is_at_fault_is_enough():
    assert loss_of(WorkerGroupError("rank 0", {0: PEER})).cause == PROCESS
    assert loss_of(WorkerGroupError("both", {0: PEER, 1: DIED})).cause == PROCESS
    for first, second in ((0, 1), (1, 0)):
        failed = WorkerGroupError("both", {first: PEER, second: ValueError("no joint")})
        assert loss_of(failed) is None
        assert loss_of(RayTaskError("fit", "Traceback ...", failed)) is None


def test_what_our_own_writers_wrap_is_found(tmp_path):
    with pytest.raises(InputError) as raised, replacing(tmp_path / "state"):
        raise os_error("ENOSPC")
    assert loss_of(raised.value) == (STORAGE, "no space left on device")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_state_written_to_a_full_disk_is_the_machines_fault(monkeypatch, tmp_path):
    class Full:
        def __enter__(self):
            self.file = open("/dev/full", "wb", buffering=0)
            return self.file

        def __exit__(self, *raised):
            self.file.close()

    monkeypatch.setattr("trainables.weights.checkpoint.replacing", lambda path: Full())
    with pytest.raises(Exception) as raised:  # whatever torch makes of it
        save_state(tmp_path / "state", {"network": {"weight": torch.zeros(100_000)}})
    assert loss_of(raised.value).cause == STORAGE


def test_a_store_that_is_away_is_the_machines_fault(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "trial").mkdir()
    with pytest.raises(MirrorError, match=r"the checkpoint store file:.*: NotADirectoryError"):
        Mirror(f"file://{tmp_path}/file", "one", 0).send(tmp_path / "trial", with_best=False)


def test_a_loss_is_reported_and_anything_else_is_raised():
    sent = []
    with losses_reported(3, sent.append):
        raise MemoryError
    (message,) = sent
    end = from_text(message["report"])
    assert (end.trial, end.state, end.cause, end.reason) == (3, LOST, PROCESS, "out of memory: MemoryError:")
    with pytest.raises(ValueError, match="mine"), losses_reported(3, sent.append):
        raise ValueError("mine")
    assert len(sent) == 1
