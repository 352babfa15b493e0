"""Folder of claims: one file a running sweep, which it keeps locked. The lock ends with its process."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError

CLAIMS = "POSESWEEP_CLAIMS"  # environment: another folder for claims, so that some sweeps do not count others
GATE, SUFFIX = "lock", ".claim"
WAIT_S = 30.0  # for another sweep that reads or writes claims, which takes it milliseconds
MOST_BYTES = 1 << 16  # of a claim, which has a few hundred
# Whatever lies there under a name of ours: a link is not followed, and a pipe is not waited for.
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def claims_folder() -> Path:
    return Path(os.environ.get(CLAIMS) or Path(tempfile.gettempdir(), f"posesweep-{os.getuid()}"))


@contextmanager
def open_claims() -> Iterator[int]:
    """Opens the folder of claims, made if missing, and keeps other sweeps out of it for the duration of the block;
    yields its file descriptor. ConfigError if it is not a folder of this user that nobody else can write to, or stays
    locked."""
    path = claims_folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | SAFELY)
    except OSError as error:
        # A link is no folder to O_NOFOLLOW.
        fault = "is a link" if path.is_symlink() else f"cannot be used: {error.strerror}"
        raise _refused(path, fault) from None
    try:
        facts = os.fstat(folder)
        if facts.st_uid != os.getuid():
            raise _refused(path, f"belongs to user {facts.st_uid}")
        if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _refused(path, f"can be written by others (mode {stat.S_IMODE(facts.st_mode):04o})")
        os.fchmod(folder, 0o700)
        gate = _gate(path, folder)
        try:
            yield folder
        finally:
            os.close(gate)
    finally:
        os.close(folder)


def _refused(path: Path, fault: str) -> ConfigError:
    remedy = f"remove it, or name another folder that only you can write to: {CLAIMS}=DIR"
    return ConfigError(f"claims in {path}", [f"{fault}; {remedy}"])


def _gate(path: Path, folder: int) -> int:
    try:
        gate = os.open(GATE, os.O_RDWR | os.O_CREAT | SAFELY, 0o600, dir_fd=folder)
    except OSError as error:
        raise _refused(path / GATE, f"cannot be opened: {error.strerror}") from None
    deadline = time.monotonic() + WAIT_S
    while stat.S_ISREG(os.fstat(gate).st_mode):
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return gate
        except OSError as error:
            fault = f"stays locked by another process ({error.strerror})"
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    else:
        fault = "is no plain file"
    os.close(gate)
    raise _refused(path / GATE, fault)


def live_claims(folder: int) -> list[dict[str, Any]]:
    """Reads the claims of running processes and deletes the files of ended ones. `folder`: descriptor of the folder of
    claims. What is no claim is passed over."""
    found = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(SUFFIX):
            continue
        try:
            file = os.open(name, os.O_RDONLY | SAFELY, dir_fd=folder)
        except OSError:  # a link, or gone
            continue
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                found += _claim(folder, name, file)
        finally:
            os.close(file)
    return found


def _claim(folder: int, name: str, file: int) -> list[dict[str, Any]]:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            read = json.loads(os.read(file, MOST_BYTES))
            claim = {"who": str(read["who"]), "CPU": float(read["CPU"]), "GPU": float(read["GPU"])}
            gpus = {str(gpu): float(share) for gpu, share in read.get("gpus", {}).items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return []
        return [{**claim, "gpus": gpus}]
    os.unlink(name, dir_fd=folder)
    return []


def lay_claim(folder: int, claim: dict[str, Any]) -> tuple[str, int]:
    """Writes a claim to a new file and locks it; returns its name and its descriptor, which holds the lock. ConfigError
    if it cannot be written."""
    name = uuid.uuid4().hex + SUFFIX
    path = claims_folder()
    try:
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFELY, 0o600, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(file, json.dumps(claim).encode())
        except OSError:
            os.close(file)
            raise
    except OSError as error:
        raise _refused(path, f"cannot be written: {error.strerror}") from None
    return name, file
