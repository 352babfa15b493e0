"""Names of the files in a run folder. No torch, so that whatever only looks for them starts quickly."""

from __future__ import annotations

import re

BEST = "best.safetensors"
CONFIG = "config.yaml"
STATE = "state.pt"
LATEST = f"latest/{STATE}"  # after the last finished epoch
LOG = "log.tsv"
SNAPSHOT = "epoch_{:04d}"  # folder of the state after an epoch, if states are kept beside the last
SNAPSHOTS = "epoch_[0-9]*"  # pattern of these folders
_OUTPUT = re.compile(r"log(\.[1-9]\d*)?\.txt")
_PART = re.compile(r"\..+\.[a-z0-9_]{8}|.+\.part")


def output_file(rank: int) -> str:
    """Returns the name of the file for what the process of this rank prints."""
    return f"log.{rank}.txt" if rank else "log.txt"


def is_output(name: str) -> bool:
    """Returns whether a file name is one of `output_file`."""
    return _OUTPUT.fullmatch(name) is not None


def is_part(name: str) -> bool:
    """Returns whether a file name is that of a write that has not ended: of `spaces.files.replacing`, or a copy."""
    return _PART.fullmatch(name) is not None
