"""Reports the devices that torch finds on a machine, as one line of JSON.

A separate program, `python -m search.doctor.probe`, so that a torch that cannot be imported becomes a finding instead
of ending the caller; cluster nodes run its source text."""

from __future__ import annotations

import json
import os
import platform
import time
from typing import Any

import torch


def devices() -> list[dict[str, Any]]:
    """Lists every device with its name and memory in GiB, whether a matrix product on it is right, and the product's
    time in seconds."""
    found: list[dict[str, Any]] = []
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        found.append({"device": f"cuda:{number}", "name": facts.name, "memory_gib": facts.total_memory / 2**30})
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found.append({"device": "cpu", "name": platform.machine(), "memory_gib": memory / 2**30})
    for row in found:
        started = time.perf_counter()
        matrix = torch.ones(64, 64, device=row["device"])
        row["is_right"] = (matrix @ matrix).sum().item() == 64**3
        row["seconds"] = time.perf_counter() - started
    return found


if __name__ == "__main__":
    answer = {"torch": torch.__version__, "cuda": torch.version.cuda, "devices": devices()}
    print(json.dumps(answer | {"threads": torch.get_num_threads()}))
