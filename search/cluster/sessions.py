"""Session folders of Ray on this machine, where its processes keep sockets and logs: which are in use, and their
removal. Imports no Ray."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spaces.cli import FAILED, OK
from spaces.commands import command

from .folders import PRIVATE, SHORT, named_folder

RAY = "ray"  # folder in that of a sweep or run, for what Ray Tune and Ray Train write
LATEST = "session_latest"  # Ray's link to the newest session
_SESSION = re.compile(r"session_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d+_(\d+)")
STRAGGLERS_S = 2.0  # how long processes of a Ray that was shut down may still write


def dead_sessions() -> list[Path]:
    """Lists the session folders of this user that no process uses any more."""
    found = [folder for base in _bases() for folder in sorted(base.glob("session_*"))]
    lines = list(_command_lines())
    return [folder for folder in found if _is_ours(folder) and not _is_alive(folder, lines)]


def clear_ray(session: Path | None, groups: Path, code: int) -> None:
    """Removes what Ray has left behind after a run that ended well (exit code 0); prints on stderr where Ray's logs are
    after one that failed. `session`: session folder of our own Ray, which was shut down (None: Ray is a cluster's);
    `groups`: the run's folder for Ray Tune and Ray Train."""
    if code == OK:
        shutil.rmtree(groups, ignore_errors=True)
        if session is not None:
            remove_session(session)
    elif code == FAILED and session is not None and session.is_dir():
        print(f"Ray's logs are in {session}; to remove them: {command('search', 'clean')}", file=sys.stderr)


def remove_session(folder: Path) -> None:
    """Removes the session folder of a Ray that was shut down, and Ray's link to it. What cannot be removed stays."""
    deadline = time.monotonic() + STRAGGLERS_S
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < deadline:  # its last processes are on their way out
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)
    link = folder.parent / LATEST
    with suppress(OSError):  # there is none, or another Ray has just replaced it
        if link.readlink() == folder:
            link.unlink()
    if folder.parent.name.startswith(PRIVATE):
        with suppress(OSError):  # another session is in it
            folder.parent.rmdir()


def _bases() -> Iterator[Path]:
    """Iterates over the folders in which Rays of ours make their sessions."""
    yield named_folder()[1] / "ray"
    for above in SHORT:
        yield from sorted(path for path in Path(above).glob(f"{PRIVATE}*") if not path.is_symlink())


def _is_ours(folder: Path) -> bool:
    try:
        facts = folder.lstat()
    except OSError:
        return False
    is_folder = folder.is_dir() and not folder.is_symlink()
    return is_folder and facts.st_uid == os.getuid() and _SESSION.fullmatch(folder.name) is not None


def _is_alive(folder: Path, lines: list[bytes]) -> bool:
    """Returns whether a session is in use: the process that began it runs, a command line of `lines` names it, or a
    socket in it answers. A cluster of `ray start` outlives the process that began it."""
    name = _SESSION.fullmatch(folder.name)
    assert name is not None, folder
    if _runs(int(name[1])) or any(folder.name.encode() in line for line in lines):
        return True
    return any(_answers(path) for path in folder.glob("sockets/*"))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:  # it has ended
            continue


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # nobody knows
            return True
        return True
