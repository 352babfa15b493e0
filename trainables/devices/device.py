"""Device selection, and settings of CPU threads and memory allocation."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

NEAR, FAR = 2**20, 2**24  # numbers of a tensor
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and numbers of malloc.h


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
        library.mallopt(M_MMAP_THRESHOLD, 2**25)


def most_near(device: torch.device, numbers: int) -> int:
    """Returns the number of samples to compute at a time, at least 1, where a tensor has so many numbers of each: on
    the CPU a compromise between its cache and what a call costs, elsewhere as many as memory surely takes."""
    return max(1, (NEAR if device.type == "cpu" else FAR) // numbers)
