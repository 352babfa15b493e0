"""Folder in which a Ray of our own keeps its sockets and logs, and the interpreter that its workers run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.errors import ConfigError

# What Ray 2.60 adds to its folder, with the longest process id, and what a socket's path may have: 107 bytes.
SOCKET = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
MOST_BYTES = 107
SHORT = ("/tmp", "/var/tmp", "/dev/shm")
NAMES = ("RAY_TMPDIR", "TMPDIR")  # variables of the folder for Ray's files, in its order
PRIVATE = "ray-"  # beginning of the names of private folders below these
_private: list[str] = []


def named_folder() -> tuple[str, Path]:
    """Returns the variable that names the folder for Ray's files, '' for none, and the folder, as Ray itself finds
    it."""
    for name in NAMES:
        if folder := os.environ.get(name):
            return name, Path(folder)
    return "", Path("/tmp")


def is_too_long(folder: Path) -> bool:
    """Returns whether the paths of Ray's sockets below `folder` would be longer than the system takes."""
    return len(os.fsencode(folder / "ray" / SOCKET)) > MOST_BYTES


def folder_problems() -> list[str]:
    """Checks that the folder for Ray's files can be written. Returns a message, or []."""
    name, folder = named_folder()
    above = folder.absolute()
    try:
        while not os.path.lexists(above):
            above = above.parent
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        what = f"{name}={folder}" if name else str(folder)
        return [f"{what} cannot be written ({error.strerror}); set RAY_TMPDIR to a short path of a folder that can"]
    return []


@contextmanager
def ray_folder() -> Iterator[str | None]:
    """Yields the folder for Ray's files: None for Ray's own choice; where the paths of its sockets would be too long
    there, a private folder below /tmp or the like, which is removed at the end of the block. ConfigError if none can be
    written."""
    if problems := folder_problems():
        raise ConfigError("Ray", problems)
    name, folder = named_folder()
    for empty in NAMES:
        if os.environ.get(empty) == "":
            del os.environ[empty]  # Ray would take it for the working directory, and not start there
    if not is_too_long(folder):
        yield None
        return
    for above in SHORT:
        try:
            short = tempfile.mkdtemp(prefix=PRIVATE, dir=above)
        except OSError:
            continue
        break
    else:
        problem = f"{name}={folder} is too long for the paths of sockets ({MOST_BYTES} bytes)"
        raise ConfigError("Ray", [f"{problem}; set RAY_TMPDIR to a short path of a folder that can be written"])
    _private.append(short)
    try:
        yield short
    finally:
        remove_private_folders()


def remove_private_folders() -> None:
    """Removes the private folders that `ray_folder` has made in this process."""
    while _private:
        shutil.rmtree(_private.pop(), ignore_errors=True)


@contextmanager
def quoted_commands() -> Iterator[None]:
    """Makes a Ray that is started within the block quote the command lines of its servers and workers as its own parts
    read them, so that it starts from folders of any name. Its own quoting, that of Windows, knows blanks alone."""
    plain = subprocess.list2cmdline
    subprocess.list2cmdline = shlex.join  # type: ignore[assignment]
    try:
        yield
    finally:
        vars(subprocess)["list2cmdline"] = plain


def worker_environment() -> dict[str, str]:
    """Returns the entries of Ray's runtime environment that make its workers start wherever this interpreter lies: its
    path, quoted, as Ray hands it to a shell as it is."""
    quoted = shlex.quote(sys.executable)
    return {} if quoted == sys.executable else {"py_executable": quoted}
