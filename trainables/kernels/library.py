"""Native library of the kernels: compiled once on each machine by its C compiler, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

NAMES = ("attention", "fusion", "masks", "mixing", "norm", "products")
SOURCES = tuple(Path(__file__).with_name(f"{name}.c") for name in NAMES)
HEADER = Path(__file__).with_name("vectors.h")
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fPIC", "-shared", "-fwrapv", "-fno-math-errno")
COMPILERS = ("cc", "gcc", "clang")
# Arguments of the kernels: p, a tensor or nothing, n, a whole number, x, a number.
KERNELS = {
    "masked_forward": "pppp nnn pnp n",
    "masked_backward": "pppp nnn pnp n",
    "attention_forward": "ppppppp nnnnnnn x pnp",
    "attention_backward": "ppppppp pppp nnnnnnn x pnp",
    "mixed_forward": "ppppp nnnn pnp n",
    "mixed_backward": "ppppppp nnnn pnp",
    "norm_forward": "pppp nnn x n",
    "norm_backward": "pppppp nnn x n",
    "products": "pppp nnnn nnnn",
    "fusion_forward": "ppppppp nnnnn x",
    "fusion_backward": "pppppppppppp nnnnn",
}
KINDS = {"p": ctypes.c_void_p, "n": ctypes.c_int64, "x": ctypes.c_float}
SECONDS = 120  # for a compiler; it takes two


@functools.cache
def library() -> ctypes.CDLL | None:
    """Loads the library, compiled first where this processor has none yet; None without a compiler that can, or a place
    where this user alone can put it."""
    compiler = _compiler()
    if compiler is None:
        return None
    try:
        path = _folder() / f"kernels-{_mark(compiler)}.so"
        if not path.exists():
            _compile(compiler, path)
        if not (_is_own(path) and _is_own(path.parent)):
            return None
        found = ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError):  # RuntimeError: a user without a home
        return None
    for name, arguments in KERNELS.items():
        kernel = getattr(found, name)
        kernel.argtypes, kernel.restype = [KINDS[kind] for kind in arguments if kind != " "], None
    return found


def kernel(name: str) -> Callable[..., None]:
    """Returns a kernel of `KERNELS`; for callers that asked `is_native` before."""
    found = library()
    assert found is not None, "no library of kernels"
    call: Callable[..., None] = getattr(found, name)
    return call


@functools.cache
def has_matrix_unit() -> bool:
    """Returns whether the processor has a matrix unit that `products` knows, and Linux lets this process use it."""
    found = library()
    if found is None:
        return False
    found.products_ready.restype = ctypes.c_int64
    return bool(found.products_ready())


def _compiler() -> list[str] | None:
    """Returns the command of CC, or of the first compiler found; an empty CC means none."""
    named = os.environ.get("CC")
    if named is not None:
        return shlex.split(named) or None
    return next(([found] for name in COMPILERS if (found := shutil.which(name))), None)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posesweep"


def _is_own(path: Path) -> bool:
    """Returns whether nobody but this user could have written what will be loaded."""
    facts = path.stat()
    return facts.st_uid == os.getuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _mark(compiler: list[str]) -> str:
    """Returns a mark of sources, compiler and processor: home folders are shared by machines of several kinds."""
    mark = hashlib.sha256(repr((compiler, FLAGS)).encode())
    for path in (HEADER, *SOURCES):
        mark.update(path.read_bytes())
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text().splitlines() if processor.exists() else []
    mark.update("\n".join(next(([line] for line in lines if line.startswith(("flags", "Features"))), [])).encode())
    return mark.hexdigest()[:16]


def _compile(compiler: list[str], path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [*compiler, *FLAGS, *map(str, SOURCES), "-o", str(made), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        made.chmod(0o700)
        made.replace(path)
