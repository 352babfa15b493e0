"""The store through which the ranks of a group find each other listens on the group's address only."""

import socket
import subprocess
import sys

from tests import ROOT
from tests.made.commands import LIMIT_S

RANK = """
import os, sys, torch
from torch import distributed
from trainables.devices.team import narrow_store
from tests.made.commands import listening, listening_of
rank, *ports = sys.argv[1:]
os.environ.update(MASTER_ADDR="127.0.0.1", RANK=rank, WORLD_SIZE="2", GLOO_SOCKET_IFNAME="lo")
for port, narrow in zip(ports, (lambda: None, narrow_store), strict=True):
    before = listening_of(os.getpid(), listening())
    narrow()
    os.environ["MASTER_PORT"] = port
    distributed.init_process_group("gloo")
    total = torch.ones(1)
    distributed.all_reduce(total)
    assert total.item() == 2
    print(*sorted(address for address, port in listening_of(os.getpid(), listening()) - before))
    distributed.destroy_process_group()
"""


def test_the_store_of_a_group_listens_on_its_address_alone():
    """Torch's own way is tried first: should it ever do this by itself, our change is not needed any more."""
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        ports = [str(probe.getsockname()[1]) for probe in (one, two)]
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, rank, *ports], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    first, second = [rank.communicate(timeout=LIMIT_S)[0].splitlines() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    plain, narrow = (sorted(line.split()) for line in first)
    assert plain == sorted(["127.0.0.1", "::"])
    assert narrow == ["127.0.0.1"] * 2
    assert second == ["127.0.0.1"] * 2
