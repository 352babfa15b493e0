"""Device selection, and settings of CPU threads and memory allocation."""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import sys
from pathlib import Path

import torch

NEAR, FAR = 2**20, 2**24  # numbers of a tensor
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # names and numbers of malloc.h
MADV_HUGEPAGE, HUGE = 14, 2**21  # of sys/mman.h; bytes
LARGEST_KEPT, ROOM = 2**25, 2**30  # bytes: of a piece of memory that is kept when it is freed; of the heap
TOP_PAD = 2**17  # bytes by which glibc extends the heap beyond what is asked for, unless told otherwise


def pick_device() -> torch.device:
    """Returns the CUDA device of this process if it has one, else the CPU with one thread.

    These networks are thousands of tiny operations: with more threads than free cores they wait for each other and run
    ten times slower. OMP_NUM_THREADS, where set, has the last word."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    wanted = os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0].strip()
    # Set where the variable is, too: this process may be forked of one that had loaded torch before it was.
    torch.set_num_threads(max(1, int(wanted)) if wanted.isdecimal() else 1)
    return torch.device("cpu")


def keep_freed_memory() -> None:
    """Makes the C library keep freed memory for the next step instead of giving it back to the system and fetching it
    again page by page, which takes up to 7 % of a stacked step on CPU. Does nothing where there is no glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        _advise_huge_pages()


@functools.cache
def spare_collections() -> None:
    """Has Python's garbage collector pass over what exists now: again and again it would walk through all that torch
    consists of, 5 % of the time of a small step."""
    gc.freeze()


@functools.cache
def _advise_huge_pages() -> None:
    """Extends glibc's heap by room for the tensors of a step and asks for pages of 2 MiB there: a step that walks
    through dozens of megabytes otherwise waits for the translation of its addresses, up to an eighth of the time.

    Only pages that are touched take memory. The C library's own setting, `GLIBC_TUNABLES`, is read as a process
    starts."""
    library = ctypes.CDLL(None)
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    library.mallopt(M_TOP_PAD, ROOM)
    library.free(library.malloc(LARGEST_KEPT - 2**20))  # more than the heap has left, so that it grows
    library.mallopt(M_TOP_PAD, TOP_PAD)
    # A process that was forked has its heap in parts.
    parts = [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]")]
    for first, last in ([int(place, 16) for place in part.split("-")] for part in parts):
        first = -(-first // HUGE) * HUGE
        if first < last:
            library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), MADV_HUGEPAGE)


def most_near(device: torch.device, numbers: int) -> int:
    """Returns the number of samples to compute at a time, at least 1, where a tensor has so many numbers of each: on
    the CPU a compromise between its cache and what a call costs, elsewhere as many as memory surely takes."""
    return max(1, (NEAR if device.type == "cpu" else FAR) // numbers)
