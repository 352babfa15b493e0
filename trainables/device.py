"""Where a run computes."""

from __future__ import annotations

import os

import torch


def pick_device() -> torch.device:
    """The CUDA device of this process if it has one, else the CPU with one thread.

    These networks are thousands of tiny operations: with more threads than free cores they wait for each other and run
    ten times slower. OMP_NUM_THREADS, where set, has the last word.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return torch.device("cpu")
