"""Memory settings of processes that train on the CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

# A forked process has its heap in parts; the child must ask for each of them.
SCRIPT = """
import os, pathlib, sys
from trainables.devices.device import keep_freed_memory
import torch
kept = [torch.empty(2000) for _ in range(500)]
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
keep_freed_memory()
keep_freed_memory()
tensors = [torch.zeros(2**20) for _ in range(16)]
text = pathlib.Path("/proc/self/smaps").read_text()
parts = [part for part in text.split("VmFlags:")]
flags = [after.splitlines()[0] for part, after in zip(parts, parts[1:]) if "[heap]" in part]
print(sum(" hg" in flag for flag in flags), sum(tensor.sum().item() for tensor in tensors))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="huge pages are asked for on Linux")
def test_a_process_that_trains_asks_for_huge_pages_of_its_heap():
    if "never" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text().partition("[")[2][:6]:
        pytest.skip("this system gives no huge pages")
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    advised, total = done.stdout.split()
    assert int(advised) >= 1
    assert float(total) == 0
